"""What Remediator would have done: the ladder over alerts of the past, on targets that only it changes."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from remediator.core.actions.scale import Scale
from remediator.core.effects import Effect
from remediator.core.ladder import Act, Skip
from remediator.core.policy import Policy
from remediator.core.reasons import Reason
from remediator.core.recorded_value import RecordedValue, read_recorded
from remediator.core.sampled_series import Grid, SampledSeries
from remediator.core.simulation import Arrival, Incident, PastAlert, simulate
from tests.support.service import shipped_policy

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
POLICY = shipped_policy()
ROLLBACK, SCALE = POLICY.remediations
MINUTES = 60 * 24
GRID = Grid(start=int(NOON.timestamp()), step=60, count=MINUTES + 1)


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def alert(begins: float, ends: float | None, remediation: str = "rollback", **labels: str) -> PastAlert:
    """An alert that fires for some minutes."""
    return PastAlert(
        labels={"alertname": "Bad", "remediation": remediation, "namespace": "denis", **labels},
        active=at(begins - 2),
        fired=at(begins),
        resolved=None if ends is None else at(ends),
    )


def arrivals(*alerts: PastAlert, every: int = 6, until: float = MINUTES) -> list[Arrival]:
    """Notifications about each alert as long as it fires."""
    found = []
    for one in alerts:
        moment = one.fired
        while moment < (one.resolved or at(until)):
            found.append(Arrival(time=moment, alerts=(one,)))
            moment += timedelta(minutes=every)
    return found


def recorded(*changes: tuple[int, int], assumed: int = 10, acts: Sequence[datetime] = ()) -> RecordedValue:
    """A value that was recorded from noon on, by the minutes at which it became another."""
    series = SampledSeries.empty({}, GRID.count)
    for (minute, value), following in pairwise([*changes, (GRID.count, 0)]):
        for index in range(minute, following[0]):
            series.values[index], series.present[index] = value, 1
    return read_recorded(series if changes else None, GRID, assumed, acts)


def outcomes(incidents: Sequence[Incident]) -> list[list[str]]:
    """For each incident what each notification led to."""
    return [
        [one.result.message if isinstance(one.result, Act) else one.result.reason for one in incident.decisions]
        for incident in incidents
    ]


def run(
    found: Sequence[Arrival],
    percentage: RecordedValue,
    policy: Policy = POLICY,
    cluster: str = "",
    workers: RecordedValue | None = None,
) -> list[Incident]:
    """The incidents, with 4 workers if not said otherwise."""
    values = {
        (ROLLBACK.target, Effect.SET_PERCENTAGE): percentage,
        (SCALE.target, Effect.SCALE): workers or recorded((0, 4)),
    }
    return simulate(policy, found, values, cluster)


def test_one_incident_is_one_act() -> None:
    """While the alert fires on, the canary stays at 0 % as the act left it, whatever was recorded."""
    (incident,) = run(arrivals(alert(10, 60)), recorded((0, 10)))
    found = outcomes([incident])[0]
    assert found[0] == "10 % -> 0 %"
    assert set(found[1:5]) == {Reason.COOLING_DOWN}
    assert set(found[5:]) == {Reason.ALREADY_SAFE}


def test_an_alert_that_flaps_within_the_cooldown_is_the_same_incident() -> None:
    """Only when nothing fires and the cooldown is over, the canary is again as it was recorded."""
    found = run(arrivals(alert(10, 12), alert(30, 32), alert(50, 55)), recorded((0, 10)))
    assert outcomes(found) == [["10 % -> 0 %", Reason.COOLING_DOWN], ["10 % -> 0 %"]]


def test_a_budget_ends_the_acts() -> None:
    """Three acts in 24 h, then none, each incident told."""
    found = run(arrivals(*(alert(10 + 60 * hour, 15 + 60 * hour) for hour in range(5))), recorded((0, 10)))
    assert [one[0] for one in outcomes(found)] == ["10 % -> 0 %"] * 3 + [Reason.BUDGET_SPENT] * 2


def test_at_zero_percent_there_is_no_act() -> None:
    """The cause is elsewhere."""
    assert outcomes(run(arrivals(alert(10, 12)), recorded((0, 0)))) == [[Reason.ALREADY_SAFE]]


def test_who_raises_the_canary_ends_the_incident() -> None:
    """An alert that begins after a person's raise is a new one, also within the cooldown."""
    people = recorded((0, 10), (15, 0), (20, 10))
    assert outcomes(run(arrivals(alert(10, 12), alert(25, 27)), people)) == [["10 % -> 0 %"], ["10 % -> 0 %"]]


def test_what_remediator_itself_did_is_left_out() -> None:
    """Its own act in the past does not make the canary safe before the simulated one."""
    own = recorded((0, 10), (10, 0), (200, 50), acts=[at(10)])
    assert [own.at(at(minute)) for minute in (0, 100, 300)] == [10, 10, 50]
    assert [change.after for change in own.by_remediator] == [0]
    assert [(change.before, change.after) for change in own.by_people] == [(0, 50)]
    assert outcomes(run(arrivals(alert(10.5, 12)), own)) == [["10 % -> 0 %"]]


def changes(incident: Incident) -> list[tuple[int | None, int]]:
    """What each act changed."""
    return [(act.before, act.after) for _, act in incident.acts]


def test_workers_are_added_step_by_step_until_they_are_given_up() -> None:
    """Each act begins where the last one ended; the fourth for one alert is withheld."""
    (incident,) = run(arrivals(alert(10, 180, "scale"), every=6), recorded((0, 10)))
    assert changes(incident) == [(4, 6), (6, 8), (8, 10)]
    assert incident.withheld == [Reason.COOLING_DOWN, Reason.INEFFECTIVE]


def test_an_alert_that_fires_again_gets_workers_again_until_the_budget_is_spent() -> None:
    """Within the same incident: three acts for each beginning, six in 6 h."""
    alerts = [alert(*times, "scale") for times in ((10, 35), (40, 71), (75, 120))]
    found = run(arrivals(*alerts, every=6), recorded((0, 10)))
    assert [change for incident in found for change in changes(incident)] == [*pairwise(range(4, 17, 2))]
    assert Reason.BUDGET_SPENT in found[-1].withheld


def test_people_who_scale_start_the_count_of_acts_at_0() -> None:
    """Three acts, then none until people set 12; then three again."""
    found = run(arrivals(alert(10, 180, "scale"), every=6), recorded((0, 10)), workers=recorded((0, 4), (100, 12)))
    assert [change for incident in found for change in changes(incident)] == [
        *[(4, 6), (6, 8), (8, 10)],
        *[(12, 14), (14, 16), (16, 18)],
    ]


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, MINUTES - 60), st.integers(1, 400)), max_size=5),
    st.integers(1, 6),
    st.lists(st.integers(0, MINUTES - 60), max_size=2, unique=True).map(sorted),
)
def test_giving_up_never_adds_an_act(firings: list[tuple[int, int]], give_up: int, people: list[int]) -> None:
    """Whenever alerts fire and people scale: until any moment there were no more acts with it than without."""
    found = arrivals(*(alert(begins, begins + lasts, "scale") for begins, lasts in firings), every=11)
    workers = recorded((0, 4), *((minute, 5 + index) for index, minute in enumerate(people) if minute))

    def acts(number: int) -> list[datetime]:
        patient = replace(SCALE, action=Scale(step=2, min=1, max=20, give_up=number))
        policy = replace(POLICY, remediations=(ROLLBACK, patient))
        return sorted(time for one in run(found, recorded((0, 10)), policy, workers=workers) for time, _ in one.acts)

    sooner, never = acts(give_up), acts(20)
    assert all(later <= time for time, later in zip(sooner, never, strict=False))
    assert len(sooner) <= len(never)


def test_alerts_of_another_cluster_or_namespace_lead_to_nothing() -> None:
    """They are screened as the service screens them."""
    assert run(arrivals(alert(10, 20, cluster="eu-2")), recorded((0, 10)), cluster="eu-1") == []
    assert run(arrivals(alert(10, 20, namespace="staging")), recorded((0, 10))) == []


def test_a_remediation_that_observes_is_asked_what_it_would_do() -> None:
    """The back-test of a trial says what mode act would have done."""
    observing = replace(POLICY, remediations=tuple(replace(one, mode="observe") for one in POLICY.remediations))
    assert outcomes(run(arrivals(alert(10, 12)), recorded((0, 10)), observing)) == [["10 % -> 0 %"]]


def test_where_nothing_is_recorded_the_assumption_holds() -> None:
    """And it is known to be one."""
    nothing = recorded(assumed=50)
    assert outcomes(run(arrivals(alert(10, 12)), nothing)) == [["50 % -> 0 %"]]
    assert not nothing.known(at(10))


@given(st.lists(st.tuples(st.integers(0, MINUTES - 60), st.integers(1, 120)), max_size=12), st.booleans())
def test_acts_never_exceed_budget_or_cooldown(firings: list[tuple[int, int]], scale: bool) -> None:
    """Whatever fires: no two acts within a cooldown, and no more in a window than the budget has."""
    remediation = SCALE if scale else ROLLBACK
    alerts = [alert(begins, begins + lasts, "scale" if scale else "rollback") for begins, lasts in firings]
    found = run(arrivals(*alerts), recorded((0, 10)))
    times = sorted(time for incident in found for time, _ in incident.acts)
    assert all(later - earlier >= remediation.cooldown for earlier, later in pairwise(times))
    for time in times:
        within = [one for one in times if time <= one < time + remediation.budget.window]
        assert len(within) <= remediation.budget.acts
    results = [one.result for incident in found for one in incident.decisions]
    assert all(isinstance(result, Act | Skip) for result in results)
