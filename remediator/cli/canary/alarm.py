"""Whether a rollback alert fires, asked of whom the person names."""

from remediator.canary import Alarm
from remediator.cli.site import Site
from remediator.policy import Target


def ask_alarm(
    site: Site, target: Target, prometheus_url: str | None, alertmanager_url: str | None, cluster: str
) -> Alarm | None:
    """What Prometheus and Alertmanager say of alerts that would take the target back; None where neither is given."""
    return None
