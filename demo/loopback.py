"""JSON over HTTP on loopback, past any proxy that the environment names."""

import json
import urllib.request
from collections.abc import Mapping
from typing import Any

TIMEOUT_SECONDS = 15.0

_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def get_text(url: str) -> str:
    """The body at a URL. Raises OSError where it cannot be had."""
    with _opener.open(url, timeout=TIMEOUT_SECONDS) as response:
        return str(response.read().decode())


def get_json(url: str) -> Any:
    """The document at a URL. Raises OSError where it cannot be had."""
    return json.loads(get_text(url))


def send_json(url: str, document: Any, *, method: str = "POST", headers: Mapping[str, str] | None = None) -> Any:
    """What is answered to a document. Raises OSError; an answer of 4xx or 5xx is an HTTPError, which is one."""
    request = urllib.request.Request(url, json.dumps(document).encode(), dict(headers or {}), method=method)
    request.add_header("Content-Type", (headers or {}).get("Content-Type", "application/json"))
    with _opener.open(request, timeout=4 * TIMEOUT_SECONDS) as response:
        return json.loads(response.read() or b"null")
