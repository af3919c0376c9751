"""The page stays true by itself, keeps the reader's place, and says so loudly when it can no longer be true."""

import re
from datetime import UTC, datetime, timedelta

from selenium.webdriver.common.keys import Keys

from tests.browser.chromium import Chromium
from tests.browser.watched import Watched
from tests.support.service import alert

OLD = [
    {"id": str(number), "time": f"2026-11-2{number}T10:00:00Z", "effect": "Scale", "from": number, "to": number + 1}
    for number in range(4)
]


def pause(minutes: float, reason: str = "load test") -> dict[str, str]:
    """A pause of ada's that ends so many minutes from now."""
    return {"reason": reason, "author": "ada", "until": (datetime.now(UTC) + timedelta(minutes=minutes)).isoformat()}


def seconds(text: str) -> int:
    """The seconds of a duration such as 19m58s."""
    return sum(int(count) * {"m": 60, "s": 1}[unit] for count, unit in re.findall(r"(\d+)([ms])", text))


def test_what_changes_shows_by_itself(browser: Chromium, watched: Watched) -> None:
    """An act appears without a key being pressed."""
    browser.open(watched.url)
    assert watched.service.reasons(alert()) == ["Applied"]
    watched.internal.observer.look()
    browser.wait("the act", lambda: "10 % -> 0 % by rollback" in browser.text("#target-1 .acts"))
    assert browser.title.split(" - ")[0] in ("Going to 0 %", "Safe at 0 %")


def test_the_readers_place_is_kept(browser: Chromium, watched: Watched) -> None:
    """Focus, an open fold, a selection and what is at the top of the screen survive a refresh that changes the rest."""
    watched.annotate("denis-workers", ledger={"version": 1, "acts": [{**act, "operator": "ada"} for act in OLD]})
    browser.look(390, 600)
    browser.open(watched.url)
    browser.find("#target-2 summary").click()
    browser.run(
        "document.querySelector('#target-2 summary').focus();"
        "document.querySelector('#target-2 h2').scrollIntoView();"
        "getSelection().selectAllChildren(document.querySelector('#target-2 .acts strong'))"
    )
    place = "return Math.round(document.querySelector('#target-2 h2').getBoundingClientRect().top)"
    top, above = browser.run(place), browser.run("return scrollY")
    assert 0 < top < 200 < above

    # It makes the page longer, both above this place and below it.
    watched.annotate("denis-workers", kill_switch={"reason": "", "author": "grace"})
    browser.refresh()
    browser.wait("the kill switch", lambda: "On by grace" in browser.text("#target-2"))
    browser.wait("the place", lambda: abs(browser.run(place) - top) <= 1)
    assert browser.run("return scrollY") != above
    assert browser.run("return String(getSelection())") == "3 -> 4 replicas"
    assert browser.run("return document.activeElement === document.querySelector('#target-2 summary')")
    assert browser.run("return document.querySelector('#target-2 details').open")


def test_nothing_moves_and_nothing_is_read_aloud_while_only_time_passes(browser: Chromium, watched: Watched) -> None:
    """Seconds count and the page is renewed, and no line of it shifts; a screen reader hears of news alone."""
    watched.annotate(pause=pause(20))
    browser.open(watched.url)
    browser.run(
        "window.heard = 0; window.shifts = [];"
        "new MutationObserver(list => { heard += list.length })"
        ".observe(document.querySelector('[aria-live]'), {subtree: true, childList: true, characterData: true});"
        "new PerformanceObserver(list => list.getEntries().forEach(entry => shifts.push(entry.value)))"
        ".observe({type: 'layout-shift'})"
    )
    for _ in range(2):
        shown, left = browser.shown_at(), browser.text("#target-1 [data-until]")
        browser.refresh()
        browser.wait("the refresh", lambda shown=shown: browser.shown_at() > shown)  # type: ignore[misc]
        browser.wait("a second", lambda left=left: browser.text("#target-1 [data-until]") != left)  # type: ignore[misc]
    assert browser.run("return [heard, shifts]") == [0, []]
    watched.annotate(pause=None)
    browser.refresh()
    browser.wait("the news", lambda: browser.run("return heard") > 0)
    assert "Paused" not in browser.text("#target-1")


def test_a_service_that_is_gone_is_said_loudly(browser: Chromium, watched: Watched) -> None:
    """The page says since when no answer comes, in the tab too, and nothing on it looks current; then it recovers."""
    browser.open(watched.url)
    assert browser.run("return document.getElementById('silence').getAttribute('role')") == "alert"
    assert browser.text("#silence") == ""
    border = "return getComputedStyle(document.querySelector('.tiles .good')).borderStyle"
    place = "return document.querySelector('.tiles').getBoundingClientRect().top"
    calm = [browser.run(border), browser.run(place)]
    assert calm[0] == "solid"

    watched.listener.go()
    alarm = browser.wait("the alarm", lambda: browser.text("#silence"))
    shown = browser.shown_at()
    assert alarm == f"✕ No answer since {datetime.fromisoformat(shown):%H:%M:%S} UTC. All below is that old."
    assert browser.title.startswith("No answer - ")
    assert [browser.run(border), browser.run(place)] == ["dashed", calm[1]]
    # What is written anew, even with the same words, a screen reader may read aloud anew.
    browser.run(
        "window.heard = 0; new MutationObserver(list => { heard += list.length })"
        ".observe(document.getElementById('silence'), {childList: true, characterData: true, subtree: true})"
    )
    age = seconds(browser.text("#age"))
    browser.wait("it grows older", lambda: seconds(browser.text("#age")) > age)
    assert browser.run("return heard") == 0

    watched.listener.come_back()
    browser.refresh()
    browser.wait("it is over", lambda: not browser.text("#silence"))
    assert [browser.run(border), browser.run(place)] == calm
    assert not browser.title.startswith("No answer")
    assert browser.shown_at() > shown


def test_a_cooldown_counts_down_each_second(browser: Chromium, watched: Watched) -> None:
    """While no answer comes, time goes on: what is left grows less, and the act longer ago."""
    assert watched.service.reasons(alert()) == ["Applied"]
    watched.internal.observer.look()
    browser.open(watched.url)
    watched.listener.go()
    left, ago = "#target-1 [data-until]", "#target-1 .acts [data-since]"
    start = seconds(browser.text(left))
    assert 1740 < start <= 1800
    browser.wait("a second", lambda: seconds(browser.text(left)) < start)
    browser.wait("another", lambda: seconds(browser.text(left)) < start - 1)
    both = browser.run(f"return ['{left}', '{ago}'].map(place => document.querySelector(place).innerText)")
    assert abs(1800 - sum(map(seconds, both))) <= 1


def test_a_countdown_ends_at_0(browser: Chromium, watched: Watched) -> None:
    """What is over is not counted below nothing, and the next refresh takes it away."""
    watched.annotate(pause=pause(2 / 60))
    browser.open(watched.url)
    watched.listener.go()
    browser.wait("the end", lambda: browser.text("#target-1 [data-until]") == "0s left")
    watched.listener.come_back()
    browser.refresh()
    browser.wait("the refresh", lambda: "Paused" not in browser.text("#target-1"))


def test_an_answer_that_is_not_the_page_is_no_answer(browser: Chromium, watched: Watched) -> None:
    """A proxy's login page must not pass for news."""
    browser.open(watched.url)
    watched.listener.instead = b"<!doctype html><title>Please log in</title>"
    browser.refresh()
    browser.wait("the alarm", lambda: browser.text("#silence"))
    assert browser.texts(".tiles .answer")[1] == "✓ Working"


def test_a_new_version_of_the_service_brings_its_own_script(browser: Chromium, watched: Watched) -> None:
    """After an upgrade the page is loaded as a whole, for the old script may not know the new page."""
    browser.open(watched.url)
    browser.run("window.old = true; document.documentElement.dataset.version = 'before'")
    browser.refresh()
    browser.wait("it is loaded", lambda: browser.run("return window.old !== true"))


def test_an_old_page_does_not_look_current_after_a_sleep(browser: Chromium, watched: Watched) -> None:
    """A device that wakes up shows at once how old its page is, also before it has asked."""
    browser.open(watched.url)
    browser.run("const real = Date.now; window.fetch = () => new Promise(() => {}); Date.now = () => real() + 3600_000")
    browser.wait("the alarm", lambda: browser.text("#silence"))
    assert browser.text("#age").startswith(", 1h")


def test_every_control_is_reached_by_keyboard_and_can_be_seen(browser: Chromium, watched: Watched) -> None:
    """Tab goes through folds and links in the order of reading; each shows its focus; Enter opens a fold."""
    watched.annotate("denis-workers", ledger={"version": 1, "acts": [{**act, "operator": "ada"} for act in OLD]})
    browser.open(watched.url)
    reached = []
    for _ in range(4):
        browser.press(Keys.TAB)
        name, outline, top = browser.run(
            "const e = document.activeElement; const s = getComputedStyle(e);"
            "return [e.textContent, `${s.outlineStyle} ${s.outlineWidth}`, e.getBoundingClientRect().top]"
        )
        assert outline == "solid 3px"
        assert 0 <= top < 800
        reached.append(name)
    assert reached == ["1 more", "Remediations in force", "Status as JSON", "Metrics"]

    browser.run("document.querySelector('#remediations summary').focus()")
    browser.press(Keys.ENTER)
    assert "at most 3 acts in 1d" in browser.text("#remediations dl")
