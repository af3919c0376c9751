"""What Helm says of the chart, kept beside the programs: it follows from the chart, the values and Helm alone.

Whoever changes none of them is answered from there, by later runs as well; a change of any file asks Helm again.
"""

import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.support.components import CACHE

FOLDER = CACHE / "helm-answers"
KEPT_SECONDS = 7 * 86_400
"""How long the answers of a chart are kept that nobody has added to."""


class Refused(Exception):
    """Helm did not do it; the text is what it said."""


def kept(helm: str, chart: Path, question: Any, ask: Callable[[], Any]) -> Any:
    """The answer that this Helm gave to the same question about the same chart, or gives now. Raises Refused."""
    folder = FOLDER / _digest(helm.encode(), *_content(chart))
    path = folder / f"{_digest(json.dumps(question, sort_keys=True).encode())}.json"
    try:
        answer = json.loads(path.read_text())
    except FileNotFoundError:
        try:
            answer = {"result": ask()}
        except Refused as error:
            answer = {"error": str(error)}
        _write(path, json.dumps(answer))
    if "error" in answer:
        raise Refused(answer["error"])
    return answer["result"]


def _content(chart: Path) -> list[bytes]:
    files = sorted(path for path in chart.rglob("*") if path.is_file())
    return [part for path in files for part in (str(path.relative_to(chart)).encode(), path.read_bytes())]


def _digest(*parts: bytes) -> str:
    whole = hashlib.sha256()
    for part in parts:
        whole.update(b"%d:" % len(part))
        whole.update(part)
    return whole.hexdigest()[:32]


def _write(path: Path, text: str) -> None:
    """Whole or not at all, for others read there; the first of a chart removes those that are out of use."""
    if not path.parent.exists():
        for other in FOLDER.glob("*"):
            with suppress(FileNotFoundError):  # Others that run beside this one remove them as well.
                if other.stat().st_mtime < time.time() - KEPT_SECONDS:
                    shutil.rmtree(other, ignore_errors=True)
        path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, fresh = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    Path(fresh).replace(path)
