"""Every metric of the service, on a registry given as an argument. The names are a contract: see docs/metrics.md."""

import math
from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics

from remediator import __version__
from remediator.core.confirmation import ANSWERS
from remediator.core.policy import Policy
from remediator.core.reasons import Reason
from remediator.core.time_to_safe import TimeToSafe
from remediator.core.verification import Verdict

NOTIFICATION_CODES = ("200", "400", "401", "404", "405", "411", "413", "414", "415", "417", "431", "500", "503")

CUTS = ("deadline", "connections", "handshake")
"""Why a webhook client got no response. See web/connections.py."""

RELAYS = ("sent", "failed", "withheld")

RECORDS = ("event", "audit")

_UNMATCHED = (
    Reason.MALFORMED_ALERT,
    Reason.NOT_FIRING,
    Reason.NO_REMEDIATION,
    Reason.FOREIGN_CLUSTER,
    Reason.HEARTBEAT,
    Reason.INTERNAL_ERROR,
)
"""Reasons that can occur before a remediation is known; their label is empty then."""


# Avoids the unneeded _created series of each counter.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Metrics:
    """The service's metrics."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.registry = registry
        self._armed_reasons: dict[str, str] = {}
        self._timed: set[str] = set()
        self._reviewed: set[tuple[str, str]] = set()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        self.outcomes = counter("remediator_outcomes", "Alerts received, by outcome.", ["remediation", "reason"])
        self.evidence = counter(
            "remediator_evidence",
            "Prometheus's answers about alerts that the ladder would have acted on: confirmed, refuted or unknown.",
            ["remediation", "answer"],
        )
        self.notifications = counter("remediator_notifications", "Webhook requests, by HTTP status.", ["code"])
        self.connections_cut = counter(
            "remediator_connections_cut",
            "Webhook connections closed without a response: at the deadline, for lack of room, or in the handshake.",
            ["reason"],
        )
        self.truncated_alerts = counter(
            "remediator_truncated_alerts", "Alerts that Alertmanager left out of a notification because of max_alerts."
        )
        self.action_duration = Histogram(
            "remediator_action_duration_seconds",
            "Time from the arrival of the notification to the API server's response to the write.",
            ["effect"],
            buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
            registry=registry,
        )
        self.last_action = gauge(
            "remediator_last_action_timestamp_seconds",
            "When this service last changed the target, by its ledger; 0 for never.",
            ["target", "effect"],
        )
        self.verifications = counter(
            "remediator_verifications",
            "Verdicts on acts; every replica counts what it sees.",
            ["target", "effect", "verdict"],
        )
        self.reviewed_acts = gauge(
            "remediator_reviewed_acts",
            "Of the last 3 acts of the remediation that can be judged, how many became this; NaN where not known.",
            ["remediation", "effect", "verdict"],
        )
        self.review_failures = counter(
            "remediator_review_failures", "Reviews of acts that Prometheus gave no usable answer to."
        )
        self.canary_percentage = gauge(
            "remediator_canary_percentage",
            "Percentage of traffic that the target's flags give the canary; NaN if not known.",
            ["target"],
        )
        self.replicas = gauge("remediator_replicas", "Replicas in the target's spec.", ["target"])
        self.kill_switch = gauge("remediator_kill_switch", "1 while the target is latched at 0, else 0.", ["target"])
        self.paused = gauge(
            "remediator_paused", "1 while an operator's pause withholds acts on the target, else 0.", ["target"]
        )
        self.rollback_blocked = gauge(
            "remediator_rollback_blocked",
            "1 while pods of the target may serve more than 0 % because a rollback does not reach them, else 0.",
            ["target"],
        )
        self.target_up = gauge(
            "remediator_target_up", "1 if the last read of the target found it usable, else 0.", ["target"]
        )
        self.act_accepted = gauge(
            "remediator_act_accepted",
            "1 if the API server accepted the act in the last dry run, 0 if it refused it; NaN if not known.",
            ["remediation"],
        )
        self.config_reload_successful = gauge(
            "remediator_config_last_reload_successful", "1 if the last read of the configuration succeeded, else 0."
        )
        self.config_reload_success_time = gauge(
            "remediator_config_last_reload_success_timestamp_seconds", "When the configuration in use was loaded."
        )
        self.credentials_reload_successful = gauge(
            "remediator_credentials_last_reload_successful",
            "1 if the last read of every file of credentials succeeded, else 0.",
        )
        self.webhook_certificate_not_after = gauge(
            "remediator_webhook_certificate_not_after_timestamp_seconds",
            "When the webhook's certificate expires (serving), or the last of its client CAs (client_ca).",
            ["certificate"],
        )
        self.clock_skew = gauge(
            "remediator_clock_skew_seconds",
            "How far the API server's clock is ahead of this machine's; NaN before its first response.",
        )
        self.clock_skew.set(math.nan)
        self.armed = gauge(
            "remediator_armed",
            "1 if a firing alert of the remediation would lead to an act now, or nothing is left to do, else 0.",
            ["remediation"],
        )
        self.armed_info = gauge(
            "remediator_armed_info", "1, with the reason for remediator_armed as a label.", ["remediation", "reason"]
        )
        self.time_to_safe = gauge(
            "remediator_time_to_safe_seconds",
            "How long a bad canary would stay until the remediation has rolled it back, as the sum of the known parts.",
            ["remediation"],
        )
        self.time_to_safe_unknown = gauge(
            "remediator_time_to_safe_unknown_parts",
            "Parts missing from remediator_time_to_safe_seconds; above 0 that is a lower bound.",
            ["remediation"],
        )
        self.heartbeat_time = gauge(
            "remediator_heartbeat_timestamp_seconds", "When this replica last received a heartbeat; 0 for never."
        )
        self.heartbeat_delay = gauge(
            "remediator_heartbeat_delay_seconds",
            "How long the last heartbeat took, from the last sample that the rules recorded; NaN if not known.",
        )
        self.heartbeat_delay.set(math.nan)
        self.heartbeat_relays = counter(
            "remediator_heartbeat_relays",
            "Heartbeats to the external dead man's switch: sent, failed, or withheld because no act would be possible.",
            ["result"],
        )
        for result in RELAYS:
            self.heartbeat_relays.labels(result=result)
        self.kubernetes_requests = counter(
            "remediator_kubernetes_requests",
            "Requests to the API server, by verb and HTTP status; `error` without a response.",
            ["verb", "code"],
        )
        self.records_dropped = counter(
            "remediator_records_dropped", "Events and audit lines that could not be written.", ["kind"]
        )
        for reason in CUTS:
            self.connections_cut.labels(reason=reason)
        for kind in RECORDS:
            self.records_dropped.labels(kind=kind)
        build_info = gauge("remediator_build_info", "1, with the version as a label.", ["version"])
        build_info.labels(version=__version__).set(1)
        for code in NOTIFICATION_CODES:
            self.notifications.labels(code=code)
        for reason in _UNMATCHED:
            self.outcomes.labels(remediation="", reason=reason)

    def preregister(self, policy: Policy) -> None:
        """Start every series that this policy can produce at 0, so that a first act shows in a rate."""
        for remediation in policy.remediations:
            effect = remediation.action.effect
            for reason in Reason:
                self.outcomes.labels(remediation=remediation.name, reason=reason)
            for answer in ANSWERS:
                self.evidence.labels(remediation=remediation.name, answer=answer)
            self.action_duration.labels(effect=effect)
            self.last_action.labels(target=remediation.target.name, effect=effect)
            for verdict in Verdict:
                self.verifications.labels(target=remediation.target.name, effect=effect, verdict=verdict)

    def policy_loaded(self, policy: Policy, now: datetime) -> None:
        """Show that the file in force is the one on disk."""
        self.preregister(policy)
        self.config_reload_successful.set(1)
        self.config_reload_success_time.set(now.timestamp())

    def show_armed(self, remediation: str, armed: bool, reason: str) -> None:
        """Show whether a remediation is armed, and the one reason why."""
        self.armed.labels(remediation=remediation).set(armed)
        self.armed_info.labels(remediation=remediation, reason=reason).set(1)
        before = self._armed_reasons.get(remediation, reason)
        self._armed_reasons[remediation] = reason
        if before != reason:
            self.armed_info.remove(remediation, before)

    def keep_armed(self, remediations: Collection[str]) -> None:
        """Drop the series of remediations that the policy no longer has."""
        for gone in self._armed_reasons.keys() - set(remediations):
            self.armed.remove(gone)
            self.armed_info.remove(gone, self._armed_reasons.pop(gone))

    def show_times_to_safe(self, times: Mapping[str, TimeToSafe]) -> None:
        """Set these values by remediation, and drop all others."""
        for gone in self._timed - times.keys():
            self.time_to_safe.remove(gone)
            self.time_to_safe_unknown.remove(gone)
        for name, time in times.items():
            self.time_to_safe.labels(remediation=name).set(time.total.total_seconds())
            self.time_to_safe_unknown.labels(remediation=name).set(len(time.unknown))
        self._timed = set(times)

    def show_reviews(self, counts: Mapping[tuple[str, str], Mapping[str, int | None]]) -> None:
        """Show how many acts have each judgement, by remediation and effect, and drop all other series."""
        for gone in self._reviewed - counts.keys():
            self.reviewed_acts.remove_by_labels({"remediation": gone[0], "effect": gone[1]})
        for (name, effect), by_verdict in counts.items():
            for verdict, count in by_verdict.items():
                labels = {"remediation": name, "effect": effect, "verdict": verdict}
                self.reviewed_acts.labels(**labels).set(math.nan if count is None else count)
        self._reviewed = set(counts)

    def policy_refused(self) -> None:
        """Show that the file on disk cannot be used."""
        self.config_reload_successful.set(0)

    def forget(self, target: str) -> None:
        """Drop the gauges of a target that the policy no longer has."""
        for gauge in (
            self.target_up,
            self.canary_percentage,
            self.replicas,
            self.kill_switch,
            self.paused,
            self.rollback_blocked,
        ):
            gauge.remove_by_labels({"target": target})
        self.last_action.remove_by_labels({"target": target})
