"""The page of a back-test, as a person sees it without scripts, and as tools judge it."""

from pathlib import Path

import pytest

from tests.browser.accessibility import judge
from tests.browser.chromium import Chromium
from tests.support.commands import run
from tests.support.past import save_past, spike


@pytest.fixture
def page(tmp_path: Path) -> str:
    """The address of a page about one bad canary, a queue, and a gap."""
    past = save_past(
        tmp_path / "past.json.gz",
        minutes=26 * 60,
        error_rate=lambda index: None if 2000 <= index < 2400 else 0.12 if 40 <= index < 121 else 0.01,
        async_queue_depth=spike(80, 900, 3000, 3100),
        percentage=lambda index: 0 if 117 <= index < 400 else 10,
    )
    file = tmp_path / "page.html"
    assert run("backtest", "--load", past, "--html", file).exit_code == 0
    return file.as_uri()


def test_it_can_be_read_without_scripts(browser: Chromium, page: str) -> None:
    """Pictures with names, marks with numbers, the table, the sums; and nothing else is asked for."""
    browser.scripts(False)
    browser.open(page)
    assert browser.requests() == [page]
    assert browser.complaints() == []
    browser.scripts(True)
    assert browser.title == "Back-test"
    assert browser.count("svg[role=img][aria-label]") == 7
    assert browser.count("svg .gap") == 1
    marked = browser.run("return [...document.querySelectorAll('text.act')].map(one => one.textContent)")
    # In the pictures of errors, the queue, the percentage and the replicas.
    assert marked == ["1", "2", "1", "2"]
    rows = browser.texts("tr")
    assert (
        rows[1] == "1 23 Nov 12:12:05 set 10 % -> 0 % error rate 12 %, 20m15s Followed: people set 10 to 0 17m10s later"
    )
    assert "Rollbacks 1 act in 1 incident: 1 Followed." in browser.text("li")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_everybody_can_read_it(browser: Chromium, page: str, scheme: str) -> None:
    """axe-core finds nothing, in both schemes, and a phone does not have to scroll sideways."""
    browser.look(360, scheme=scheme)
    browser.open(page)
    assert judge(browser)["violations"] == []
    assert browser.run("return document.documentElement.scrollWidth <= window.innerWidth")
