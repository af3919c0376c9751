"""axe-core, which judges a page as a person with assistive technology would find it."""

from pathlib import Path
from typing import Any

from tests.browser.chromium import Chromium
from tests.support.components import node_modules


def axe() -> str:
    """The script, where .ci/browser puts it. Skips, or fails in CI, where it is missing."""
    return (node_modules(Path(__file__).parent / "axe", made_by="browser") / "axe-core" / "axe.min.js").read_text()


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
