"""Log lines: a constant message and the facts in fields, as JSON or logfmt, on standard error.

Audit lines are not logs: they go to standard output, always as JSON.
"""

import json
import logging
import re
import sys
from datetime import UTC, datetime
from typing import Any, Literal

Format = Literal["json", "logfmt"]
LEVELS = ("debug", "info", "warn", "error")

_STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}
_PLAIN = re.compile(r"[^\s\"=\x00-\x1f\x7f-\x9f]+")


class _Formatter(logging.Formatter):
    def __init__(self, spelling: Format) -> None:
        super().__init__()
        self._spelling = spelling

    def format(self, record: logging.LogRecord) -> str:
        level = record.levelname.lower()
        fields: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds")[:-6] + "Z",
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
    logging.basicConfig(level=getattr(logging, "WARNING" if level == "warn" else level.upper()), handlers=[handler])
    # Each request to the API server would be a line; the metric counts them.
    logging.getLogger("urllib3").setLevel(logging.ERROR)
