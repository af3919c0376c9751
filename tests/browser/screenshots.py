"""`python -m tests.browser.screenshots`: the pictures of docs/status-page.md, of an incident as it could be.

By a clock that stands, so that the same page is the same picture.
"""

import json
import tempfile
from contextlib import ExitStack, chdir
from datetime import timedelta
from pathlib import Path
from typing import Any

from demo.waiting import until
from remediator.config.watcher import PolicyFile
from remediator.sandbox import EmbeddedCluster
from remediator.sandbox.kubeconfig import kubeconfig
from tests.browser.chromium import Chromium, chromium
from tests.support.internal import Internal, Listening
from tests.support.kubectl import patch_deployment
from tests.support.service import NOON, SHIPPED, Clock, Service, alert

IMAGES = Path(__file__).parents[2] / "docs" / "images"
PICTURES = {"wide": (1024, 800, 1, "light"), "narrow": (390, 844, 1.5, "light"), "dark": (390, 844, 1.5, "dark")}
"""Width and height of the screen in CSS pixels, pixels for each of these, colour scheme."""

ANNOTATIONS = "remediator.denis.run/"


def act(ago: timedelta, effect: str, before: int, after: int, **by: str) -> dict[str, Any]:
    """An entry of the ledger."""
    time = (NOON - ago).isoformat()
    return {"id": f"{ago.total_seconds():.0f}", "time": time, "effect": effect, "from": before, "to": after, **by}


def incident(cluster: EmbeddedCluster) -> None:
    """A canary that people brought to 10 % on the day before, and workers on the kill switch while a bug is mended."""
    hours, minutes = timedelta(hours=1), timedelta(minutes=1)
    ledger = [
        act(31 * hours, "SetPercentage", 0, 1, operator="ada@denis.run"),
        act(26 * hours, "SetPercentage", 1, 10, operator="ada@denis.run"),
    ]
    write(cluster, "denis", ledger={"version": 1, "acts": ledger})
    ledger = [
        act(3 * hours, "Scale", 2, 4, operator="grace@denis.run"),
        act(50 * minutes, "Scale", 4, 6, remediation="scale-workers"),
        act(39 * minutes, "Scale", 6, 8, remediation="scale-workers"),
    ]
    switch = {
        "reason": "jobs are written twice, see the incident channel",
        "author": "grace@denis.run",
        "since": (NOON - 9 * minutes).isoformat(),
        "replicas": 8,
    }
    write(cluster, "denis-workers", ledger={"version": 1, "acts": ledger}, **{"kill-switch": switch})
    patch_deployment(cluster, {"spec": {"replicas": 0}}, "denis-workers")


def write(cluster: EmbeddedCluster, deployment: str, **annotations: Any) -> None:
    """Write annotations onto a Deployment."""
    texts = {f"{ANNOTATIONS}{name}": json.dumps(value) for name, value in annotations.items()}
    patch_deployment(cluster, {"metadata": {"annotations": texts}}, deployment)


def take(browser: Chromium, url: str) -> None:
    """Take every picture."""
    for name, (width, height, scale, scheme) in PICTURES.items():
        browser.look(width, height, scheme=scheme, scale=scale)
        browser.open(url)
        browser.wait("the script runs", lambda: "ago" in browser.text("#age"))
        browser.picture(IMAGES / f"status-{name}.png")


def main() -> None:
    """Play the incident up to the rollback, four minutes ago, and take the pictures."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(EmbeddedCluster())
        (directory / "kubeconfig").write_text(kubeconfig(cluster.url))
        clock = Clock(NOON - timedelta(minutes=4, seconds=12))
        service = Service(directory / "kubeconfig", clock=clock)
        stack.callback(service.recorder.close, 5)
        incident(cluster)
        service.reasons(alert())
        clock.move(minutes=3, seconds=31)
        beat = {"recorded": f"{clock().timestamp() - 22.4:.3f}"}
        service.reasons({**alert("heartbeat"), "annotations": beat})
        clock.move(seconds=38)
        stack.enter_context(chdir(SHIPPED.parents[1]))
        internal = Internal(service, clock, PolicyFile(SHIPPED.relative_to(Path.cwd())))
        until("the pods follow", lambda: internal.target("denis")["rollout"]["complete"], 30)
        clock.move(seconds=3)
        listener = Listening(internal)
        listener.come_back()
        stack.callback(listener.go)
        browser = stack.enter_context(chromium(directory / "profile"))
        take(browser, listener.url)


if __name__ == "__main__":
    main()
