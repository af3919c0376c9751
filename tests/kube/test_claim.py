"""The loop that writes to a target: conflicts, lost answers, and failures that end it."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from itertools import count

import pytest

from remediator.core.effects import Effect
from remediator.core.ledger import Entry, Ledger
from remediator.core.workload import Workload
from remediator.kube.claim import Claim, Claimed, Unconfirmed, claim
from remediator.kube.errors import ClusterError, Conflict, Forbidden, NotFound, Rejected, Unanswered, Unavailable

NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class Target:
    """A target in memory whose answers go wrong as they are listed: one item a request, None for no fault."""

    def __init__(self, *, reads: tuple[Exception | None, ...] = (), sends: tuple[Exception | None, ...] = ()) -> None:
        self.version = 1
        self.entries: tuple[Entry, ...] = ()
        self.sent: list[Entry] = []
        self.tries = 3
        self.applies_unanswered = False
        self._reads, self._sends, self._ids = iter(reads), iter(sends), count(1)

    def read(self) -> Workload:
        """The target as it is now, or the next fault."""
        if fault := next(self._reads, None):
            raise fault
        return Workload(uid="u", resource_version=str(self.version), replicas=3, ledger=Ledger(entries=self.entries))

    def plan(self, found: Workload) -> Claim | str:
        """A claim on the version that was found."""
        entry = Entry(id=f"act-{next(self._ids)}", time=NOON, effect=Effect.SCALE, before=3, after=5)
        return Claim(entry=entry, patch={"resourceVersion": found.resource_version})

    def send(self, one: Claim) -> Workload | None:
        """Apply a patch whose version is the target's, or the next fault."""
        fault = next(self._sends, None)
        lost = isinstance(fault, Unanswered)
        if fault and not (lost and self.applies_unanswered):
            raise fault
        if one.patch["resourceVersion"] != str(self.version):
            raise Conflict("409")
        self.version += 1
        self.entries = (*self.entries, one.entry)
        if fault:
            raise fault
        return self.read()

    def again(self, error: Exception) -> bool:
        """Three tries for what may pass."""
        self.tries -= 1
        return self.tries > 0 and isinstance(error, Conflict | Unavailable)

    def claim(self, plan: Callable[[Workload], Claim | str] | None = None) -> Claimed[Workload] | str:
        """Run the loop."""
        return claim(self.read, plan or self.plan, self.send, again=self.again, sent=self.sent)


def test_what_is_read_is_claimed_in_one_patch() -> None:
    """Without a fault there is one patch, and the claim has what it was planned on and the answer."""
    target = Target()
    done = target.claim()
    assert isinstance(done, Claimed)
    assert (done.found.resource_version, done.read_back, done.entry.id) == ("1", False, "act-1")
    assert done.answer
    assert done.answer.holds("act-1")
    assert [entry.id for entry in target.entries] == ["act-1"]


def test_a_plan_to_write_nothing_ends_the_loop() -> None:
    """Where the plan is no claim nothing is sent, and the plan comes back as it is."""
    target = Target()
    assert target.claim(lambda found: "nothing to do") == "nothing to do"
    assert not target.sent
    assert target.version == 1


def test_after_a_conflict_the_newer_version_is_planned_on() -> None:
    """Who loses a race reads again, and decides on what the winner has left."""
    target, seen = Target(), []

    def plan(found: Workload) -> Claim | str:
        seen.append(found.resource_version)
        planned = target.plan(found)
        if len(seen) == 1:
            target.version += 1  # The winner.
        return planned

    done = target.claim(plan)
    assert isinstance(done, Claimed)
    assert seen == ["1", "2"]
    assert [entry.id for entry in target.entries] == [done.entry.id] == ["act-2"]


def test_a_lost_answer_is_read_back_and_never_sent_again() -> None:
    """A patch that holds although its answer was lost is found by its entry."""
    target = Target(sends=(Unanswered("no answer"),))
    target.applies_unanswered = True
    done = target.claim()
    assert isinstance(done, Claimed)
    assert (done.read_back, done.entry.id, len(target.sent)) == (True, "act-1", 1)
    assert [entry.id for entry in target.entries] == ["act-1"]


def test_a_lost_patch_that_is_not_there_is_planned_again() -> None:
    """Once reading shows that the patch does not hold, the next one is sent on the same version."""
    target = Target(sends=(Unanswered("no answer"),))
    done = target.claim()
    assert isinstance(done, Claimed)
    assert not done.read_back
    assert [entry.id for entry in target.sent] == ["act-1", "act-2"]
    assert [entry.id for entry in target.entries] == ["act-2"]


def test_an_earlier_lost_patch_counts_when_a_later_one_is_refused() -> None:
    """The first patch arrives late: the second one's conflict leads to the first one's entry."""
    target = Target(sends=(Unanswered("no answer"),))
    planned: list[Claim] = []

    def plan(found: Workload) -> Claim | str:
        one = target.plan(found)
        assert isinstance(one, Claim)
        planned.append(one)
        if len(planned) == 2:
            target.send(planned[0])
        return one

    done = target.claim(plan)
    assert isinstance(done, Claimed)
    assert (done.read_back, done.entry.id) == (True, "act-1")
    assert [entry.id for entry in target.entries] == ["act-1"]


@pytest.mark.parametrize(
    "fault",
    [Unavailable("503"), Forbidden("403"), NotFound("404"), TimeoutError()],
    ids=lambda fault: type(fault).__name__,
)
def test_what_cannot_be_read_back_is_unconfirmed(fault: Exception) -> None:
    """Whatever keeps the target from being read after a lost answer, the error says which patch may hold."""
    target = Target(reads=(None, fault, fault), sends=(Unanswered("no answer"),))
    target.applies_unanswered = True
    with pytest.raises(Unconfirmed) as error:
        target.claim()
    assert error.value.entry == target.sent[0]


@pytest.mark.parametrize("fault", [Forbidden("403"), Rejected("422")], ids=lambda fault: type(fault).__name__)
def test_a_refusal_is_final(fault: ClusterError) -> None:
    """What will never succeed is not sent again, and is no patch that may hold."""
    target = Target(sends=(fault,))
    with pytest.raises(type(fault)):
        target.claim()
    assert len(target.sent) == 1


def test_a_lost_race_ends_when_the_caller_has_had_enough() -> None:
    """How often a conflict is tried again is up to the caller, who gets the last one."""
    target = Target(sends=(Conflict("1"), Conflict("2"), Conflict("3")))
    with pytest.raises(Conflict, match="3"):
        target.claim()
    assert len(target.sent) == 3


def test_only_who_has_the_turn_plans_and_sends() -> None:
    """Of two threads the second plans on what the first has left, and reading needs no turn."""
    target, lock, order = Target(), threading.Lock(), []
    entered, go_on = threading.Event(), threading.Event()

    @contextmanager
    def turn() -> Iterator[None]:
        with lock:
            yield

    def plan(found: Workload) -> Claim | str:
        order.append(found.resource_version)
        if len(order) == 1:
            entered.set()
            go_on.wait(60)
        return target.plan(found)

    def work() -> None:
        claim(target.read, plan, target.send, again=target.again, sent=[], turn=turn)

    first, second = threading.Thread(target=work), threading.Thread(target=work)
    first.start()
    assert entered.wait(60)
    second.start()
    go_on.set()
    first.join(60)
    second.join(60)
    assert order[0] == "1"
    assert order[-1] == "2"
    assert target.version == 3
