"""What goes wrong around the service during a soak, one thing after the other; each ends by itself."""

import time
from collections.abc import Callable, Mapping

from benchmarks.soak.targets import ACTING, Targets, replace
from remediator.config.credentials import REREAD_SECONDS
from remediator.config.watcher import POLL_SECONDS
from tests.acceptance.crossing import HangUp, Moment, Plan

SEEN_SECONDS = 2 * max(REREAD_SECONDS, POLL_SECONDS) + 0.5
"""After this a changed file is in force, on a busy machine too."""


def _api_server_restarts(targets: Targets) -> None:
    targets.there.server.kill()
    time.sleep(3)
    targets.there.server.start_again()


def _answer_lost(targets: Targets) -> None:
    """The API server writes, but its answer is lost."""

    def hang_up() -> None:
        raise HangUp

    for moment in (Moment.SENT, Moment.DONE):
        targets.api.plan(Plan(method="PATCH", mentions=ACTING[0], moment=moment, do=hang_up))
        targets.api.happened.wait(5)


def _delay(targets: Targets, delay: float, seconds: float) -> None:
    targets.api.delay = delay
    time.sleep(seconds)
    targets.api.delay = 0
    time.sleep(delay)


def _configuration_changes(targets: Targets) -> None:
    targets.configure(cooldown="31m")
    time.sleep(SEEN_SECONDS)
    replace(targets.config, "remediations: [{name: half of")
    time.sleep(SEEN_SECONDS)
    targets.configure(cooldown="30m")
    time.sleep(SEEN_SECONDS)


def _token_invalid(targets: Targets) -> None:
    targets.set_token("nonsense")
    time.sleep(SEEN_SECONDS + 5)
    targets.set_token(targets.there.server.admin_token)
    time.sleep(SEEN_SECONDS)


FAULTS: Mapping[str, Callable[[Targets], None]] = {
    "the API server restarts": _api_server_restarts,
    "an answer of the API server is lost": _answer_lost,
    "the configuration changes, and is invalid for a while": _configuration_changes,
    "the API server is slow": lambda targets: _delay(targets, 0.3, 8),
    "the API server's token is invalid": _token_invalid,
    "a request takes longer than it may": lambda targets: _delay(targets, 5, 6),
}
