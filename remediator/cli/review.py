"""`remediator review`: judges past acts by what followed them."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from remediator.cli import endpoints, options
from remediator.cli.exits import Failed, InvalidConfiguration, Withheld
from remediator.cli.types import Duration
from remediator.core.durations import format_duration
from remediator.core.judgement import Judgement

if TYPE_CHECKING:
    from remediator.canary.review import Review, ReviewedAct, ReviewedRemediation
    from remediator.core.policy import Remediation

TIMEOUT = 120.0
"""Timeout of one query in seconds: a range takes longer than an instant."""

LITTLE, ENOUGH = 5, 20
"""Below LITTLE judged acts no share is shown; from ENOUGH on it means something."""

SHORTEST, LONGEST = timedelta(minutes=2), timedelta(days=365)

COLUMNS = ("when", "what", "verdict", "because")

DOUBTFUL = (Judgement.UNDONE, Judgement.ELSEWHERE, Judgement.NOT_NEEDED)


@click.command()
@click.option("--since", type=Duration(), default="30d", show_default=True, metavar="D", help="How far to go back.")
@click.option(
    "--remediation",
    "names",
    multiple=True,
    metavar="NAME",
    help="Only this remediation. Repeatable; default: all of the file.",
)
@click.option(
    "--min-right",
    type=click.FloatRange(0, 1),
    metavar="R",
    help="Exit with 3 unless this share of the judged acts is right.",
)
@click.option(
    "--min-judged",
    type=click.IntRange(min=1),
    metavar="N",
    help=f"Exit with 3 unless this many acts can be judged; default: {LITTLE} if --min-right is given.",
)
@endpoints.prometheus()
@endpoints.fence()
@options.api_server()
@options.output("table", "json")
def review(
    *,
    since: timedelta,
    names: Sequence[str],
    min_right: float | None,
    min_judged: int | None,
    prometheus: endpoints.Endpoint | None,
    cluster: str,
    where: options.Where,
    output: str,
) -> None:
    """Judge each past act by what followed: was it right, was it undone, did it help, would it have been needed?

    Acts come from the ledgers on the Deployments and from Prometheus; in mode observe, they are the acts that would
    have been. They are judged by the rules that Prometheus has loaded, over its history: it has to scrape Remediator
    too. An act without enough history is Unknown, neither right nor wrong. Nothing is written. --min-right and
    --min-judged apply to each remediation separately, so that a pipeline can decide whether one may go to `mode: act`.

    \b
    Exit codes: 0 done, 1 no answer, or nothing is recorded of a remediation; 2 usage; 3 --min-right or --min-judged
    is not met.
    Examples:
      remediator review --prometheus.url=http://localhost:9090
      remediator review --since=90d --remediation=rollback --min-right=0.9 --min-judged=5
      remediator review -o json | jq '.remediations[].acts[] | select(.verdict == "Undone")'
    """
    from remediator.canary.backtest.setup import CannotTest
    from remediator.canary.review import review as review_acts
    from remediator.canary.review_past import STEP
    from remediator.cli.canary.monitoring import open_prometheus
    from remediator.cli.output import print_data
    from remediator.cli.session import open_site
    from remediator.cli.waiting import querying
    from remediator.core.sampled_series import Grid
    from remediator.monitoring.archive import Archive
    from remediator.monitoring.http_json import NoAnswer
    from remediator.monitoring.ranges import Ranges

    if not SHORTEST <= since <= LONGEST:
        limits = f"{format_duration(SHORTEST)} to {format_duration(LONGEST)}"
        raise click.BadParameter(f"write {limits}", param_hint="--since")
    if prometheus is None:
        raise click.UsageError("give --prometheus.url, or set REMEDIATOR_PROMETHEUS_URL")
    source = open_prometheus(prometheus, timeout=TIMEOUT)
    with open_site(where) as site:
        policy = site.policy
        workloads = {target: site.read(target) for target in {one.target for one in policy.remediations}}
        now = site.connection.now()
    _known(names, policy.remediations)
    grid = Grid.between(now - since, now, STEP)
    archive = Archive(grid, Ranges(source, grid).fetch)
    try:
        with querying(source):
            found = review_acts(policy, workloads, source.alert_rules(), archive, grid, cluster)
    except CannotTest as error:
        raise InvalidConfiguration(str(error)) from error
    except NoAnswer as error:
        raise Failed(str(error)) from error
    found = found.only(names) if names else found
    if output == "json":
        print_data(_review_data(found), output)
    else:
        _print(found)
    if found.blind:
        raise Failed("\n".join(f"{name}: {why}" for name, why in found.blind.items()))
    if min_right is not None or min_judged is not None:
        _check(found, min_right, min_judged or LITTLE)


def _known(names: Sequence[str], remediations: "Sequence[Remediation]") -> None:
    known = [one.name for one in remediations]
    if unknown := [name for name in names if name not in known]:
        raise click.BadParameter(
            f"{unknown[0]!r} is none of the file's: {', '.join(known)}", param_hint="--remediation"
        )


def _check(found: "Review", min_right: float | None, min_judged: int) -> None:
    problems = []
    for one in found.remediations:
        counted = f"{one.remediation.name}: right in {one.good} of {one.judged} that can be judged"
        if one.judged < min_judged:
            problems.append(f"{counted}: too few, --min-judged is {min_judged}")
        elif min_right is not None and one.good / one.judged < min_right:
            problems.append(f"{counted}: --min-right is {min_right:g}")
    if problems:
        raise Withheld("\n".join(problems))


def _print(found: "Review") -> None:
    from remediator.cli.output import print_fact, print_table

    grid = found.grid
    start, end = grid.moment(0), grid.moment(grid.count - 1)
    print_fact(
        "", f"Review of {start:%d %b %Y %H:%M} to {end:%d %b %Y %H:%M} UTC ({format_duration(grid.length(grid.count))})"
    )
    for note in found.notes:
        print_fact("", note)
    for one in found.remediations:
        click.echo()
        print_fact("", f"{one.remediation.name}, mode {one.remediation.mode}: {', '.join(one.alerts) or 'no alert'}")
        rows = [row for _, row in sorted(_rows(one), key=lambda row: row[0])]
        if rows:
            print_table(COLUMNS, rows)
        for line in _sums(one):
            print_fact("", line)


def _rows(one: "ReviewedRemediation") -> Iterator[tuple[Any, tuple[str, str, str, str]]]:
    for act in one.acts:
        yield act.time, (f"{act.time:%d %b %H:%M:%S}", _what(one, act), act.judged.judgement, act.judged.why)
    for moment, judged in one.missed:
        yield moment, (f"{moment:%d %b %H:%M:%S}", "-", judged.judgement, judged.why)


def _what(one: "ReviewedRemediation", act: "ReviewedAct") -> str:
    effect = one.remediation.action.effect
    if act.after is None:
        return "would have acted"
    return f"{'set' if act.done else 'would have set'} {effect.format_change(act.before, act.after)}"


def _sums(one: "ReviewedRemediation") -> Iterator[str]:
    if not one.acts and not one.missed:
        yield "No act in this period, done or observed."
        return
    others = [
        f"{one.count(judgement)} {word}"
        for judgement, word in ((Judgement.MISSED, "missed"), (Judgement.UNKNOWN, "unknown"))
        if one.count(judgement)
    ]
    if one.saved:
        others.append(f"{format_duration(one.saved)} would have been saved")
    few = one.judged < LITTLE
    share = "" if few else f" ({100 * one.good / one.judged:.0f} %)"
    text = f"Right in {one.good} of {one.judged} that can be judged{share}"
    more = f" Too few to say more: {LITTLE} are little evidence, {ENOUGH} are some." if few else ""
    yield f"{', '.join([text, *others])}.{more}"
    if doubtful := next((act for act in one.acts if act.judged.judgement in DOUBTFUL and act.alerts), None):
        yield f"Other thresholds: remediator backtest --sweep={doubtful.alerts[0]}"


def _review_data(found: "Review") -> dict[str, Any]:
    """A review as plain data: times in UTC, durations in seconds."""
    grid = found.grid
    return {
        "from": grid.moment(0).isoformat(),
        "to": grid.moment(grid.count - 1).isoformat(),
        "notes": [*found.notes],
        "remediations": [_data(one, found.blind.get(one.remediation.name)) for one in found.remediations],
    }


def _data(one: "ReviewedRemediation", unknown: str | None) -> dict[str, Any]:
    return {
        "remediation": one.remediation.name,
        "target": one.remediation.target.name,
        "effect": one.remediation.action.effect,
        "mode": one.remediation.mode,
        "alerts": list(one.alerts),
        "acts": [
            {
                "time": act.time.isoformat(),
                "done": act.done,
                "from": act.before,
                "to": act.after,
                "id": act.id,
                "reason": act.reason,
                "alerts": list(act.alerts),
                "verdict": act.judged.judgement,
                "why": act.judged.why,
                "savedSeconds": act.judged.saved.total_seconds(),
            }
            for act in one.acts
        ],
        "missed": [
            {"time": moment.isoformat(), "verdict": judged.judgement, "why": judged.why}
            for moment, judged in one.missed
        ],
        "unknown": unknown,
        "right": one.good,
        "judged": one.judged,
        "counts": {judgement: one.count(judgement) for judgement in Judgement},
        "savedSeconds": one.saved.total_seconds(),
    }
