"""Every metric of the service, on a registry given as an argument. The names are a contract: see docs/metrics.md."""

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from remediator import __version__
from remediator.policy import Policy
from remediator.reasons import Reason
from remediator.verification import Verdict

NOTIFICATION_CODES = ("200", "400", "401", "404", "405", "411", "413", "415", "431", "500", "503")

CUTS = ("deadline", "connections", "handshake")
"""Why a webhook client got no answer. See worker.py."""

RECORDS = ("event", "audit")

_UNMATCHED = (
    Reason.MALFORMED_ALERT,
    Reason.NOT_FIRING,
    Reason.NO_REMEDIATION,
    Reason.FOREIGN_CLUSTER,
    Reason.INTERNAL_ERROR,
)
"""Reasons that can be given before a remediation is known; their label is the empty string."""


# A second series for each counter, which nobody asks for.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """What the service counts and shows."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self.outcomes = Counter(
            "remediator_outcomes",
            "Alerts received, by what became of them.",
            ["remediation", "reason"],
            registry=registry,
        )
        self.notifications = Counter(
            "remediator_notifications",
            "Webhook requests, by the status that answered them.",
            ["code"],
            registry=registry,
        )
        self.connections_cut = Counter(
            "remediator_connections_cut",
            "Webhook connections closed without an answer: at the deadline, for want of room, or in the handshake.",
            ["reason"],
            registry=registry,
        )
        self.truncated_alerts = Counter(
            "remediator_truncated_alerts",
            "Alerts that Alertmanager left out of a notification because of max_alerts.",
            registry=registry,
        )
        self.action_duration = Histogram(
            "remediator_action_duration_seconds",
            "Time from the arrival of the notification to the answer of the API server to the write.",
            ["effect"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.last_action = Gauge(
            "remediator_last_action_timestamp_seconds",
            "When this service last changed the target, as its ledger says; 0 for never.",
            ["target", "effect"],
            registry=registry,
        )
        self.verifications = Counter(
            "remediator_verifications",
            "What became of acts, by verdict; every replica counts what it sees.",
            ["target", "effect", "verdict"],
            registry=registry,
        )
        self.canary_percentage = Gauge(
            "remediator_canary_percentage",
            "Share of traffic that the target's flags give the canary, in percent; NaN where it cannot be told.",
            ["target"],
            registry=registry,
        )
        self.replicas = Gauge(
            "remediator_replicas", "Replicas that the target asks for.", ["target"], registry=registry
        )
        self.kill_switch = Gauge(
            "remediator_kill_switch",
            "1 while the target is latched at 0, else 0.",
            ["target"],
            registry=registry,
        )
        self.paused = Gauge(
            "remediator_paused",
            "1 while an operator's pause withholds acts on the target, else 0.",
            ["target"],
            registry=registry,
        )
        self.target_up = Gauge(
            "remediator_target_up",
            "1 if the last read of the target found it usable, else 0.",
            ["target"],
            registry=registry,
        )
        self.config_reload_successful = Gauge(
            "remediator_config_last_reload_successful",
            "1 if the last read of the configuration succeeded, else 0.",
            registry=registry,
        )
        self.config_reload_success_time = Gauge(
            "remediator_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read.",
            registry=registry,
        )
        self.credentials_reload_successful = Gauge(
            "remediator_credentials_last_reload_successful",
            "1 if the last read of every file of credentials succeeded, else 0.",
            registry=registry,
        )
        self.kubernetes_requests = Counter(
            "remediator_kubernetes_requests",
            "Requests to the API server, by verb and HTTP status, or error where there was none.",
            ["verb", "code"],
            registry=registry,
        )
        self.records_dropped = Counter(
            "remediator_records_dropped",
            "Events and audit lines that could not be written.",
            ["kind"],
            registry=registry,
        )
        for reason in CUTS:
            self.connections_cut.labels(reason=reason)
        for kind in RECORDS:
            self.records_dropped.labels(kind=kind)
        build_info = Gauge("remediator_build_info", "1, with the version as a label.", ["version"], registry=registry)
        build_info.labels(version=__version__).set(1)
        for code in NOTIFICATION_CODES:
            self.notifications.labels(code=code)
        for reason in _UNMATCHED:
            self.outcomes.labels(remediation="", reason=reason)

    def preregister(self, policy: Policy) -> None:
        """Let every series that this policy can produce start at 0, so that a first act shows in a rate."""
        for remediation in policy.remediations:
            effect = remediation.action.effect
            for reason in Reason:
                self.outcomes.labels(remediation=remediation.name, reason=reason)
            self.action_duration.labels(effect=effect)
            self.last_action.labels(target=remediation.target.name, effect=effect)
            for verdict in Verdict:
                self.verifications.labels(target=remediation.target.name, effect=effect, verdict=verdict)

    def forget(self, target: str) -> None:
        """Drop the gauges of a target that the policy no longer has."""
        for gauge in (self.target_up, self.canary_percentage, self.replicas, self.kill_switch, self.paused):
            gauge.remove_by_labels({"target": target})
        self.last_action.remove_by_labels({"target": target})
