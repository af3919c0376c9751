"""Relays heartbeats to an external dead man's switch, which notices if both Prometheus and Alertmanager are dead.

The rule of this file: it never delays a notification, and the URL, which is a secret, is in no log and no message.
"""

import logging
import threading
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from remediator import __version__
from remediator.reflex.heartbeat import Heartbeat
from remediator.reflex.metrics import Metrics

log = logging.getLogger(__name__)

TIMEOUT_SECONDS = 5.0
MAX_URL = 2_000


class InvalidRelay(ValueError):
    """The file does not contain exactly one URL; the text says why, without showing the content."""


class _NoRedirects(HTTPRedirectHandler):
    def redirect_request(self, *_: object) -> None:
        """Follows no redirects: a 3xx is a failure."""


class Relay:
    """Requests a URL after each heartbeat, in a thread of its own, one request at a time. Raises InvalidRelay."""

    def __init__(self, url_file: Path, *, possible: Callable[[Heartbeat], bool], metrics: Metrics) -> None:
        self._url_file = url_file
        self._possible = possible
        self._metrics = metrics
        self._due = threading.Event()
        self._heartbeat: Heartbeat | None = None
        self._result = ""
        # Uses the proxies of the environment.
        self._opener = build_opener(_NoRedirects)
        read_url(url_file)

    def received(self, heartbeat: Heartbeat) -> None:
        """Relay this heartbeat soon; while another is in progress, it replaces any that is waiting."""
        self._heartbeat = heartbeat
        self._due.set()

    def watch(self, stop: threading.Event) -> None:
        """Relay heartbeats until asked to stop."""
        while not stop.is_set():
            if self._due.wait(1.0):
                self._due.clear()
                if heartbeat := self._heartbeat:
                    self._relay(heartbeat)

    def _relay(self, heartbeat: Heartbeat) -> None:
        if self._possible(heartbeat):
            problem = self._ask()
            result = "failed" if problem else "sent"
        else:
            problem, result = "an alert would not lead to an act now; the status shows why", "withheld"
        self._metrics.heartbeat_relays.labels(result=result).inc()
        if result != self._result and (problem or self._result):
            level = logging.WARNING if problem else logging.INFO
            log.log(level, "heartbeat relay", extra={"result": result, **({"error": problem} if problem else {})})
        self._result = result

    def _ask(self) -> str:
        """Why the request failed, without what could show the URL, or empty."""
        try:
            request = Request(read_url(self._url_file), headers={"User-Agent": f"remediator/{__version__}"})  # noqa: S310
            with self._opener.open(request, timeout=TIMEOUT_SECONDS):
                return ""
        except InvalidRelay as error:
            return str(error)
        except HTTPError as error:
            error.close()
            return f"it was answered with {error.code}"
        except URLError as error:
            return _kind(error.reason)
        except (OSError, HTTPException, ValueError) as error:
            return _kind(error)


def read_url(path: Path) -> str:
    """Read the URL from a file. Raises InvalidRelay."""
    try:
        text = path.read_text(encoding="utf-8").strip()
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and parts.hostname and (parts.port or 1)
    except OSError as error:
        raise InvalidRelay(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise InvalidRelay(f"{path}: holds no URL") from None
    if not valid or len(text) > MAX_URL or any(not "!" <= letter <= "~" for letter in text):
        raise InvalidRelay(f"{path}: must hold one http or https URL, and nothing else")
    return text


def _kind(error: object) -> str:
    """The type of the failure only, because the text of some errors contains the URL or the host."""
    words = error.strerror if isinstance(error, OSError) and error.strerror else ""
    return f"{type(error).__name__} {words}".strip()
