"""What goes wrong around a service in a bad half hour, one thing after the other; each mends itself in the end."""

import secrets
import time
from collections.abc import Callable, Mapping

from benchmarks.soak.crowd import SLOWLY_SECONDS, Crowd
from benchmarks.soak.estate import ACTING, TOKEN_SECONDS, Estate, replace
from remediator.credentials import REREAD_SECONDS
from remediator.reload import POLL_SECONDS
from tests.acceptance.crossing import HangUp, Moment, Plan

SEEN_SECONDS = 2 * max(REREAD_SECONDS, POLL_SECONDS) + 0.5
"""After this a changed file is in force, on a busy machine too."""

CACHED_SECONDS = 10.0
"""The API server takes a token that has run out for some time yet: its authenticator keeps successes so long."""

Fault = Callable[[Estate, Crowd], None]


def _api_server_restarts(estate: Estate, crowd: Crowd) -> None:
    estate.where.server.kill()
    time.sleep(3)
    estate.where.server.start_again()


def _api_slow(estate: Estate, crowd: Crowd) -> None:
    _delay(estate, 0.3, 8)


def _api_held(estate: Estate, crowd: Crowd) -> None:
    """Longer than a request may take, so that nothing that asks it can be done."""
    _delay(estate, 5, 6)
    time.sleep(10)


def _delay(estate: Estate, delay: float, seconds: float) -> None:
    estate.api.delay = delay
    time.sleep(seconds)
    estate.api.delay = 0


def _answer_lost(estate: Estate, crowd: Crowd) -> None:
    """The API server writes, and its answer gets lost on the way."""

    def hang_up() -> None:
        raise HangUp

    for moment in (Moment.SENT, Moment.DONE):
        estate.api.plan(Plan(method="PATCH", mentions=ACTING[0], moment=moment, do=hang_up))
        estate.api.happened.wait(5)


def _configuration_changes(estate: Estate, crowd: Crowd) -> None:
    estate.configure(cooldown="31m", passing=True)
    time.sleep(SEEN_SECONDS)
    estate.configure(cooldown="30m")
    time.sleep(SEEN_SECONDS)


def _configuration_bad(estate: Estate, crowd: Crowd) -> None:
    replace(estate.config, "remediations: [{name: half of")
    time.sleep(SEEN_SECONDS)
    estate.configure(cooldown="30m")
    time.sleep(SEEN_SECONDS)


def _webhook_token_rotated(estate: Estate, crowd: Crowd) -> None:
    """Add the new one, change the clients, remove the old one."""
    old, fresh = estate.webhook_token, secrets.token_hex(16)
    replace(estate.webhook_tokens, f"{old}\n{fresh}\n")
    time.sleep(SEEN_SECONDS)
    crowd.token = estate.webhook_token = fresh
    time.sleep(SLOWLY_SECONDS + SEEN_SECONDS)
    replace(estate.webhook_tokens, f"{fresh}\n")
    time.sleep(SEEN_SECONDS)


def _webhook_tokens_bad(estate: Estate, crowd: Crowd) -> None:
    """The last good ones stay valid."""
    replace(estate.webhook_tokens, "\n")
    time.sleep(SEEN_SECONDS)
    replace(estate.webhook_tokens, f"{estate.webhook_token}\n")
    time.sleep(SEEN_SECONDS)


def _account_token_runs_out(estate: Estate, crowd: Crowd) -> None:
    """For some seconds there is nothing but nonsense where a good token should be."""
    estate.renews = False
    time.sleep(TOKEN_SECONDS + CACHED_SECONDS + 5)
    estate.renews = True
    time.sleep(CACHED_SECONDS + 2)


FAULTS: Mapping[str, Fault] = {
    "the API server restarts": _api_server_restarts,
    "an answer of the API server gets lost": _answer_lost,
    "the configuration changes": _configuration_changes,
    "the API server is slow": _api_slow,
    "the webhook's token is rotated": _webhook_token_rotated,
    "the configuration is bad": _configuration_bad,
    "the API server answers nothing": _api_held,
    "the webhook's tokens are bad": _webhook_tokens_bad,
    "the account's token runs out": _account_token_runs_out,
}
