"""What a body costs by the number of its alerts: from its bytes to those of the answer, beside pydantic reading it.

Processor time of this process alone: the real application, loop, client and recorder in front of a real API server,
which is a process of its own. What any request costs is that of a short body, so only what each further alert costs is
compared.
"""

import hashlib
import io
import json
import statistics
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal

from flask import Flask
from pydantic import BaseModel
from werkzeug.test import create_environ, run_wsgi_app

from benchmarks.figure import Effort, Figure, alternate, spell_seconds
from benchmarks.place import place
from remediator.document import read_text
from remediator.policy_file import parse_policy
from remediator.web import create_app
from tests.service import Service

RECORDED = Path(__file__).parent.parent / "tests" / "payloads" / "am0.33.1-single-firing.json"
SIZES = (100, 1_000, 10_000)
KINDS: Mapping[str, Sequence[str]] = {
    "in the cooldown": ["firing"],
    "mixed": ["firing", "resolved", "unmatched", "firing"],
}
"""What the alerts of a body are, over and over."""


class _Alert(BaseModel):
    status: Literal["firing", "resolved"]
    labels: dict[str, str]
    annotations: dict[str, str]
    startsAt: datetime
    endsAt: datetime
    generatorURL: str
    fingerprint: str


class _Payload(BaseModel):
    """The whole of Alertmanager's payload, as anybody would write it down for pydantic."""

    version: Literal["4"]
    groupKey: str
    truncatedAlerts: int = 0
    status: Literal["firing", "resolved"]
    receiver: str
    groupLabels: dict[str, str]
    commonLabels: dict[str, str]
    commonAnnotations: dict[str, str]
    externalURL: str
    alerts: list[_Alert]


def measure(effort: Effort, directory: Path) -> Iterator[Figure]:
    """A figure for each kind of body and each number of alerts."""
    with place(directory) as where:
        policy = parse_policy(read_text(where.config), str(where.config))
        service = Service(where.kubeconfig, clock=lambda: datetime.now(UTC), policy=policy, audit=Nowhere())
        app = create_app(service.handle, None, service.metrics)
        _post(app, _body(1, KINDS["mixed"]))  # The act whose cooldown the others meet.
        for name, kinds in KINDS.items():
            yield from _figures(effort, app, name, kinds)


def _figures(effort: Effort, app: Flask, name: str, kinds: Sequence[str]) -> Iterator[Figure]:
    request = partial(_post, app, _body(len(kinds), kinds))
    first = 0.0
    for size in SIZES:
        body = _body(size, kinds)
        further = size - len(kinds)
        times = max(effort.of(20_000, 2_000) // size, 1)
        compared = alternate(
            partial(_more_than, request, partial(_post, app, body), times),
            partial(_after, request, partial(_Payload.model_validate_json, body), times),
            effort.of(15, 3),
        )
        mine = statistics.median(compared.ours) / further
        first = first or mine
        yield Figure(
            name=f"a body of {size:,} alerts, {name}",
            ours=f"{spell_seconds(mine)} per alert",
            baseline=f"pydantic reading it: {spell_seconds(statistics.median(compared.baseline) / size)} per alert",
            ratio=compared.ratio,
            goal="≤ 1.5, and per alert ≤ 1.5 times that of 100",
            reached=compared.ratio.median <= 1.5 and mine <= 1.5 * first,
            notes=[
                f"{len(body) // size} bytes per alert; processor time, without that of the request itself,"
                f" {spell_seconds(_after(request, request, 10))} for a body of {len(kinds)}."
            ],
        )


def _more_than(request: Callable[[], object], whole: Callable[[], object], times: int) -> float:
    """Processor seconds that `whole` takes more than `request`, per call; the two take turns."""
    lead = 0.0
    for _ in range(times):
        lead += _cpu_seconds(whole) - _cpu_seconds(request)
    return lead / times


def _after(request: Callable[[], object], call: Callable[[], object], times: int) -> float:
    """Processor seconds of `call` where it is as cold as in the service: each time after a request."""
    total = 0.0
    for _ in range(times):
        request()
        total += _cpu_seconds(call)
    return total / times


def _cpu_seconds(call: Callable[[], object]) -> float:
    began = time.process_time()
    call()
    return time.process_time() - began


def _post(app: Flask, body: bytes) -> bytes:
    environ = create_environ("/webhook", method="POST", content_type="application/json", data=body)
    answer, status, _ = run_wsgi_app(app, environ)
    content = b"".join(answer)
    assert status == "200 OK", content
    return content


def _body(size: int, kinds: Sequence[str]) -> bytes:
    recorded = json.loads(RECORDED.read_bytes())
    (alert,) = recorded["alerts"]
    alerts = [_alert(alert, number, kinds[number % len(kinds)]) for number in range(size)]
    return json.dumps({**recorded, "alerts": alerts}, ensure_ascii=False, separators=(",", ":")).encode()


def _alert(recorded: Mapping[str, Any], number: int, kind: str) -> dict[str, Any]:
    """What Alertmanager sent, of another instance."""
    labels = {
        **recorded["labels"],
        "deployment": f"materializer-{number}",
        "instance": f"10.0.{number // 250}.{number % 250}:19100",
        "remediation": "none" if kind == "unmatched" else "denis",
    }
    return {
        **recorded,
        "status": "resolved" if kind == "resolved" else "firing",
        "labels": labels,
        "fingerprint": hashlib.sha256(str(number).encode()).hexdigest()[:16],
    }


class Nowhere(io.StringIO):
    """Where audit lines end that nobody is going to read."""

    def write(self, text: str, /) -> int:
        return len(text)
