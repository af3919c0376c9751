"""The chain from DENIS's gauges to the Deployment, link by link: what doctor and preflight report.

The rule of this file: no error leaves it. Every link is checked even if an earlier one is broken, and a link that could
not be checked has not passed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import assert_never

from remediator.config.coverage import Coverage, MonitoringFiles, find_coverage, read_rules
from remediator.config.document import Document
from remediator.config.lint import lint
from remediator.core.checks import NOT_CHECKED, OPTIONAL, Check, Proof, State, not_checked, proved, worst_of
from remediator.core.denis_signals import concerns
from remediator.core.forecast import forecast
from remediator.core.ladder import ON_TARGET, Found, Skip, Snapshot, target_facts
from remediator.core.outcome import ClusterError
from remediator.core.parts import as_map
from remediator.core.policy import HEARTBEAT_ALERT, Policy, Remediation
from remediator.core.reasons import Reason
from remediator.core.routes import Labels
from remediator.core.time_to_safe import rollout_part, time_to_safe
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from remediator.kube.connection import Connection
from remediator.monitoring.alertmanager import Alertmanager
from remediator.monitoring.clocks import check_certificates, check_clocks
from remediator.monitoring.http_json import JsonApi, NoAnswer
from remediator.monitoring.prometheus import Prometheus
from remediator.monitoring.questions import (
    alert_labels,
    check_alertmanagers,
    check_external_labels,
    check_rule_texts,
    check_rules,
    check_signals,
)
from remediator.monitoring.remediator_api import (
    check_evidence,
    check_heartbeat,
    check_service,
    check_webhook_certificate,
)
from remediator.monitoring.routing import (
    Asked,
    check_inhibitions,
    check_people,
    check_routing,
    check_silences,
    group_waits,
)
from remediator.monitoring.signals import Scope

SILENT = (Reason.PAUSED, Reason.KILL_SWITCH_ON, Reason.AT_LIMIT, Reason.COOLING_DOWN, Reason.BUDGET_SPENT)
"""The rungs that the link `now` shows, in addition to the mode."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """The programs to query; None or empty if no flag names them."""

    prometheus: Prometheus | None = None
    alertmanagers: Sequence[Alertmanager] = ()
    services: Sequence[JsonApi] = ()
    """Connections to running Remediators; several to one address reach several replicas behind it."""
    remediator_url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """The links from an alert to the act of one remediation."""

    name: str
    leads: str
    """The alerts and the act, in words."""
    links: Sequence[Check]
    observes: bool = False
    acts: bool = True
    """Whether it ends with an act; the chain that notifies people does not."""

    @property
    def armed(self) -> bool | None:
        """Whether an alert now would lead to an act, by the checked links; None if a required one is not known."""
        states = {link.state for link in self.links if link.passed is not None or link.name not in OPTIONAL}
        if self.observes or State.BROKEN in states:
            return False
        return None if State.UNKNOWN in states else True


@dataclass(frozen=True, kw_only=True)
class Doctor:
    """What all chains share: the file, the programs to query, and the time."""

    policy: Policy
    document: Document
    """The remediations.yaml of the policy, from a file or from a release."""
    files: MonitoringFiles
    """The rules and the route that go with it."""
    sources: Sources
    fence: str | None
    """The cluster filter of the service, empty for none; None if not known."""
    now: datetime
    probe: Check | None = None
    """The result of a probe, which replaces what the service reports about regular heartbeats."""
    signals: Sequence[str] = field(default=())
    """The signals to check; empty for those that the act depends on."""

    def file(self) -> Check:
        """What `remediator check` warns of in the file itself; files next to it may be another cluster's."""
        path, found = self.document.file, list(lint(self.policy, self.document))
        if not found:
            text = f"{path}: no likely mistakes"
            return Check(name="file", passed=True, found=text, proof=Proof.READ)
        more = f" and {len(found) - 1} more" if len(found) > 1 else ""
        remedy = f"remediator check {path}"
        return Check(name="file", passed=True, found=f"{found[0]}{more}", remedy=remedy, warning=True, proof=Proof.READ)

    def chain(self, remediation: Remediation, found: Snapshot | ClusterError, more: Sequence[Check] = ()) -> Chain:
        """The chain of a remediation. `found` is what was read of its target, `more` are the links of dry runs."""
        held = list(proved(Proof.ASKED, check_target(remediation, found, self.now)))
        withheld = next((link.found for link in held if link.state is State.BROKEN), "")
        alerts = ", ".join(self._alerts(remediation)) or "no alert in the files"
        lasts = self._time_to_safe(remediation, found)
        return Chain(
            name=remediation.name,
            leads=f"{alerts} -> {remediation.action.describe(remediation.target)}",
            links=[self.file(), *self.way(remediation, withheld), *more, *held, *lasts],
            observes=remediation.mode == "observe",
        )

    def way(self, remediation: Remediation, withheld: str) -> list[Check]:
        """The links of the alerts to the service; `withheld` says why the target itself forbids an act, or is empty."""
        scope = Scope(
            policy=self.policy, target=remediation.target, cluster=self.fence or "", effect=remediation.action.effect
        )
        checks, alerts = self._prometheus(scope, remediation)
        checks += self._alertmanagers(alerts or self._written_alerts(scope, remediation))
        return proved(Proof.ASKED, checks + self._services(remediation, withheld))

    def _prometheus(self, scope: Scope, remediation: Remediation) -> tuple[list[Check], Sequence[Labels]]:
        """The links of Prometheus, and the labels of the alerts that would ask for the act."""
        prometheus = self.sources.prometheus
        if not prometheus:
            return [not_checked("prometheus", "--prometheus.url")], ()
        try:
            loaded = prometheus.alert_rules()
        except NoAnswer as error:
            return [Check(name="prometheus", passed=False, found=str(error))], ()
        rules = scope.act_rules(loaded)
        ours = self._alerts(remediation)
        checks = check_signals(prometheus, scope, self.signals or remediation.action.signals)
        checks += check_rules(loaded, ours, scope)
        written = [one for one in read_rules(self.files) if any(rule.name in ours for rule in one)]
        for one in written:
            asked = [rule for rule in one if rule.held is None or rule.name in ours]
            checks.append(check_rule_texts(prometheus, rules, asked))
        if not written:
            checks.append(self._no_rules("rule text", f"rules that lead to {remediation.name}"))
        checks.append(check_external_labels(prometheus, rules, self.fence))
        checks.append(check_alertmanagers(prometheus, len(self.sources.alertmanagers)))
        return checks, alert_labels(prometheus, scope, rules)

    def _no_rules(self, name: str, wanted: str) -> Check:
        """The check for files that should be compared with what is loaded, but are missing or invalid."""
        if self.files.problems:
            return Check(name=name, passed=None, found=str(self.files.problems[0]), remedy="fix that file")
        found = f"{NOT_CHECKED}: no {wanted} next to {self.document.file}"
        return Check(name=name, passed=None, found=found, remedy="give --config.file, with the rules in its folder")

    @cached_property
    def _coverage(self) -> Coverage:
        return find_coverage(self.policy, self.document, self.files)

    def _alerts(self, remediation: Remediation) -> list[str]:
        """The alerts in the files that lead to it."""
        return [name for name, answer in self._coverage.alerts.items() if answer == remediation]

    def _alertmanagers(self, alerts: Sequence[Labels]) -> list[Check]:
        if not self.sources.alertmanagers:
            return [not_checked("route", "--alertmanager.url")]
        cooldown = min(remediation.cooldown for remediation in self.policy.remediations)
        asked = Asked(alerts=alerts, cooldown=cooldown, now=self.now, remediator_url=self.sources.remediator_url)
        return worst_of([(one.api.base, _alertmanager(one, asked)) for one in self.sources.alertmanagers])

    def _written_alerts(self, scope: Scope, remediation: Remediation) -> Sequence[Labels]:
        """The labels of the alerts that would ask for the act, by the rule files next to the file.

        Without such files only the labels of the remediation's matchers are known. The label `job` comes from a series,
        so no file has it.
        """
        sure = {"namespace": scope.target.namespace, **({"cluster": scope.cluster} if scope.cluster else {})}
        unsure = {"job": None}
        written = self._coverage.labels.values()
        found = [{**unsure, **sure, **labels} for labels in written if scope.asks_for_act({**sure, **labels})]
        asked = {matcher.name: matcher.value for matcher in remediation.matchers if matcher.operator == "="}
        return found or [{**unsure, "alertname": None, "severity": None, **sure, **asked}]

    def _time_to_safe(self, remediation: Remediation, found: Snapshot | ClusterError) -> Iterator[Check]:
        """How long a bad canary would stay with the loaded settings, and how to shorten that."""
        prometheus = self.sources.prometheus
        if not prometheus or not isinstance(found, Workload) or not remediation.action.takes_back:
            return
        scope = Scope(policy=self.policy, target=remediation.target, cluster=self.fence or "")
        try:
            signals = remediation.action.signals
            rules = [one for one in scope.act_rules(prometheus.alert_rules()) if concerns(one.query, signals)]
            series = prometheus.label_sets(scope.select("denis:signal"))
            jobs = {str(labels["job"]) for labels in series if labels and labels.get("job")}
            scrapes = [prometheus.scrape_interval(job) for job in sorted(jobs)]
        except NoAnswer:
            return  # The links above show why.
        sum_up = time_to_safe(
            scrape=max(filter(None, scrapes), default=None),
            evaluation=max((timedelta(seconds=one.interval) for one in rules if one.interval), default=None),
            hold=max((timedelta(seconds=one.duration) for one in rules), default=None),
            wait=self._group_wait([one.all_labels for one in rules], scope),
            end=rollout_part(found),
        )
        text = f"{sum_up}; {sum_up.largest.name} is the largest part"
        text += f": {sum_up.largest.shorten}" if sum_up.largest.shorten else ""
        yield Check(name="time to safe", passed=True, found=text, proof=Proof.ASKED)

    def _group_wait(self, alerts: Sequence[Labels], scope: Scope) -> timedelta | None:
        """The longest time that Alertmanager waits before it first sends these alerts, or None if not known."""
        sure = {"namespace": scope.target.namespace, **({"cluster": self.fence} if self.fence else {})}
        waits = []
        for alertmanager in self.sources.alertmanagers:
            try:
                waits += group_waits(alertmanager.config(), [{"job": None, **sure, **labels} for labels in alerts])
            except (NoAnswer, ValueError):
                return None
        return max(waits, default=None)

    def _services(self, remediation: Remediation, withheld: str) -> list[Check]:
        if not self.sources.services:
            return [not_checked("service", "--remediator.url")]
        ready, replicas = "", dict[str, object]()
        for service in self.sources.services:
            try:
                ready = ready or service.text("/-/ready", asked="its readiness")
                status = service.get("/api/v1/status", {}, asked="its status")
            except NoAnswer as error:
                return [Check(name="service", passed=False, found=str(error))]
            since = as_map(as_map(as_map(status).get("data")).get("notifications")).get("since")
            replicas[str(since)] = status
        fence = self.fence or ""
        checks = [
            (
                f"the replica that runs since {since[:19]}",
                [
                    check_webhook_certificate(status, self.now),
                    check_service(status, remediation, fence, withheld),
                    check_evidence(status),
                ],
            )
            for since, status in replicas.items()
        ]
        beat = self.probe or check_heartbeat(replicas.values(), self.now, fence)
        return [beat, Check(name="ready", passed=True, found=ready.strip()[:100]), *worst_of(checks)]

    def people(self, api_server: Connection) -> Chain:
        """Whether people are notified, and what all chains need: clocks and certificates, including the API
        server's."""
        sources = self.sources
        apis = [one.api for one in (sources.prometheus, *sources.alertmanagers) if one] + list(sources.services[:1])
        clocks = {f"{api.name} at {api.base}": api.skew for api in apis}
        links = [*self._people(), check_clocks({"the API server": api_server.clock.skew, **clocks})]
        shown = [(api.name, api.certificate_ends) for api in apis if api.answered_tls]
        if api_server.server.startswith("https:") and api_server.clock.skew is not None:
            shown.append(("the API server", api_server.certificate_ends))
        if ends := check_certificates(shown, self.now):
            links.append(ends)
        leads = "who is notified, clocks and certificates"
        return Chain(name="people", leads=leads, links=proved(Proof.ASKED, links), acts=False)

    def _people(self) -> Iterator[Check]:
        prometheus, name = self.sources.prometheus, "people's alerts"
        written = {rule.name for rules in read_rules(self.files) for rule in rules if rule.held is not None}
        wanted = sorted(written - {*self._coverage.alerts, HEARTBEAT_ALERT})
        if not prometheus:
            yield not_checked(name, "--prometheus.url")
            return
        try:
            loaded = {rule.name: rule for rule in prometheus.alert_rules()}
        except NoAnswer as error:
            yield Check(name=name, passed=None, found=str(error))
            return
        if missing := [one for one in wanted if one not in loaded]:
            found = f"{', '.join(missing[:3])}{f' and {len(missing) - 3} more' if len(missing) > 3 else ''} not loaded"
            yield Check(name=name, passed=False, found=found, remedy="give Prometheus all of rules/*.rules.yaml")
        elif wanted:
            yield Check(name=name, passed=True, found=f"{wanted[0]} and {len(wanted) - 1} others are loaded")
        else:
            yield self._no_rules(name, "alerts for people")
        ours = [loaded[one] for one in wanted if one in loaded]
        labels = [{"namespace": None, "job": None, "cluster": self.fence or None, **one.all_labels} for one in ours]
        if self.sources.alertmanagers and labels:
            several = [(one.api.base, [_people_route(one, labels)]) for one in self.sources.alertmanagers]
            yield from worst_of(several)
            remedy = f"amtool alert add alertname={ours[0].name} would show it"
            found = "whether a person is really paged was not checked"
            yield Check(name="paging", passed=None, found=found, remedy=remedy)


def check_target(remediation: Remediation, found: Snapshot | ClusterError, now: datetime) -> Iterator[Check]:
    """Whether the target can be changed, and whether anything withholds an act on it now."""
    target = remediation.target
    match found:
        case ClusterError():
            text, remedy = str(found), "make sure that the API server is reachable and lets you read the Deployment"
            yield Check(name="target", passed=False, found=text, remedy=remedy)
            return
        case TargetMissing():
            text = f"there is no Deployment {target.deployment} in namespace {target.namespace}"
            yield Check(name="target", passed=False, found=text, remedy="compare targets with the cluster")
            return
        case TargetInvalid(problem=problem):
            remedy = f"fix the Deployment, or targets.{target.name} of the file"
            yield Check(name="target", passed=False, found=problem, remedy=remedy)
            return
        case Workload():
            pass
        case _:
            assert_never(found)
    # For an alert that begins now; the cooldown may not apply to it.
    facts = target_facts(remediation, found, now, now + timedelta(seconds=1))
    rungs = {rung.reason: rung.check(facts) for rung in ON_TARGET if rung.applies_to(remediation)}
    invalid, place = rungs[Reason.TARGET_INVALID], f"{target.namespace}/{target.deployment}"
    if isinstance(invalid, Skip):
        yield Check(name="target", passed=False, found=invalid.message, remedy=f"fix the Deployment {place}")
    elif found.rollout.stuck:
        remedy = f"kubectl -n {target.namespace} describe deployment/{target.deployment}"
        text = f"an act would be written and may not reach the pods: {found.rollout.stuck}"
        yield Check(name="target", passed=False, found=text, remedy=remedy)
    else:
        text = f"{place} can be changed: {found.rollout.spell(found.replicas)}"
        yield Check(name="target", passed=True, found=text)
    if Reason.AUTOSCALER_OWNED in rungs:
        yield _rung("autoscaler", rungs[Reason.AUTOSCALER_OWNED], "leave the replicas to it, or remove it")
    yield _now(remediation, found, rungs, now)


def _rung(name: str, result: Found | Skip, remedy: str) -> Check:
    if isinstance(result, Skip):
        return Check(name=name, passed=False, found=f"{result.reason}: {result.message}", remedy=remedy)
    return Check(name=name, passed=True, found=result())


def _now(remediation: Remediation, found: Snapshot, rungs: "dict[Reason, Found | Skip]", now: datetime) -> Check:
    """Whether anything withholds an act now."""
    results = {reason: rungs[reason] for reason in SILENT if reason in rungs}
    skips = [result for result in results.values() if isinstance(result, Skip)]
    passed = [result() for result in results.values() if not isinstance(result, Skip)]
    if skips and not forecast(remediation, found, now, dry_run=False).nothing_to_do:
        first = skips[0].reason
        remedy = {
            Reason.PAUSED: f"remediator resume {remediation.target.name}",
            Reason.KILL_SWITCH_ON: "remediator kill-switch off, when you are sure",
            Reason.AT_LIMIT: "find out why the maximum is not enough; raise it in remediations.yaml if you must",
        }.get(first, "find out why it acted; remediator explain shows when it would act again")
        text = "; ".join(f"{skip.reason}: {skip.message}" for skip in skips)
        return Check(name="now", passed=False, found=text, remedy=remedy)
    said = [*(f"{skip.message}, and there is nothing left to do" for skip in skips), *passed]
    text = f"nothing withholds it now: {', '.join((*said, f'mode is {remediation.mode}'))}"
    if remediation.mode == "observe":
        text = f"it would only report what it would do: mode is observe ({', '.join(said)})"
        remedy = "set mode: act in remediations.yaml when you trust it"
        return Check(name="now", passed=True, found=text, warning=True, remedy=remedy)
    return Check(name="now", passed=True, found=text)


def _alertmanager(alertmanager: Alertmanager, asked: Asked) -> list[Check]:
    try:
        config = alertmanager.config()
    except NoAnswer as error:
        return [Check(name="route", passed=False, found=str(error))]
    checks = check_routing(config, asked)
    for name, check in (
        ("inhibitions", lambda: check_inhibitions(config, asked, alertmanager.firing_alerts())),
        ("silences", lambda: check_silences(alertmanager.silences(), asked)),
    ):
        checks.append(_unless(name, check))
    return checks


def _people_route(alertmanager: Alertmanager, labels: Sequence[Labels]) -> Check:
    return _unless("people's route", lambda: check_people(alertmanager.config(), labels))


def _unless(name: str, check: Callable[[], Check]) -> Check:
    """The check, or one that is not known if it cannot be made."""
    try:
        return check()
    except NoAnswer as error:
        return Check(name=name, passed=None, found=str(error))
