"""Log lines: a constant message and the facts in fields, as JSON or logfmt, on standard error.

Audit lines are not logs: they go to standard output, always as JSON.

No message can flood the log: each is rate-limited, and a line says how many were suppressed before it. The one
exception is the copy of an audit line that could not be written, because there is no other record of it.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

from remediator.core.times import format_time
from remediator.reflex.rate_limit import RateLimit

Format = Literal["json", "logfmt"]
LEVELS = ("debug", "info", "warn", "error")

BURST = 20
"""How many lines of one message may come in a burst: each may name another target, client or file."""

LINES_PER_SECOND = 1.0
"""Lines of one message per second after the burst."""

_UNLIMITED = frozenset({"remediator.reflex.audit"})

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f]+")


class _Rate(logging.Filter):
    """Suppresses messages that repeat too often. Facts are in fields, so the message itself is constant."""

    def __init__(self) -> None:
        super().__init__()
        self._limit: RateLimit[tuple[str, int, str]] = RateLimit(interval=1 / LINES_PER_SECOND, burst=BURST)

    def filter(self, record: logging.LogRecord) -> bool:
        if record.name in _UNLIMITED or record.levelno <= logging.DEBUG:
            return True
        key = record.name, record.levelno, str(record.msg)
        admitted = self._limit.admit(key, record.created, otherwise=(record.name, record.levelno, ""))
        if admitted is None:
            return False
        if admitted[1] > 1:
            record.leftOut = admitted[1] - 1
        return True


class _Formatter(logging.Formatter):
    def __init__(self, spelling: Format) -> None:
        super().__init__()
        self._spelling = spelling

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        fields: dict[str, Any] = {
            "time": format_time(datetime.fromtimestamp(record.created, UTC), "milliseconds"),
            "level": {"warning": "warn", "critical": "error"}.get(level, level),
            "msg": record.getMessage(),
            **{key: value for key, value in vars(record).items() if key not in _STANDARD},
        }
        if record.exc_info:
            fields["traceback"] = self.formatException(record.exc_info)
        if self._spelling == "json":
            return json.dumps(fields, default=str)
        return " ".join(f"{key}={_logfmt(value)}" for key, value in fields.items())


def _logfmt(value: object) -> str:
    text = json.dumps(value) if isinstance(value, bool) else str(value)
    return text if _PLAIN.fullmatch(text) and text.isprintable() else json.dumps(text)


def configure_logging(level: str, spelling: Format) -> None:
    """Send every logger's lines of this level and above to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_Formatter(spelling))
    handler.addFilter(_Rate())
    logging.basicConfig(level=getattr(logging, "WARNING" if level == "warn" else level.upper()), handlers=[handler])
    # Otherwise each request to the API server would log a line; a metric counts them.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
