"""What stands on the status page, with and without JavaScript."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from remediator.web.page import render
from tests.browser.chromium import Chromium
from tests.browser.watched import Watched
from tests.support.service import alert


def target(browser: Chromium, index: int) -> dict[str, str]:
    """The facts about a target, by their names."""
    place = f"#target-{index} dl > div"
    return dict(zip(browser.texts(f"{place} dt"), browser.texts(f"{place} dd"), strict=True))


def test_the_four_answers_come_first(browser: Chromium, watched: Watched) -> None:
    """Above everything else stand the questions of the night and their answers, in the title too."""
    browser.open(watched.url)
    questions = ["Is the canary safe?", "Does the reflex work?", "Do alerts arrive?", "Is anything withheld?"]
    assert browser.texts("main .tiles h3") == questions
    assert browser.texts("main .tiles .answer") == ["✓ 10 %, guarded", "✓ Working", "✓ They arrive", "✓ Nothing"]
    assert browser.title == "10 %, guarded - Remediator eu-1"
    assert browser.run("return document.querySelector('main h2').textContent") == "Right now"


def test_it_shows_everything_that_is_known(browser: Chromium, watched: Watched) -> None:
    """Percentage, workers, kill switch, pause, cooldowns, acts with their authors, configuration, and each alert."""
    service = watched.service
    assert service.reasons(alert()) == ["Applied"]
    later = (datetime.now(UTC) + timedelta(minutes=20)).isoformat()
    watched.annotate(pause={"reason": "load test", "author": "ada", "until": later})
    watched.annotate("denis-workers", kill_switch={"reason": "jobs are lost", "author": "grace"})
    browser.open(watched.url)

    denis, workers = target(browser, 1), target(browser, 2)
    assert (denis["Canary"], denis["Kill switch"]) == ("0 % of traffic", "Off")
    assert denis["Pause of the reflex"].startswith("! Paused by ada: load test\nuntil ")
    assert denis["Cooldowns"].startswith("SetPercentage until ")
    assert workers["Workers"] == "4 asked for, all up to date and available"
    assert workers["Kill switch"].splitlines() == [
        "! On by grace: jobs are lost",
        "to end it: remediator kill-switch off --target=denis-workers",
    ]
    assert denis["Pause of the reflex"].endswith("to end it: remediator resume denis")
    (act,) = browser.texts("#target-1 .acts li")
    assert act.splitlines()[1].startswith("10 % -> 0 % by rollback: DenisErrorRateHigh 0.061, firing since ")
    assert [text.splitlines()[1] for text in browser.texts(".cards li")] == [
        "! Withheld: Paused",
        "! Withheld: KillSwitchOn",
    ]
    assert "remediations.yaml" in browser.text("section[aria-labelledby=configuration]")


def test_it_says_what_came_and_what_was_refused(browser: Chromium, watched: Watched) -> None:
    """While requests are refused or a file of credentials is bad it is not green, and says who, why and how often."""
    browser.open(watched.url)
    notifications = "section[aria-labelledby=notifications]"
    assert "None since the start at" in browser.text(notifications)
    assert browser.texts(f"{notifications} dd")[2] == "None within 15 min"

    watched.service.notifications.took()
    for client in ("10.0.3.4", "10.0.3.5", "10.0.3.4"):
        watched.service.notifications.refused(401, "no valid credentials", client)
    watched.service.notifications.refused(None, "TLS handshake failed", "<script>10.0.3.6\u202e")
    watched.internal.credentials_problem = "/etc/remediator/auth/token: is empty"
    browser.open(watched.url)
    assert browser.texts("main .tiles .answer")[1] == "! Refusing requests"
    message = browser.texts("main .tiles .message")[1]
    assert "TLS handshake failed, 401 no valid credentials. The credentials could not be reloaded" in message
    taken, heartbeat, refused = browser.texts(f"{notifications} dd")
    assert "22.4 s on the way" in heartbeat
    assert "s ago" in taken
    assert "! 1: TLS handshake failed, from <script>10.0.3.6\\u202e, last " in refused
    assert "! 3: 401 no valid credentials, from 10.0.3.4, 10.0.3.5, last " in refused
    assert "token: is empty" in browser.text("section[aria-labelledby=configuration] .problem")


def test_it_can_be_read_without_javascript(browser: Chromium, watched: Watched) -> None:
    """Everything is there, with the moment at which it was true, and the browser is told to load it again."""
    browser.open(watched.url)
    with_scripts = browser.texts("main h3, main .answer, main dt")
    assert browser.count("meta[http-equiv=refresh]") == 0
    browser.scripts(allowed=False)
    browser.open(watched.url)
    assert browser.texts("main h3, main .answer, main dt") == with_scripts
    assert "Without JavaScript" in browser.text("header")
    assert browser.text("#shown").endswith(" UTC")
    assert browser.count("meta[http-equiv=refresh]") == 1


def test_every_time_is_there_as_a_moment_and_as_an_age(browser: Chromium, watched: Watched) -> None:
    """A person reads how long ago; a program, or whoever compares it with a log, has the moment in UTC."""
    assert watched.service.reasons(alert()) == ["Applied"]
    watched.internal.observer.look()
    browser.open(watched.url)
    moments = browser.run("return [...document.querySelectorAll('time')].map(time => [time.dateTime, time.innerText])")
    # The page, the start, a heartbeat, two looks, an act, and the moments that follow from it.
    assert len(moments) == 9
    for exact, shown in moments:
        assert shown.endswith(f"{datetime.fromisoformat(exact):%H:%M:%S} UTC")
    act = browser.text(".acts .when")
    assert act.endswith("s ago")


def test_nothing_leaves_the_origin_and_the_console_is_silent(browser: Chromium, watched: Watched) -> None:
    """The page, its three parts, and itself again; the Content-Security-Policy has nothing to stop."""
    browser.open(watched.url)
    shown = browser.shown_at()
    browser.refresh()
    browser.wait("the refresh", lambda: browser.shown_at() > shown)
    asked = browser.requests()
    assert asked.count(watched.url) > 1
    parts = ("status.css", "status.js", "icon.svg")
    assert set(asked) == {watched.url, *(f"{watched.url}static/{part}" for part in parts)}
    assert browser.complaints() == []


def test_a_path_in_front_of_it_does_no_harm(browser: Chromium, watched: Watched) -> None:
    """All addresses are relative, so that it also works behind `kubectl proxy`."""
    browser.open(watched.url)
    addresses = browser.run(
        "return ['href', 'src'].flatMap("
        "name => [...document.querySelectorAll(`[${name}]`)].map(element => element.getAttribute(name)))"
    )
    assert addresses
    assert [address for address in addresses if address.startswith("/") or ":" in address] == []


def test_a_bad_file_is_said_where_it_is_looked_for(browser: Chromium, watched: Watched, config: Path) -> None:
    """The answer about the reflex needs attention, and the configuration has file, line and problem."""
    config.write_text("targets: {}\n")
    watched.reload()
    browser.open(watched.url)
    assert browser.texts(".tiles .answer")[1] == "! Working"
    assert "profiles: is required" in browser.text("section[aria-labelledby=configuration] .problem")


def test_more_acts_than_a_few_are_folded(browser: Chromium, watched: Watched) -> None:
    """The newest three are in sight, the rest is one key away."""
    ledger = [
        {"id": str(number), "time": f"2026-11-2{number}T10:00:00Z", "effect": "Scale", "from": number, "to": number + 1}
        for number in range(1, 4)
    ]
    watched.annotate("denis-workers", ledger={"version": 1, "acts": [{**act, "operator": "ada"} for act in ledger]})
    browser.open(watched.url)
    assert len(browser.texts("#target-2 .acts li")) == 3
    assert browser.texts("#target-2 details") == []

    ledger.append({"id": "4", "time": "2026-11-20T10:00:00Z", "effect": "Scale", "from": 0, "to": 1})
    watched.annotate("denis-workers", ledger={"version": 1, "acts": [{**act, "operator": "ada"} for act in ledger]})
    browser.open(watched.url)
    assert browser.text("#target-2 details") == "1 more"


def test_a_phase_and_a_persons_reason_are_shown(watched: Watched) -> None:
    """How much of the phase is over and when it ends, why its clock is stopped, a mixture, and what a person said."""
    status: dict[str, Any] = watched.internal.status()
    canary = status["targets"][0]
    canary["phase"] |= {"counted": "18h12m", "hold": "1d", "until": "2026-11-24T15:00:00+00:00", "stopped": ""}
    act: dict[str, Any] = {
        "id": "1",
        "time": "2026-11-22T09:00:00+00:00",
        "effect": "SetPercentage",
        "from": 1,
        "to": 10,
        "by": "ada",
    }
    act |= {"because": "error rate 8.3 % > 5 %", "reason": "the <first> day was quiet", "overrode": ["Paused"]}
    act |= {"verdict": "Undone", "why": "<bob> set 10 again 12m after Remediator's act"}
    canary["lastActs"] = [act]
    page = render(status)
    assert '18h12m of 1d<span class="line">' in page
    assert '<time datetime="2026-11-24T15:00:00+00:00">' in page
    assert "(<bdi>overrode Paused</bdi>)" in page
    assert "<bdi>error rate 8.3 % &gt; 5 %</bdi>" in page
    assert "<bdi>Undone: &lt;bob&gt; set 10 again 12m after Remediator&#39;s act</bdi>" in page

    canary["phase"] |= {"stopped": "paused by <ada>"}
    canary["differing"] = ["RUNS_ENABLED=<true>"]
    stopped = render(status)
    assert "the clock is stopped: <bdi>paused by &lt;ada&gt;</bdi>" in stopped
    assert "but <bdi>RUNS_ENABLED=&lt;true&gt;</bdi>" in stopped
    canary["phase"] |= {"stopped": "", "until": None}
    assert "18h12m of 1d, the hold is over" in render(status)
    assert "by <bdi>ada</bdi>: <bdi>the &lt;first&gt; day was quiet</bdi>" in page


def test_what_is_no_character_is_shown_by_its_number(watched: Watched) -> None:
    """Half of a surrogate pair, which a file can hold, could not even be sent."""
    status = {**watched.internal.status(), "cluster": "eu\ud800\x00\n1"}
    assert b"Remediator of <bdi>eu\\ud800\\u0000\\u000a1</bdi>" in render(status).encode()
