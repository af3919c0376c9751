"""`remediator explain`: what would happen to an alert, rung by rung, and why."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import click

from remediator.cli import endpoints, options
from remediator.cli.exits import Failed, InvalidConfiguration
from remediator.cli.output import print_data, print_fact, print_table
from remediator.cli.period import read_time
from remediator.cli.session import asked_release, open_site
from remediator.cli.types import Duration
from remediator.config.document import InvalidDocument, read_text
from remediator.config.loader import parse_policy
from remediator.config.manifests import parse_manifests
from remediator.core.alerts import MAX_BODY_BYTES, Alert, MalformedAlert, NotANotification, parse_notification
from remediator.core.explanation import Explanation
from remediator.core.explanation import explain as explain_alert
from remediator.core.ladder import Skip, screen
from remediator.core.policy import Policy, Remediation
from remediator.core.reasons import Reason
from remediator.core.times import format_time
from remediator.core.workload import TargetInvalid, TargetMissing, Workload
from remediator.kube.targets import Cluster
from remediator.monitoring.http_json import JsonApi, NoAnswer

Look = Callable[[Remediation], Workload | TargetInvalid | TargetMissing]

WITHHELD = 3


def _time(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """The moment given by --time."""
    try:
        return None if text is None else read_time(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _labels(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    """The labels given by --label."""
    labels = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text[:40]!r} is not of the form NAME=VALUE, as remediation=rollback")
        labels[name] = value
    return labels


@click.command()
@click.option(
    "--file", type=click.Path(path_type=Path, allow_dash=True), metavar="F", help="A notification; - is stdin."
)
@click.option(
    "--label", "labels", metavar="NAME=VALUE", multiple=True, callback=_labels, help="A label of the alert. Repeatable."
)
@click.option("--resolved", is_flag=True, help="The alert of --label is resolved; else it fires.")
@click.option(
    "--firing-for",
    type=Duration(),
    metavar="D",
    help="How long the alert of --label has fired; default: it starts now.",
)
@click.option("--state", metavar="F", type=options.FILE, help="Read Deployments from kubectl's output instead.")
@click.option("--time", "now", metavar="RFC3339", callback=_time, help="Decide as of this moment; default: now.")
@endpoints.fence(None)
@endpoints.remediator_url()
@options.api_server()
@options.output()
@click.pass_context
def explain(
    ctx: click.Context,
    file: Path | None,
    labels: dict[str, str],
    resolved: bool,
    firing_for: timedelta | None,
    state: Path | None,
    now: datetime | None,
    cluster: str | None,
    remediator_url: str | None,
    where: options.Where,
    output: str,
) -> None:
    """Show what an alert would lead to: the ladder rung by rung, which rung stops it, and when it would act again.

    The alert has the labels of --label, or is each alert of the notification in --file, as Alertmanager posts it. It is
    decided on the live Deployment, or on the one in --state, as `kubectl get deployment,hpa -o yaml` prints it. The
    verdict comes from the code that serves the webhook. Nothing is written, not even as a dry run.

    Use it after an alert that was not acted on, before a change of remediations.yaml, or to try a matcher. If no
    remediation matches, the closest one is named. The service's cluster filter (the fence) is read from
    --remediator.url, or given as --cluster. A running replica also remembers its own acts after `kubectl rollout undo`
    has removed their record; that is not known here.

    \b
    Exit codes: 0 it would act, or the alert asks for nothing (resolved, of another cluster); 1 the API server or the
    service did not answer; 2 usage, or a file is invalid; 3 it would not act (withheld, already safe, not possible),
    no remediation matches, or the alert is malformed.
    Examples:
      remediator explain --label remediation=rollback
      remediator explain --label remediation=scale --label cluster=eu-1 --cluster eu-1
      remediator explain --file notification.json --state denis.yaml --time 2026-11-23T03:12:00Z
      remediator explain --label remediation=rollback -o json | jq -r '.alerts[].again'
    """
    if file and firing_for:
        raise click.UsageError("--firing-for applies to the alert of --label; a notification has its own startsAt")
    alerts = _alerts(file, labels, resolved)
    if cluster is None and remediator_url:
        cluster = _ask_fence(remediator_url)
    with _open(where, state) as (policy, look, clock):
        for screened in (screen(alert, policy, cluster or "") for alert in alerts):
            if not isinstance(screened, Skip):
                look(screened)
        # Only after the first read: the API server's clock is known from its answers.
        now = now or clock()
        if labels:
            # Whether a cooldown applies to it, and which acts have not ended it, depends on when it began.
            began = now - (firing_for or timedelta(0))
            alerts = [replace(alert, starts_at=began) for alert in alerts if isinstance(alert, Alert)]
        explanations = [explain_alert(alert, policy, cluster, look, now) for alert in alerts]
    if output == "table":
        _print(explanations)
        if cluster is None and any(explanation.remediation for explanation in explanations):
            print_fact("", "The service may have a cluster filter (the fence): give --cluster or --remediator.url.")
    else:
        alerts_data = [_data(explanation) for explanation in explanations]
        print_data({"time": format_time(now, "seconds"), "cluster": cluster, "alerts": alerts_data}, output)
    if any(_leads_nowhere(explanation) for explanation in explanations):
        ctx.exit(WITHHELD)


def _leads_nowhere(explanation: Explanation) -> bool:
    """Whether the alert asks for an act that would not happen."""
    if explanation.reason in (Reason.NO_REMEDIATION, Reason.MALFORMED_ALERT):
        return True
    return explanation.kind in ("withheld", "failed")


def _ask_fence(url: str) -> str:
    """The cluster that a running Remediator is for, or empty where it takes every cluster's alerts."""
    try:
        status = JsonApi("Remediator", url, timeout=5.0).get("/api/v1/status", {}, asked="its cluster filter")
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--remediator.url") from error
    except NoAnswer as error:
        raise Failed(str(error)) from error
    data = status.get("data") if isinstance(status, dict) else None
    cluster = data.get("cluster") if isinstance(data, dict) else None
    if not isinstance(cluster, str):
        raise Failed(f"{url} gave no status of a Remediator; give --cluster instead")
    return cluster


def _alerts(file: Path | None, labels: dict[str, str], resolved: bool) -> Sequence[Alert | MalformedAlert]:
    if bool(file) == bool(labels):
        raise click.UsageError("give the alert either by its labels (--label) or in a notification (--file)")
    if not file:
        return (Alert(status="resolved" if resolved else "firing", labels=labels),)
    if resolved:
        raise click.UsageError("--resolved applies to the alert of --label; a notification has its own status")
    try:
        with click.open_file(str(file), "rb") as stream:
            body = stream.read(MAX_BODY_BYTES + 1)
        if len(body) > MAX_BODY_BYTES:
            raise InvalidConfiguration(f"{file}: over {MAX_BODY_BYTES} bytes, which the webhook would refuse")
        return parse_notification(body).alerts
    except OSError as error:
        raise InvalidConfiguration(f"{file}: cannot be read: {error.strerror}") from error
    except NotANotification as error:
        raise InvalidConfiguration(f"{file}: not a notification of Alertmanager's webhook: {error}") from error


@contextmanager
def _open(where: options.Where, state: Path | None) -> Iterator[tuple[Policy, Look, Callable[[], datetime]]]:
    """The policy, a reader of targets, and the clock: from the file of --state, or from the API server."""
    if state is None:
        with open_site(where) as site:
            yield site.policy, _live(site.cluster), site.connection.now
        return
    if asked_release(where.config_file):
        raise click.UsageError(f"--state reads files only, and {where.config_file} is none; {options.FILE_REMEDY}")
    try:
        manifests = parse_manifests(read_text(state), str(state))
        policy = parse_policy(read_text(where.config_file), str(where.config_file))
        yield policy, lambda answer: manifests.find(answer.target), lambda: datetime.now(UTC)
    except InvalidDocument as error:
        raise InvalidConfiguration(str(error)) from error


def _live(cluster: Cluster) -> Look:
    """Reads a target as the service does, once for all alerts of the same remediation."""
    known: dict[str, Any] = {}

    def look(remediation: Remediation) -> Any:
        if remediation.name not in known:
            autoscalers = remediation.action.reads_autoscalers
            known[remediation.name] = cluster.read(remediation.target, autoscalers=autoscalers)
        return known[remediation.name]

    return look


def _print(explanations: Sequence[Explanation]) -> None:
    """Alerts with the same outcome, shown together because they are decided together."""
    together: dict[Any, list[Explanation]] = {}
    for explanation in explanations:
        name = explanation.remediation and explanation.remediation.name
        together.setdefault((name, explanation.rungs, explanation.nearest), []).append(explanation)
    for index, same in enumerate(together.values()):
        if index:
            click.echo()
        first = same[0]
        names = dict.fromkeys(explanation.alert.name or "(no alertname)" for explanation in same)
        count = f" ({len(same)} alerts)" if len(same) > 1 else ""
        leads = (
            f"{first.remediation.name} of {first.remediation.target.name}" if first.remediation else "no remediation"
        )
        print_fact("", f"{', '.join(names)}{count} -> {leads}")
        print_table(("rung", "result", "looked at"), ((rung.reason, rung.step, rung.found) for rung in first.rungs))
        print_fact("", " ".join(filter(None, (first.answer, first.again))))
        if first.nearest:
            print_fact("", f"{first.nearest[0].upper()}{first.nearest[1:]}.")


def _data(explanation: Explanation) -> dict[str, Any]:
    remediation = explanation.remediation
    return {
        "alertname": explanation.alert.name,
        "fingerprint": explanation.alert.fingerprint,
        "remediation": remediation.name if remediation else "",
        "target": remediation.target.name if remediation else "",
        "effect": str(remediation.action.effect) if remediation else "",
        "wouldAct": explanation.reason is None,
        "reason": str(explanation.reason or ""),
        "message": explanation.decision.message,
        "answer": explanation.answer,
        "nearest": explanation.nearest,
        "again": explanation.again,
        "actsAt": explanation.acts_at and format_time(explanation.acts_at, "seconds"),
        "rungs": [
            {"reason": str(rung.reason), "result": str(rung.step), "found": rung.found} for rung in explanation.rungs
        ],
    }
