"""Asks Prometheus about alerts that the ladder would act on, never for longer than an act may wait.

The rule of this file: whatever Prometheus does, a question ends in time, with or without an answer. While the ladder
would act, the rule states are also polled, so that normally an act does not have to wait.
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
"""The greatest age of polled states that may confirm an alert; otherwise Prometheus is asked when it arrives."""

PROBLEM_SECONDS = 30.0
"""How long the failure of a poll counts as a problem; normally the next poll comes long before."""

LATE_SECONDS = 10.0
"""After this long a poll without an answer is a problem, because a DNS lookup has no timeout."""

NOTIFICATION_SECONDS = 4.0
"""How long the alerts of a notification may wait in total, answered or not: half of the time that it has."""

PLACES = 32
"""The most parallel questions: each has a thread and may hold one of the webhook's turns, which are twice as many."""

PLACE_SECONDS = 0.1
"""How long to wait for a place: a healthy Prometheus has answered many questions by then."""

FAULT = "an internal error; the log has the traceback"

T = TypeVar("T")


class RuleStates(Protocol):
    """The states of Prometheus's rules at one moment. No method raises."""

    @property
    def problem(self) -> str:
        """Why Prometheus did not answer, or empty."""

    def lacks(self, remediation: Remediation) -> str:
        """A message if there is no rule whose alerts could ask for this, or empty."""

    def confirm(self, alerts: Alerts) -> Confirmation | None:
        """The confirmation, if one of these alerts is active by these states."""

    def examine(self, alerts: Alerts) -> Confirmation:
        """Confirm or refute these alerts; this queries more about inactive ones."""


Ask = Callable[[], RuleStates]
"""Queries the rule states."""


class Allowance:
    """How long a notification may wait for Prometheus. Time that one alert waited in vain is gone for all others."""

    def __init__(self) -> None:
        self._waited = self._in_vain = 0.0

    def left(self, longest: float) -> float:
        """How many seconds an alert may still wait; `longest` is what it might wait on its own."""
        return max(min(longest - self._in_vain, NOTIFICATION_SECONDS - self._waited), 0.0)

    def wait(self, call: Callable[[], T]) -> T:
        """Make the call, and count its time; if it raises TimeoutError, as time waited in vain."""
        began = time.monotonic()
        try:
            return call()
        except TimeoutError:
            self._in_vain += time.monotonic() - began
            raise
        finally:
            self._waited += time.monotonic() - began


class Question:
    """A question to Prometheus about the alerts of one decision."""

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
            pass  # Nobody waits for the answer by then.
        except Exception:  # A bug of ours must not block a rollback.
            log.exception("question failed")
            self._answer.set_result(unknown(FAULT))
        finally:
            self._places.release()

    def answer(self, left: float) -> Confirmation:
        """Wait for the answer, for at most `left` seconds and the question's remaining time."""
        try:
            return self._allowance.wait(lambda: self._answer.result(max(min(self._ends - time.monotonic(), left), 0)))
        except TimeoutError:
            return unknown(f"Prometheus gave no answer in {self._longest:.2g} s")


class Confirmations:
    """Polls the rule states, and asks about alerts. Thread-safe."""

    def __init__(self, ask: Ask, *, wanted: Callable[[], bool], steady: Callable[[], float] = time.monotonic) -> None:
        self._ask = ask
        self._wanted = wanted
        self._steady = steady
        self._last: tuple[float, RuleStates] | None = None
        self._waiting: float | None = None
        """When the current poll began; None between polls."""
        self._places = threading.BoundedSemaphore(PLACES)
        self._shared: dict[tuple[Target, Effect], SharedRead[RuleStates]] = {}

    def watch(self, stop: threading.Event) -> None:
        """Poll the rule states while an alert would lead to an act."""
        while True:
            try:
                if self._wanted():
                    self._waiting = self._steady()
                    self.ask()
            except Exception:  # A bug of ours here only costs the cached answer, and must not end the service.
                log.exception("question failed")
            self._waiting = None
            if stop.wait(INTERVAL_SECONDS):
                return

    def ask(self, left: float = 0.0) -> RuleStates:
        """Query the current rule states; `left` is ignored here, because callers have their own timeouts."""
        asked = self._steady()
        states = self._ask()
        self._last = asked, states
        return states

    def problem(self) -> str:
        """Why the last poll (within half a minute) failed, or that the current one takes too long; or empty."""
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
        except Exception:  # It must not end the observer. A question about an alert would fail as well.
            log.exception("question failed")
            return FAULT

    def answered(self) -> bool | None:
        """Whether Prometheus answers; None if it was not asked in the last half minute."""
        if self.problem():
            return False
        return None if (last := self._last) is None or self._steady() - last[0] > PROBLEM_SECONDS else True

    def recent(self, alerts: Alerts) -> Confirmation | None:
        """The confirmation by the last polled states, or None: they can confirm, but never refute."""
        if (last := self._last) is None or self._steady() - last[0] > MAX_AGE_SECONDS:
            return None
        try:
            return last[1].confirm(alerts)
        except Exception:  # As above: the question is then asked directly.
            log.exception("question failed")
            return None

    def question(self, remediation: Remediation, alerts: Alerts, allowance: Allowance) -> Question:
        """Ask about these alerts, for at most as long as the action may wait.

        Questions about one target and effect share a query of the rule states.
        """
        action = remediation.action
        shared = self._shared.setdefault((remediation.target, action.effect), SharedRead(self.ask))
        longest = action.longest_question
        return Question(lambda: shared(longest).examine(alerts), longest, allowance, self._places)
