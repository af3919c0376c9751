"""`remediator canary preflight` with every link real: Prometheus, Alertmanager and a running Remediator."""

import json
from typing import Any

import pytest

from demo.denis import Scenario
from demo.waiting import until
from tests.acceptance.conftest import Assemble
from tests.acceptance.stack import SECONDS, Stack
from tests.canary.test_verify import GAUGES
from tests.commands import run


def preflight(stack: Stack, *arguments: str) -> tuple[int, dict[str, Any]]:
    """The exit code and the checks by name, with every link given."""
    links = {
        "--kubeconfig": stack.directory / "kubeconfig",
        "--prometheus.url": f"http://{stack.watch.prometheus.address}",
        "--alertmanager.url": f"http://{stack.alertmanager.address}",
        "--remediator.url": f"http://{stack.watch.internal_address}",
        "--denis.url": f"http://{stack.denis.address}",
    }
    flags = [f"{flag}={value}" for flag, value in links.items()]
    result = run("canary", "preflight", "-o", "json", *flags, *arguments, config=stack.config)
    answer = json.loads(result.stdout)
    return result.exit_code, {check["name"]: check for check in answer["checks"]}


@pytest.mark.parametrize("age", ["oldest", "newest"])
def test_the_whole_chain(assemble: Assemble) -> None:
    """With the shipped files every check is a tick; once the canary is being taken back, nobody is told to go on."""
    stack = assemble()
    until("Prometheus has evaluated its rules", lambda: preflight(stack, "--require-all")[0] == 0, SECONDS)
    code, checks = preflight(stack, "--require-all")

    assert code == 0
    found = {name: check["found"] for name, check in checks.items()}
    assert found["step"] == "10 % -> 50 %"
    assert found["reflex"] == "a rollback alert would set 50 % -> 0 %"
    assert found["unit"] == "the rates are ratios, and no pod contradicts it"
    assert found["DenisErrorRateHigh"] == "denis:error_rate:avg_ratio > 0.05, for 1s"
    assert found["DenisMaterializerSuccessRateLow"] == "denis:materializer_success_rate:avg_ratio < 0.9, for 1s"
    assert stack.alertmanager.address in found["alertmanagers"]
    assert found["route"].endswith("remediation=rollback, severity=critical goes to the webhook of receiver remediator")
    assert found["service"].endswith("has rollback, would act on it, and cools down for 30m")
    assert set(checks) >= {f"{kind}{name}" for name in GAUGES for kind in ("", "signal ")}

    stack.denis.becomes(Scenario(canary_error_rate=0.9, cause="elsewhere"))
    stack.decides("Applied", of="DenisErrorRateHigh")
    code, checks = preflight(stack, "10")
    assert code == 3
    assert {"reflex", "DenisErrorRateHigh"} <= {name for name, check in checks.items() if not check["passed"]}
    assert "would take the canary back" in checks["DenisErrorRateHigh"]["found"]
    assert "its last act cools down for another" in checks["reflex"]["found"]
