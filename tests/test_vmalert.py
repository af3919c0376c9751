"""What the rules promise on VictoriaMetrics, judged by its own vmalert-tool."""

import subprocess
from pathlib import Path

from tests.support.components import go_program

HERE = Path(__file__).parent / "vmalert"


def test_the_rules_keep_their_promises_on_victoriametrics() -> None:
    """Each alert comes in time and not too early, nothing comes without a cause: tests/vmalert/rules.test.yaml."""
    tool = go_program(HERE, "vmalert-tool", made_by="linters")
    done = subprocess.run(
        # Prometheus adds no label `alertgroup`, and no expectation names one.
        [tool, "unittest", f"--files={HERE / 'rules.test.yaml'}", "-disableAlertgroupLabel"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout
    assert "SUCCESS" in done.stdout
