"""axe-core, which judges a page as a person with assistive technology would find it."""

import hashlib
import os
from pathlib import Path
from typing import Any

import pytest

from tests.browser.chromium import Chromium
from tests.components import CACHE

LOCK = Path(__file__).parent / "axe" / "package-lock.json"


def axe() -> str:
    """The script, where .ci/browser puts it. Skips, or fails in CI, where it is missing."""
    folder = CACHE / f"axe-{hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]}"
    script = folder / "node_modules" / "axe-core" / "axe.min.js"
    if script.exists():
        return script.read_text()
    missing = "axe-core is not here: `make browser` fetches it"
    if os.environ.get("CI") == "true":
        pytest.fail(missing)
    pytest.skip(missing)


def judge(browser: Chromium) -> dict[str, list[str]]:
    """What axe says of the page: the rules that it `passes`, and its `violations` with the places that break a rule."""
    browser.run(axe())
    found: dict[str, list[dict[str, Any]]] = browser.run_async(
        "const done = arguments[arguments.length - 1]; axe.run().then(done, error => done(String(error)))"
    )
    return {
        "passes": [rule["id"] for rule in found["passes"]],
        "violations": [
            f"{rule['id']}: {node['html'][:200]}: {node['failureSummary']}"
            for rule in found["violations"]
            for node in rule["nodes"]
        ],
    }
