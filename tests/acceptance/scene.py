"""Three replicas in front of the real API server, their incidents, and what must be true after each of them."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.acceptance.crossing import Crossing, Moment, Plan
from tests.acceptance.fleet import SECONDS, Delivery, Fleet, Member, attempt, pair
from tests.acceptance.incidents import Incident, Place
from tests.support.control_plane import ControlPlane

REPLICAS = 3


@dataclass(frozen=True, kw_only=True)
class Scene:
    """A place and the fleet that looks after it; with crossings, every request can be met on its way."""

    place: Place
    fleet: Fleet
    crossings: Sequence[Crossing]
    names: Sequence[str]

    def first(self, incident: Incident) -> int:
        """The number of the replica that hears of an incident first; another one each time."""
        return self.names.index(incident.name) % REPLICAS

    def meet(self, incident: Incident, method: str, moment: Moment, do: Callable[[], object]) -> None:
        """Let something happen at a moment of the first replica's request about an incident."""
        plan = Plan(method=method, mentions=incident.name, moment=moment, do=do)
        self.crossings[self.first(incident)].plan(plan)

    def await_met(self, incident: Incident) -> None:
        """Wait until it has happened."""
        assert self.crossings[self.first(incident)].happened.wait(SECONDS)

    def deliver_in_turn(self, incident: Incident) -> list[Delivery]:
        """One Alertmanager notifies the first replica; once that was met, so does the other one, at the next."""
        mine, other = pair(incident.name)
        first = self.first(incident)
        with ThreadPoolExecutor(1) as pool:
            delivering = pool.submit(self.fleet.deliver, mine, first=first)
            self.await_met(incident)
            return [self.fleet.deliver(other, first=first + 1), delivering.result()]

    def deliver_together(self, incident: Incident) -> list[Delivery]:
        """Both Alertmanagers notify at the same time, at two replicas."""
        bodies, firsts = pair(incident.name), (self.first(incident), self.first(incident) + 1)
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda body, first: self.fleet.deliver(body, first=first), bodies, firsts))

    def assert_one_act(self, incident: Incident, deliveries: Sequence[Delivery]) -> None:
        """Both notifications ended in 200, at most one of them by an act; the act was done, and done once."""
        reasons = [delivery.reasons for delivery in deliveries]
        assert reasons in ([{"Applied"}, {"CoolingDown"}], [{"CoolingDown"}, {"Applied"}], [{"CoolingDown"}] * 2)
        incident.assert_one_act()

    def assert_cooldown(self, incident: Incident) -> None:
        """Every replica, the new ones too, knows of the act, and does not repeat it."""
        repeat, _ = pair(incident.name)
        for member in self.fleet.members:
            code, answer = attempt(member, repeat)
            assert (code, [outcome["reason"] for outcome in answer["outcomes"]]) == (200, ["CoolingDown"])
        incident.assert_one_act()


@contextmanager
def scene(control_plane: ControlPlane, directory: Path, names: Sequence[str], *, crossed: bool) -> Iterator[Scene]:
    """Set the scene for incidents of these names: each has a canary of its own, so that no cooldown is another's."""
    place = Place(control_plane, directory, names)
    with ExitStack() as stack:
        stack.callback(control_plane.leave_namespace, place.namespace)
        server, crossings, kubeconfigs = control_plane.server, list[Crossing](), [place.kubeconfig] * REPLICAS
        if crossed:
            crossings = [stack.enter_context(Crossing(server.address, server.trust())) for _ in range(REPLICAS)]
            kubeconfigs = [
                server.write_kubeconfig(directory / f"kubeconfig-{number}", place.token, url=crossing.url)
                for number, crossing in enumerate(crossings)
            ]

        def start(number: int) -> Member:
            flags = [f"--config.file={place.config}", f"--kubeconfig={kubeconfigs[number]}", "--insecure-no-auth"]
            return Member(directory / f"replica-{number}", *flags)

        fleet = Fleet(start, REPLICAS)
        stack.callback(fleet.stop)
        yield Scene(place=place, fleet=fleet, crossings=crossings, names=names)
