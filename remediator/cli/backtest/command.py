"""The command itself: its flags, its files, its queries to Prometheus, and its exit codes."""

import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from pathlib import Path

import click

from remediator.canary.backtest.alert_history import AlertHistory, load_history
from remediator.canary.backtest.recorded import NOT_COMPARED, Agreement, compare_recorded, load_recorded
from remediator.canary.backtest.report import Past, Report, run
from remediator.canary.backtest.setup import CannotTest, Setup, change
from remediator.canary.backtest.sweep import Sweep
from remediator.canary.backtest.sweep import sweep as try_others
from remediator.cli import endpoints, options
from remediator.cli.backtest.data import report_data, sweep_data
from remediator.cli.backtest.files import Files
from remediator.cli.backtest.page import write_page
from remediator.cli.backtest.source import fetch_history, load_archive, read_grid
from remediator.cli.backtest.table import print_comparison, print_head, print_report, print_sweep
from remediator.cli.backtest.truth import read_truths
from remediator.cli.exits import Failed, InvalidConfiguration, Withheld
from remediator.cli.output import print_data
from remediator.cli.period import Period, period
from remediator.cli.types import Duration
from remediator.cli.waiting import querying
from remediator.config.document import InvalidDocument
from remediator.core.durations import format_duration
from remediator.core.effects import AUTOMATIC
from remediator.core.judgement import Judgement, Truth
from remediator.monitoring.archive import Archive, InvalidArchive
from remediator.monitoring.evidence import Unknown
from remediator.monitoring.http_json import NoAnswer
from remediator.monitoring.inlining import NotInlined
from remediator.monitoring.prometheus import Prometheus

FAIL_ON = {re.sub(r"(?<=[a-z])(?=[A-Z])", "-", one.value).lower(): one for one in Judgement}


def _changes(context: click.Context, parameter: click.Parameter, texts: Sequence[str]) -> dict[str, str]:
    changes = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not name or not equals or not value or name in changes:
            raise click.BadParameter(
                f"{text[:40]!r} is not of the form NAME=VALUE, each name once: DenisErrorRateHigh=0.08"
            )
        changes[name] = value
    return changes


def _fail_on(context: click.Context, parameter: click.Parameter, text: str | None) -> list[Judgement]:
    names = text.split(",") if text else []
    if unknown := [name for name in names if name not in FAIL_ON]:
        raise click.BadParameter(f"{unknown[0]!r} is none of {', '.join(FAIL_ON)}")
    return [FAIL_ON[name] for name in names]


def _destination(context: click.Context, parameter: click.Parameter, path: Path | None) -> Path | None:
    """A file to write. One that cannot be written is refused before anything is queried."""
    if path is None:
        return None
    written = path if path.exists() else path.parent
    if path.is_dir():
        raise click.BadParameter(f"{path} is a directory; name a file in it")
    if not path.parent.is_dir():
        raise click.BadParameter(f"{path}: there is no directory {path.parent}; make it first")
    if not os.access(written, os.W_OK):
        raise click.BadParameter(f"{path} cannot be written: no permission to write {written}")
    if str(path) == "-":
        raise click.BadParameter("the report goes to standard output; name a file")
    return path


@click.command()
@options.config_file()
@click.option(
    "--rules", type=options.FILE, multiple=True, help="Rule files; else *.rules.yaml beside the remediations."
)
@click.option("--route", type=options.FILE, help="Alertmanager's file; else alertmanager.yaml beside the remediations.")
@period("30d")
@click.option("--step", type=Duration(), metavar="D", help="Evaluation interval of rule groups that set none.")
@click.option(
    "--against", type=options.FILE, metavar="DIR", help="Compare with the rules and remediations of a folder."
)
@click.option("--sweep", metavar="SIGNAL", help="Try other thresholds and `for` durations, for a signal or one alert.")
@click.option(
    "--set",
    "changes",
    metavar="N=V",
    multiple=True,
    callback=_changes,
    help="What if: DenisErrorRateHigh=0.08, for=5m.",
)
@click.option(
    "--percentage",
    type=click.IntRange(0, 100),
    default=10,
    show_default=True,
    help="The canary's percentage where it was not recorded.",
)
@click.option("--truth", type=options.FILE, metavar="F", help="The real incidents, as CSV: from,to,name.")
@click.option(
    "--save", type=options.FILE, metavar="F", callback=_destination, help="Save the fetched history to this file."
)
@click.option("--load", type=options.FILE, metavar="F", help="Read the history from a saved file, and query nothing.")
@click.option(
    "--max-queries",
    type=click.IntRange(min=1),
    default=2_000,
    show_default=True,
    help="Refuse a back-test that needs more queries; they run one at a time.",
)
@click.option("--fail-on", metavar="WORDS", callback=_fail_on, help=f"Exit with 3 on any of: {', '.join(FAIL_ON)}.")
@click.option(
    "--html", type=options.FILE, metavar="F", callback=_destination, help="Also write an HTML page with graphs."
)
@endpoints.fence()
@endpoints.prometheus()
@options.output("table", "json")
def backtest(
    *,
    config_file: Path,
    rules: tuple[Path, ...],
    route: Path | None,
    period: Period,
    step: timedelta | None,
    against: Path | None,
    sweep: str | None,
    changes: dict[str, str],
    percentage: int,
    truth: Path | None,
    save: Path | None,
    load: Path | None,
    max_queries: int,
    fail_on: list[Judgement],
    html: Path | None,
    cluster: str,
    prometheus: endpoints.Endpoint | None,
    output: str,
) -> None:
    """Show what the rules and remediations would have done over Prometheus's history, and what really happened.

    The alerts that lead to a remediation are evaluated over the history as Prometheus evaluates them, grouped and
    repeated as Alertmanager's route does, and decided by the code that serves the webhook. Nothing is written, and no
    recording rule has to be loaded: they are inlined into the alerts. What cannot be tested exactly is refused.

    What people did is taken from the gauges that Remediator exports, in mode observe too. Where they are missing, the
    percentage is that of --percentage, and the verdict on an act is Unknown. With --truth, acts are judged by a list of
    real incidents instead. With --against, --fail-on applies to the files of that folder.

    \b
    Exit codes: 0 done, 1 no answer, no sample of an alert, or not saved; 2 usage, or a file is invalid; 3 --fail-on.
    Examples:
      remediator backtest --prometheus.url=http://localhost:9090 --since=30d
      remediator backtest --prometheus.url=http://localhost:9090 --sweep=DenisErrorRateHigh --save=month.json.gz
      remediator backtest --load=month.json.gz --set DenisErrorRateHigh=0.08
      remediator backtest --load=month.json.gz --against=tuned/ --fail-on=not-needed,missed
    """
    with _explained():
        if not load and not prometheus:
            raise click.UsageError("give --prometheus.url, or a saved history: --load=F")
        if load and period.given:
            raise click.UsageError("a saved history has its own time; leave out --since, --from and --to")
        truths = read_truths(truth) if truth else None
        files = Files.beside(config_file, rules, route, step)
        setup = change(files.read(), changes)
        other = files.of_folder(against).read() if against else None
        if other and other.step != setup.step:
            raise CannotTest(
                f"the rules of {against} are evaluated every {other.step} s, the others every {setup.step} s"
            )
        swept = setup.alerts_of(sweep) if sweep else []
        if sweep and not swept:
            text = f"{sweep!r} is no signal and no alert; there are {', '.join(setup.names)}"
            raise click.BadParameter(text, param_hint="--sweep")
        if load:
            archive, source = load_archive(load, setup), None
        else:
            assert prometheus  # noqa: S101 - one of both is given
            grid = read_grid(period, setup.step)
            archive, source = fetch_history(prometheus, [one for one in (setup, other) if one], grid, max_queries)
        names = {alert.name for alert in swept}
        with querying(source) if source else nullcontext():
            report, sweeps = _report(setup, archive, cluster, percentage, truths, source, names)
            compared = _report(other, archive, cluster, percentage, truths, source)[0] if other else None
        _print(report, sweeps, compared, output)
        if save:
            _write(save, lambda: archive.save(save))
        if html:
            _write(html, lambda: write_page(html, report))
        _end(compared or report, fail_on)


@contextmanager
def _explained() -> Iterator[None]:
    """End the command with a message if something cannot be tested or gets no answer."""
    try:
        yield
    except NotInlined as error:
        text = f"{error}; change it in a copy, and give that with --rules; docs/backtest.md lists what is simulated"
        raise InvalidConfiguration(text) from error
    except (InvalidDocument, CannotTest, InvalidArchive) as error:
        raise InvalidConfiguration(str(error)) from error
    except NoAnswer as error:
        raise Failed(str(error)) from error


def _print(report: Report, sweeps: Sequence[Sweep], compared: Report | None, output: str) -> None:
    if output == "json":
        data = report_data(report)
        if sweeps:
            data["sweep"] = [sweep_data(one) for one in sweeps]
        if compared:
            data["against"] = report_data(compared)
        print_data(data, output)
    elif sweeps:
        print_head(report)
        for one in sweeps:
            print_sweep(one, format_duration(report.grid.length(report.grid.count - 1)))
    elif compared:
        print_head(report)
        print_comparison(report, compared)
    else:
        print_report(report)


def _end(report: Report, fail_on: Sequence[Judgement]) -> None:
    if absent := report.absent:
        raise Failed(
            f"{', '.join(absent)}: Prometheus has no sample in the whole period, so nothing can be said about it; "
            "see that its rules select the series of DENIS, and that this Prometheus scrapes it"
        )
    found = [
        f"{count} {judgement}"
        for judgement in fail_on
        if (count := sum(report.count(effect, judgement) for effect in AUTOMATIC))
    ]
    if found:
        raise Withheld(f"--fail-on: {', '.join(found)}")


def _report(
    setup: Setup,
    archive: Archive,
    cluster: str,
    percentage: int,
    truths: Sequence[Truth] | None,
    source: Prometheus | None,
    swept: Collection[str] = (),
) -> tuple[Report, list[Sweep]]:
    """The back-test, and a sweep of each of these alerts."""
    grid, notes = archive.grid, list[str]()
    histories = load_history(setup, archive, grid, cluster)
    recorded = load_recorded(setup.policy, archive, grid, cluster, percentage, notes)
    past = Past(grid=grid, cluster=cluster, recorded=recorded, truths=truths)
    report = run(setup, histories, past, notes, _agreement(histories, archive, source))
    return report, [try_others(setup, one, past) for one in histories if one.alert.name in swept]


def _agreement(histories: Sequence[AlertHistory], archive: Archive, source: Prometheus | None) -> Agreement | Unknown:
    if source is None:
        return NOT_COMPARED
    try:
        rules = source.alert_rules()
    except NoAnswer as error:
        # Not every query API serves rules, and the history itself is complete.
        return Unknown(why=f"not compared with what Prometheus recorded itself: {error}")
    return compare_recorded(histories, rules, archive)


def _write(path: Path, write: Callable[[], None]) -> None:
    try:
        write()
    except OSError as error:
        raise Failed(f"{path}: cannot be written: {error.strerror}") from error
