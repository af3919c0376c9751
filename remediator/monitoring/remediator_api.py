"""Whether a running Remediator has the same remediation as the file, and would act.

Pure: from what its /api/v1/status says. It may be older or newer than the one that asks, so what it does not report is
unknown, and never assumed.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from remediator.core.checks import DOCS, NOT_CHECKED, Check, Proof
from remediator.core.durations import format_duration
from remediator.core.ledger import CLOCK_SKEW
from remediator.core.parts import as_list, as_map
from remediator.core.policy import Remediation
from remediator.core.reasons import Reason
from remediator.core.times import parse_time
from remediator.monitoring.clocks import check_ends

MISSING, LATE = timedelta(minutes=10), timedelta(seconds=150)
"""Bounds from the heartbeat alerts: the longest silence, and the longest delay."""

FIRST_BEAT = timedelta(minutes=15)


def check_service(status: object, remediation: Remediation, fence: str, withheld: str = "") -> Check:
    """Whether the service has this remediation and would act on it; `status` is its /api/v1/status.

    `withheld` is the reason on the Deployment itself (such as a cooldown) that another check already shows, or empty.
    """
    data = as_map(as_map(status).get("data"))
    problem = next(_problems(data, remediation, fence), "")
    if problem:
        return Check(name="service", passed=False, found=problem, remedy="see its log, and its page at /")
    has = f"Remediator {data.get('version')} has {remediation.name}"
    if withheld:
        return Check(name="service", passed=True, found=f"{has}, and would act on it, but for this: {withheld}")
    if trouble := _find_target(data, remediation).get("problem"):
        found = f"it cannot use {remediation.target.name}: {str(trouble)[:300]}"
        return Check(name="service", passed=False, found=found, remedy="see its log, and its page at /")
    tried = as_map(_find(data, remediation.name).get("actable"))
    if tried.get("accepted") is False:
        found = f"{has}, and the API server refuses the act from it: {str(tried.get('problem'))[:300]}"
        remedy = "helm upgrade restores its Role; see also the admission policies and the quota"
        return Check(name="service", passed=False, found=found, remedy=remedy)
    # What it would do now. "Nothing to do" at 0 % does not prevent an act at a later percentage.
    now = as_map(_find(data, remediation.name).get("now"))
    if now.get("reason") == Reason.OBSERVING and remediation.mode == "observe":
        found = f"{has}, but only reports what it would do: its mode is observe"
        return Check(name="service", passed=True, found=found, warning=True, remedy="set mode: act when you trust it")
    if now.get("reason") not in (Reason.APPLIED, Reason.ALREADY_SAFE, None) and not now.get("nothingToDo"):
        found = f"{has}, and would act on it, but for {now['reason']}: {str(now.get('message'))[:300]}"
        return Check(name="service", passed=False, found=found, remedy="see its page at /")
    cooldown = format_duration(remediation.cooldown)
    return Check(name="service", passed=True, found=f"{has}, would act on it, and cools down for {cooldown}")


def last_heartbeat(answers: Iterable[Mapping[str, Any]]) -> tuple[datetime | None, Mapping[str, Any]]:
    """The last heartbeat of any replica, with its time; `answers` are the replicas' status data."""
    beats = [(parse_time(beat.get("last")), beat) for beat in (as_map(data.get("heartbeat")) for data in answers)]
    return max(((at, beat) for at, beat in beats if at), key=lambda one: one[0], default=(None, {}))


def check_heartbeat(statuses: Iterable[object], now: datetime, fence: str = "") -> Check:
    """Whether a heartbeat arrived from Prometheus and Alertmanager; each replica knows only its own.

    Heartbeats of a replica with another `fence` are another cluster's.
    """
    name = "heartbeat"
    known = [data for data in (as_map(as_map(status).get("data")) for status in statuses) if "heartbeat" in data]
    if not known:
        # An older version might even act on a heartbeat, so check this before sending one.
        found = f"{NOT_CHECKED}: this Remediator does not report heartbeats"
        return Check(name=name, passed=None, found=found, remedy="upgrade it")
    if fence and not (ours := [data for data in known if data.get("cluster") == fence]):
        found = f"{NOT_CHECKED}: those of cluster {known[0].get('cluster')!r} prove nothing for {fence!r}"
        return Check(name=name, passed=None, found=found, remedy=f"give the --remediator.url of {fence}")
    last, beat = last_heartbeat(ours if fence else known)
    remedy = f"{DOCS}/runbooks/RemediatorHeartbeatMissing.md"
    if last is None:
        since = min(
            (at for data in known if (at := parse_time(as_map(data.get("notifications")).get("since")))), default=now
        )
        if now - since < FIRST_BEAT:
            found = f"none has come in the {format_duration(now - since)} since it started"
            return Check(name=name, passed=None, found=found, remedy="wait a few minutes")
        remedy = f"{DOCS}/runbooks/RemediatorHeartbeatNeverReceived.md"
        return Check(name=name, passed=False, found="none has ever come: alerts may not arrive", remedy=remedy)
    if last > now + CLOCK_SKEW:
        found = "the last one is from the future: a clock is wrong, or it is forged"
        return Check(name=name, passed=None, found=found, remedy=f"{DOCS}/runbooks/RemediatorHeartbeatLate.md")
    ago = max(now - last, timedelta(0))
    text = f"one came {format_duration(ago)} ago"
    if ago > MISSING:
        return Check(name=name, passed=False, found=f"the last {text}: alerts may not arrive", remedy=remedy)
    delay = beat.get("delaySeconds")
    if not isinstance(delay, int | float):
        return Check(
            name=name, passed=True, warning=True, found=f"{text}; it did not say when it was sent", remedy=remedy
        )
    text += f", {format_duration(timedelta(seconds=max(delay, 0)))} on the way"
    if delay > LATE.total_seconds():
        remedy = f"{DOCS}/runbooks/RemediatorHeartbeatLate.md"
        return Check(name=name, passed=False, found=f"{text}: too late, or a clock is wrong", remedy=remedy)
    return Check(name=name, passed=True, found=f"{text}: token, network and fence let alerts through", proof=Proof.DONE)


def check_webhook_certificate(status: object, now: datetime) -> Check:
    """Whether the certificate that the webhook shows, and the client CA, are good for more than 14 days."""
    name, data = "webhook certificate", as_map(as_map(status).get("data"))
    if "tls" not in data:
        found = f"{NOT_CHECKED}: this Remediator does not report when its certificate expires"
        return Check(name=name, passed=None, found=found, remedy="upgrade it")
    if data["tls"] is None:
        return Check(name=name, passed=True, found="the webhook listens without TLS, so there is none")
    tls = as_map(data["tls"])
    named = {"notAfter": "the certificate", "clientCaNotAfter": "the last client CA"}
    ends = [(end, what) for key, what in named.items() if (end := parse_time(tls.get(key)))]
    first = check_ends(name, ends, now)
    if first is None or (first.passed and not parse_time(tls.get("notAfter"))):
        return Check(name=name, passed=None, found="it could not read when it expires", remedy="see its log")
    if (problem := tls.get("problem")) and first.passed:
        found = f"the new one cannot be used, the previous one stays: {str(problem)[:200]}; {first.found}"
        remedy = "check that certificate, key and client CA fit together"
        return replace(first, warning=True, found=found, remedy=remedy)
    return first


def check_evidence(status: object) -> Check:
    """Whether the Prometheus that the service asks before an act answers; if not, this is only a warning."""
    name, data = "evidence", as_map(as_map(status).get("data"))
    if "evidence" not in data:
        found = f"{NOT_CHECKED}: this Remediator does not report whether Prometheus confirms alerts"
        return Check(name=name, passed=None, found=found, remedy="upgrade it")
    if data["evidence"] is None:
        return Check(name=name, passed=True, found="it asks no Prometheus before an act: no --prometheus.url")
    evidence = as_map(data["evidence"])
    if evidence.get("answered") is True:
        return Check(name=name, passed=True, found="its --prometheus.url answers: alerts are confirmed before an act")
    if evidence.get("answered") is None:
        found = f"{NOT_CHECKED}: it asks its --prometheus.url only while an alert would lead to an act"
        return Check(name=name, passed=None, found=found, remedy="check again when one would")
    found = f"its --prometheus.url confirms no alert: {str(evidence.get('problem'))[:300]}"
    remedy = "check that it reaches Prometheus: until then rollbacks go unconfirmed, and no workers are added"
    return Check(name=name, passed=True, warning=True, found=found, remedy=remedy)


def _find(data: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Its remediation of this name, or an empty map."""
    found = map(as_map, as_list(as_map(data.get("config")).get("remediations")))
    return next((one for one in found if one.get("name") == name), {})


def _find_target(data: Mapping[str, Any], remediation: Remediation) -> Mapping[str, Any]:
    """Its data on the target of this remediation, or an empty map."""
    found = map(as_map, as_list(data.get("targets")))
    return next((one for one in found if one.get("name") == remediation.target.name), {})


def _problems(data: Mapping[str, Any], remediation: Remediation, fence: str) -> Iterator[str]:
    """The differences that would make it act differently, the most important first."""
    config, name, target = as_map(data.get("config")), remediation.name, remediation.target
    if not data:
        yield "the answer is not the status of a Remediator"
        return
    if data.get("dryRun") is not False:
        yield "it runs with --dry-run, so it changes nothing"
    if config.get("reloadSuccessful") is not True:
        yield f"it runs on an old configuration: {str(config.get('problem') or 'it does not say why')[:300]}"
    theirs = _find(data, name)
    if not theirs:
        yield f"it has no remediation {name}"
        return
    wanted = {
        "mode": remediation.mode,
        "matchers": [str(matcher) for matcher in remediation.matchers],
        "target": target.name,
        "effect": str(remediation.action.effect),
        "cooldown": format_duration(remediation.cooldown),
    }
    for key, value in wanted.items():
        if theirs.get(key) != value:
            yield f"its {name} has {key} {_spell(theirs.get(key))}, wanted is {_spell(value)}"
    if fence and data.get("cluster") != fence:
        yield f"its fence is cluster {data.get('cluster')!r}, wanted is {fence!r}"
    known = _find_target(data, remediation)
    if (known.get("namespace"), known.get("deployment")) != (target.namespace, target.deployment):
        yield f"its target {target.name} is {known.get('namespace')}/{known.get('deployment')}"


def _spell(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)
