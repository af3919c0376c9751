"""`remediator explain`: what would happen to an alert, rung by rung, and why."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remediator.cli import options
from remediator.cli.errors import InvalidConfiguration
from remediator.cli.output import print_data, print_table, printable

if TYPE_CHECKING:
    from remediator.alerts import Alert, MalformedAlert
    from remediator.cluster import Cluster
    from remediator.explanation import Explanation
    from remediator.policy import Policy, Remediation
    from remediator.workload import TargetInvalid, TargetMissing, Workload

    Look = Callable[[Remediation], Workload | TargetInvalid | TargetMissing]

WITHHELD = 3


def _time(context: click.Context, parameter: click.Parameter, text: str | None) -> datetime | None:
    """The moment that --time names."""
    if text is None:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        time = None
    # Far from the ends of the calendar, so that cooldowns can be added and taken off.
    if time is None or time.tzinfo is None or not 2000 <= time.year <= 2200:
        raise click.BadParameter(f"{text[:40]!r} is no time of RFC 3339 with its offset, as 2026-11-23T12:00:00Z")
    return time


def _labels(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    """The labels that --label names."""
    labels = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{text[:40]!r} is not of the form NAME=VALUE, as remediation=rollback")
        labels[name] = value
    return labels


@click.command(short_help="Say what an alert would lead to, and why.")
@click.option(
    "--file", type=click.Path(path_type=Path, allow_dash=True), metavar="F", help="A notification; - is stdin."
)
@click.option(
    "--label", "labels", metavar="NAME=VALUE", multiple=True, callback=_labels, help="Of one alert. Repeatable."
)
@click.option("--resolved", is_flag=True, help="The alert of --label is resolved; else it fires.")
@click.option("--state", metavar="F", type=options.FILE, help="Deployments as kubectl prints them, not the live ones.")
@click.option("--time", "now", metavar="RFC3339", callback=_time, help="Decide as at this moment; else now.")
@options.fence()
@options.api_server()
@options.output()
@click.pass_context
def explain(
    ctx: click.Context,
    file: Path | None,
    labels: dict[str, str],
    resolved: bool,
    state: Path | None,
    now: datetime | None,
    cluster: str,
    config_file: Path,
    kubeconfig: Path | None,
    context: str,
    output: str,
) -> None:
    """Say what an alert would lead to: the ladder rung by rung, which rung stops it, and when it would act again.

    The alert is one with the labels of --label, or each of a notification in --file, as Alertmanager posts it. It is
    held against the Deployment on the API server, or in --state as `kubectl get deployment,hpa -o yaml` prints it.
    The verdict comes from the code that serves the webhook. Nothing is written, not even as a dry run.

    Use it after an alert that was not acted on, before a change of remediations.yaml, or to try a matcher. What
    a running replica remembers of its own acts, where `kubectl rollout undo` took their record away, is not known here.

    \b
    Exit codes: 0 it would act, or the alert asks for nothing (resolved, of another cluster, without a remediation);
    1 the API server did not tell; 2 usage, or a file is invalid; 3 it would not act (withheld, already safe,
    not possible).
    Examples:
      remediator explain --label remediation=rollback
      remediator explain --label remediation=scale --label cluster=eu-1 --cluster eu-1
      remediator explain --file notification.json --state denis.yaml --time 2026-11-23T03:12:00Z
      remediator explain --label remediation=rollback -o json | jq -r '.alerts[].again'
    """
    from remediator.decision import Skip, screen
    from remediator.explanation import explain as explain_alert

    alerts = _alerts(file, labels, resolved)
    with _open(config_file, kubeconfig, context, state) as (policy, look, clock):
        for screened in (screen(alert, policy, cluster) for alert in alerts):
            if not isinstance(screened, Skip):
                look(screened)
        # Only now: the API server's clock is known from its answers.
        now = now or clock()
        explanations = [explain_alert(alert, policy, cluster, look, now) for alert in alerts]
    if output == "table":
        _print(explanations)
    else:
        print_data({"time": _spell(now), "alerts": [_data(explanation) for explanation in explanations]}, output)
    if any(explanation.kind in ("withheld", "failed") for explanation in explanations):
        ctx.exit(WITHHELD)


def _alerts(file: Path | None, labels: dict[str, str], resolved: bool) -> "Sequence[Alert | MalformedAlert]":
    from remediator.alerts import MAX_BODY_BYTES, Alert, NotANotification, parse_notification

    if bool(file) == bool(labels):
        raise click.UsageError("give the alert either by its labels (--label) or in a notification (--file)")
    if not file:
        return (Alert(status="resolved" if resolved else "firing", labels=labels),)
    if resolved:
        raise click.UsageError("--resolved is about the alert of --label; a notification says it itself")
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
def _open(
    config_file: Path, kubeconfig: Path | None, context: str, state: Path | None
) -> "Iterator[tuple[Policy, Look, Callable[[], datetime]]]":
    """The policy, how to look at a target, and the time there: in the file of --state, or on the API server."""
    from remediator.cli.site import open_site
    from remediator.document import InvalidDocument, read_text
    from remediator.manifests import parse_manifests
    from remediator.policy_file import parse_policy

    if state is None:
        with open_site(config_file, kubeconfig, context) as site:
            yield site.policy, _live(site.cluster), site.connection.now
        return
    try:
        manifests = parse_manifests(read_text(state), str(state))
        policy = parse_policy(read_text(config_file), str(config_file))
        yield policy, lambda answer: manifests.find(answer.target), lambda: datetime.now(UTC)
    except InvalidDocument as error:
        raise InvalidConfiguration(str(error)) from error


def _live(cluster: "Cluster") -> "Look":
    """Reads a target as the service does, once for all alerts that the same remediation answers."""
    from remediator.ledger import Effect

    known: dict[str, Any] = {}

    def look(remediation: "Remediation") -> Any:
        if remediation.name not in known:
            scales = remediation.action.effect is Effect.SCALE
            known[remediation.name] = cluster.read(remediation.target, autoscalers=scales)
        return known[remediation.name]

    return look


def _print(explanations: "Sequence[Explanation]") -> None:
    """Alerts that go the same way are told together, as they would be decided together."""
    together: dict[Any, list[Explanation]] = {}
    for explanation in explanations:
        together.setdefault((explanation.remediation and explanation.remediation.name, explanation.rungs), []).append(
            explanation
        )
    for index, same in enumerate(together.values()):
        if index:
            click.echo()
        first = same[0]
        names = dict.fromkeys(explanation.alert.name or "(no alertname)" for explanation in same)
        count = f" ({len(same)} alerts)" if len(same) > 1 else ""
        leads = (
            f"{first.remediation.name} of {first.remediation.target.name}" if first.remediation else "no remediation"
        )
        click.echo(printable(f"{', '.join(names)}{count} -> {leads}"))
        print_table(("rung", "result", "looked at"), ((rung.reason, rung.step, rung.found) for rung in first.rungs))
        click.echo(printable(" ".join(filter(None, (first.answer, first.again)))))


def _data(explanation: "Explanation") -> dict[str, Any]:
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
        "again": explanation.again,
        "actsAt": explanation.acts_at and _spell(explanation.acts_at),
        "rungs": [
            {"reason": str(rung.reason), "result": str(rung.step), "found": rung.found} for rung in explanation.rungs
        ],
    }


def _spell(time: datetime) -> str:
    from remediator.explanation import spell_time

    return spell_time(time)
