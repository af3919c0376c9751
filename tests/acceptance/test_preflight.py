"""`remediator canary preflight` and `doctor`, every link real: Prometheus, Alertmanager and a running Remediator."""

import json
from typing import Any

import pytest

from demo.denis import Scenario
from demo.waiting import until
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import SECONDS, Stack
from tests.canary.test_verify import GAUGES
from tests.support.commands import run


def links(stack: Stack) -> list[str]:
    """The flags that name everyone who can be asked."""
    flags = {
        "--kubeconfig": stack.directory / "kubeconfig",
        "--prometheus.url": f"http://{stack.watch.prometheus.address}",
        "--alertmanager.url": f"http://{stack.alertmanager.address}",
        "--remediator.url": f"http://{stack.watch.internal_address}",
        "--cluster": "",
    }
    return [f"{flag}={value}" for flag, value in flags.items()]


def preflight(stack: Stack, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the checks by name, with every link given."""
    denis = f"--denis.url=http://{stack.denis.address}"
    result = run("canary", "preflight", "-o", "json", *links(stack), denis, *arguments, config=stack.config)
    answer = json.loads(result.stdout)
    return result.exit_code, {check["name"]: check for check in answer["checks"]}


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_the_whole_chain(assemble: Assemble) -> None:
    """With the shipped files every check is a tick; once the canary is being taken back, nobody is told to go on."""
    stack = assemble()
    until("Prometheus has evaluated its rules", lambda: preflight(stack)[0] == 0, SECONDS)
    _, checks = preflight(stack)

    # A newer Alertmanager hides the webhook's URL, no release is there, and no rules are in the file's folder.
    not_known = {"dry run", "refusals", "rule text"}
    assert {name for name, check in checks.items() if not check["passed"]} - {"webhook"} == not_known
    found = {name: check["found"] for name, check in checks.items()}
    assert found["step"] == "10 % -> 50 %"
    assert found["reflex"] == "a rollback alert would set 50 % -> 0 %"
    assert found["unit"] == "the rates are ratios, and no pod contradicts it"
    ours = 'and on (cluster, namespace, job) denis:signal{canary="denis/denis"}'
    assert found["DenisErrorRateHigh"] == f"(denis:error_rate:avg_ratio {ours}) > 0.05, for 1s"
    assert (
        found["DenisMaterializerSuccessRateLow"] == f"(denis:materializer_success_rate:avg_ratio {ours}) < 0.9, for 1s"
    )
    assert stack.alertmanager.address in found["alertmanagers"]
    assert found["route"].endswith("remediation=rollback, severity=critical goes to the webhook of receiver remediator")
    assert found["service"].endswith("has rollback, would act on it, and cools down for 30m")
    assert set(checks) >= {f"{kind}{name}" for name in GAUGES for kind in ("", "signal ")}

    result = run("doctor", "-o", "json", *links(stack), config=stack.config)
    chains = json.loads(result.stdout)["chains"]
    assert [(chain["name"], chain["armed"]) for chain in chains[:2]] == [("rollback", None), ("scale-workers", None)]
    assert result.exit_code == 0
    # One Alertmanager that Prometheus names does not run.
    states = {link["link"]: link["state"] for chain in chains for link in chain["links"] if link["state"] != "ok"}
    unknown = {"alertmanagers": "!!", "people's alerts": "?", **dict.fromkeys(not_known, "?")}
    assert unknown.items() <= states.items() <= {**unknown, "webhook": "?"}.items()

    stack.denis.becomes(Scenario(canary_error_rate=0.9, cause="elsewhere"))
    stack.decides("Applied", of="DenisErrorRateHigh")
    code, checks = preflight(stack, "10")
    assert code == 3
    assert {"reflex", "DenisErrorRateHigh"} <= {name for name, check in checks.items() if not check["passed"]}
    assert "would take the canary back" in checks["DenisErrorRateHigh"]["found"]
    assert "its last act cools down for another" in checks["reflex"]["found"]
    assert checks["service"]["found"].endswith(f"and would act on it, but for this: {checks['reflex']['found']}")
