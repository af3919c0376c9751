"""Prometheus's word on alerts that the ladder would act on: asked in time, and never for longer than an act may wait.

The rule of this file: whatever Prometheus does, a question ends in time, with an answer or without one. While the
ladder would act, the states of the rules are also asked for regularly, so that an act in a healthy world waits for
nothing.
"""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Protocol, TypeVar

from remediator.core.alerts import Alerts
from remediator.core.confirmation import Confirmation, unknown
from remediator.core.effects import Effect
from remediator.core.policy import Remediation, Target
from remediator.reflex.shared_read import SharedRead

log = logging.getLogger(__name__)

INTERVAL_SECONDS = 5.0

MAX_AGE_SECONDS = 10.0
"""Of states that confirm an alert; what does not confirm it is asked for after the alert came."""

PROBLEM_SECONDS = 30.0
"""For how long it counts that there was no answer; it is asked again long before."""

LATE_SECONDS = 10.0
"""After which a regular question without an answer is a problem: finding an address takes as long as it takes."""

NOTIFICATION_SECONDS = 4.0
"""For which all alerts of a notification may wait, also for answers that come: half of the time that it has."""

PLACES = 32
"""Questions at a time: each has a thread, and may hold a turn of the webhook's, of which there are twice as many."""

PLACE_SECONDS = 0.1
"""How long one is waited for: a Prometheus that is well has answered many by then."""

T = TypeVar("T")


class RuleStates(Protocol):
    """What Prometheus says of its rules, at one moment. No method raises."""

    @property
    def problem(self) -> str:
        """Why there is no answer, or empty."""

    def lacks(self, remediation: Remediation) -> str:
        """That there is no rule whose alerts could ask for this, in words, or empty."""

    def confirm(self, alerts: Alerts) -> Confirmation | None:
        """That one of these alerts is active, going by the states alone."""

    def examine(self, alerts: Alerts) -> Confirmation:
        """What is known of these alerts; for those that are not active more is asked for."""


Ask = Callable[[], RuleStates]
"""Asks for the states of the rules now."""


class Allowance:
    """The time that a notification has for Prometheus's answers: what one alert waits in vain, no other waits again."""

    def __init__(self) -> None:
        self._waited = self._in_vain = 0.0

    def left(self, longest: float) -> float:
        """Seconds that an alert may still wait that may wait for `longest`, alone."""
        return max(min(longest - self._in_vain, NOTIFICATION_SECONDS - self._waited), 0.0)

    def wait(self, call: Callable[[], T]) -> T:
        """What the call waits for. Raises TimeoutError where it does, having waited in vain."""
        began = time.monotonic()
        try:
            return call()
        except TimeoutError:
            self._in_vain += time.monotonic() - began
            raise
        finally:
            self._waited += time.monotonic() - began


class Question:
    """What Prometheus says of the alerts of one decision."""

    def __init__(
        self, ask: Callable[[], Confirmation], longest: float, allowance: Allowance, places: threading.Semaphore
    ) -> None:
        self._allowance = allowance
        self._places = places
        self._answer: Future[Confirmation] = Future()
        self._longest = allowance.left(longest)
        if self._longest:
            self._begin(ask)
        else:
            self._answer.set_result(unknown("Prometheus kept other alerts of the notification waiting for too long"))
        self._ends = time.monotonic() + self._longest

    def _begin(self, ask: Callable[[], Confirmation]) -> None:
        try:
            self._allowance.wait(self._take_place)
        except TimeoutError:
            self._answer.set_result(unknown(f"{PLACES} questions wait for Prometheus's answer already"))
        else:
            self._start(ask)

    def _take_place(self) -> None:
        if not self._places.acquire(timeout=PLACE_SECONDS):
            raise TimeoutError

    def _start(self, ask: Callable[[], Confirmation]) -> None:
        try:
            threading.Thread(target=self._run, args=(ask,), name="question", daemon=True).start()
        except RuntimeError as error:
            self._places.release()
            self._answer.set_result(unknown(f"the question could not be asked: {error}"))

    def _run(self, ask: Callable[[], Confirmation]) -> None:
        try:
            self._answer.set_result(ask())
        except TimeoutError:
            pass  # It has been waited for in vain by then.
        except Exception:  # A fault of ours must not keep a rollback.
            log.exception("question failed")
            self._answer.set_result(unknown("a fault of Remediator's; its log has the traceback"))
        finally:
            self._places.release()

    def answer(self, left: float) -> Confirmation:
        """Wait for the answer, for at most `left` seconds and what is left of the question's own time."""
        try:
            return self._allowance.wait(lambda: self._answer.result(max(min(self._ends - time.monotonic(), left), 0)))
        except TimeoutError:
            return unknown(f"Prometheus gave no answer in {self._longest:.2g} s")


class Confirmations:
    """Asks for what alerts say. Safe to call from many threads."""

    def __init__(self, ask: Ask, *, wanted: Callable[[], bool], steady: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._wanted = wanted
        self._steady = steady
        self._last: tuple[float, RuleStates] | None = None
        self._waiting: float | None = None
        """Since when the regular question has had no answer, None while there is none."""
        self._places = threading.BoundedSemaphore(PLACES)
        self._shared: dict[tuple[Target, Effect], SharedRead[RuleStates]] = {}

    def watch(self, stop: threading.Event) -> None:
        """Ask regularly, while an alert would lead to an act."""
        while True:
            try:
                if self._wanted():
                    self._waiting = self._steady()
                    self.ask()
            except Exception:  # A fault of ours here costs a head start, and must not end the service.
                log.exception("question failed")
            self._waiting = None
            if stop.wait(INTERVAL_SECONDS):
                return

    def ask(self, left: float = 0.0) -> RuleStates:
        """The states of the rules as they are from now on; `left` is up to who waits."""
        asked = self._steady()
        states = self._ask()
        self._last = asked, states
        return states

    def problem(self) -> str:
        """Why the last answer, of the last half minute, was none, or why there is none for long; or empty."""
        now = self._steady()
        if (waiting := self._waiting) is not None and now - waiting > LATE_SECONDS:
            return f"no answer for {now - waiting:.0f} s"
        if (last := self._last) is None or now - last[0] > PROBLEM_SECONDS:
            return ""
        return last[1].problem

    def unconfirmed(self, remediation: Remediation) -> str:
        """Why no alert of this remediation would be confirmed: there is no answer, or no rule asks for it; or empty."""
        if not self.answered() or (last := self._last) is None:
            return self.problem()
        try:
            return last[1].lacks(remediation)
        except Exception:  # It must not end the observer.
            log.exception("question failed")
            return ""

    def answered(self) -> bool | None:
        """Whether Prometheus answers; None where it was not asked in the last half minute."""
        if self.problem():
            return False
        return None if (last := self._last) is None or self._steady() - last[0] > PROBLEM_SECONDS else True

    def recent(self, alerts: Alerts) -> Confirmation | None:
        """The confirmation by the states that were asked for last; anything else they do not prove."""
        if (last := self._last) is None or self._steady() - last[0] > MAX_AGE_SECONDS:
            return None
        try:
            return last[1].confirm(alerts)
        except Exception:  # As above: then it is asked once more.
            log.exception("question failed")
            return None

    def question(self, remediation: Remediation, alerts: Alerts, allowance: Allowance) -> Question:
        """Ask about these alerts, for as long as the action may wait, once for all alerts of a target and effect."""
        action = remediation.action
        shared = self._shared.setdefault((remediation.target, action.effect), SharedRead(self.ask))
        longest = action.longest_question
        return Question(lambda: shared(longest).examine(alerts), longest, allowance, self._places)
