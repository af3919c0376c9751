"""The page is for everybody: small screens, dark rooms, eyes that see no red, screen readers; and for no attacker."""

import json
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from remediator.sandbox import EmbeddedCluster
from remediator.web.page import MAX_CHARACTERS
from tests.browser.accessibility import judge
from tests.browser.chromium import Chromium
from tests.browser.watched import Watched
from tests.conftest import MakeService

SCREENS = [(width, scheme) for width in (320, 1280) for scheme in ("light", "dark")]

MARKUP = """<script>document.title='owned'</script><img src=x onerror="document.title='owned'">"""
HOSTILE = {
    "markup": MARKUP + "\"'`><svg onload=document.title='owned'>&lt;b&gt;{{ 7 * 7 }}{% raw %}${7*7}",
    "override": "\u202edetrever si siht\u2066",
    "long": "x" * 2000,
}


def pause(reason: str, author: str) -> dict[str, str]:
    """A pause that holds."""
    return {"reason": reason, "author": author, "until": (datetime.now(UTC) + timedelta(minutes=20)).isoformat()}


def incident(watched: Watched) -> None:
    """Good, attention and bad at once; acts in a fold, a pause, a kill switch, and a flag that no act could change."""
    acts = [
        {"id": f"{hour}", "time": f"2026-11-20T1{hour}:00:00Z", "effect": "SetPercentage", "from": 1, "to": 10}
        for hour in range(5)
    ]
    watched.annotate(
        ledger={"version": 1, "acts": [{**act, "operator": "ada"} for act in acts]}, pause=pause("load test", "ada")
    )
    watched.annotate("denis-workers", kill_switch={"reason": "jobs are lost", "author": "grace"})
    moved = {"valueFrom": {"configMapKeyRef": {"name": "flags", "key": "async"}}, "value": None}
    env = [{"name": "ASYNC_ENABLED", **moved}]
    watched.patch({"spec": {"template": {"spec": {"containers": [{"name": "denis", "env": env}]}}}})


def overflowing(browser: Chromium) -> list[str]:
    """What is wider than the screen."""
    found: list[str] = browser.run(
        "return [...document.querySelectorAll('*')].filter(e => e.getBoundingClientRect().right > innerWidth)"
        ".map(e => e.outerHTML.slice(0, 80))"
    )
    return found


def test_axe_finds_nothing(browser: Chromium, watched: Watched) -> None:
    """Names, roles, headings, landmarks and contrasts are in order on every screen, also while the service is gone."""
    incident(watched)
    browser.open(watched.url)
    browser.run("document.querySelectorAll('details').forEach(fold => fold.open = true)")
    for silent in (False, True):
        if silent:
            watched.listener.go()
            browser.refresh()
            browser.wait("the alarm", lambda: browser.text("#silence"))
        for width, scheme in SCREENS:
            browser.look(width, scheme=scheme)
            verdict = judge(browser)
            assert verdict["violations"] == [], (width, scheme, silent)
            assert {"color-contrast", "heading-order", "landmark-one-main", "region", "list"} <= set(verdict["passes"])


def test_axe_finds_something_where_there_is_something(browser: Chromium, watched: Watched) -> None:
    """The judge is awake: a grey that is too light is a violation."""
    browser.open(watched.url)
    browser.run("document.querySelector('.answer').style.color = '#ccc'")
    assert "color-contrast" in judge(browser)["violations"][0]


def test_no_screen_has_to_be_scrolled_sideways(browser: Chromium, watched: Watched) -> None:
    """At 320 px, the width that WCAG asks for, nothing is cut off, whatever others write."""
    incident(watched)
    word = HOSTILE["long"]
    watched.annotate(pause=pause(word[:1024], word[:253]))
    watched.annotate("denis-workers", kill_switch={"reason": word, "author": word})
    browser.open(watched.url)
    for width in (320, 1280):
        browser.look(width)
        assert browser.run("return document.documentElement.scrollWidth") <= width
        assert overflowing(browser) == []


def test_the_four_answers_fit_on_a_phone(browser: Chromium, watched: Watched) -> None:
    """Whatever is wrong, they are seen without a touch."""
    incident(watched)
    browser.look(390, 844)
    browser.open(watched.url)
    assert browser.run("return document.querySelector('.tiles').getBoundingClientRect().bottom") < 844


def test_dark_and_light_follow_the_system(browser: Chromium, watched: Watched) -> None:
    """The page is dark where the person prefers it, and without a flash of white."""
    browser.open(watched.url)
    background = "return getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    browser.look(1280, scheme="dark")
    assert max(browser.run(background)) < 64
    browser.look(1280, scheme="light")
    assert min(browser.run(background)) > 192


def test_no_colour_is_needed(browser: Chromium, watched: Watched) -> None:
    """Each standing has a sign of its own, a word, and a border or filling that is seen without colours."""
    watched.annotate("denis-workers", kill_switch={"reason": "jobs are lost", "author": "grace"})
    watched.internal.alive = False
    browser.open(watched.url)
    signs = {
        standing: (
            set(browser.texts(f".tiles .{standing} .mark")),
            browser.run(f"return getComputedStyle(document.querySelector('.tiles .{standing}')).borderWidth"),
        )
        for standing in ("good", "attention", "bad")
    }
    assert signs == {"good": ({"✓"}, "1px"), "attention": ({"!"}, "3px"), "bad": ({"✕"}, "1px")}
    light, dark = (
        browser.run(f"return getComputedStyle(document.querySelector('.tiles .{standing}')).backgroundColor")
        for standing in ("attention", "bad")
    )
    assert luminance(light) > 4.5 * luminance(dark)


def luminance(colour: str) -> float:
    """How bright a colour is, as WCAG reckons, with its 0.05 for the light in the room."""
    channels = [int(channel) / 255 for channel in re.findall(r"\d+", colour)[:3]]
    linear = [channel / 12.92 if channel <= 0.04045 else ((channel + 0.055) / 1.055) ** 2.4 for channel in channels]
    return 0.05 + sum(weight * channel for weight, channel in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_nothing_moves_by_itself(browser: Chromium, watched: Watched) -> None:
    """There is no animation to be reduced."""
    browser.open(watched.url)
    watched.listener.go()
    browser.refresh()
    browser.wait("the alarm", lambda: browser.text("#silence"))
    assert browser.run("return document.getAnimations().length") == 0


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_text_is_only_text(
    browser: Chromium, embedded: EmbeddedCluster, make_service: MakeService, config: Path, text: str
) -> None:
    """Label values, reasons, authors, acts and the cluster's name do nothing but be read, also after a refresh."""
    matcher = f"remediation={json.dumps(text, ensure_ascii=False)}"
    config.write_text(
        config.read_text().replace('[remediation="rollback", namespace=~"denis|"]', f"[{json.dumps(matcher)}]")
    )

    def now() -> datetime:
        return datetime.now(UTC)

    with Watched(embedded, make_service(clock=now), config, now, cluster=text) as watched:
        browser.open(watched.url)
        act = {"id": "1", "time": "2026-11-20T10:00:00Z", "effect": text[:64], "from": 1, "to": 2, "operator": text}
        watched.annotate(pause=pause(text[:1024], text[:253]), ledger={"version": 1, "acts": [act]})
        watched.annotate("denis-workers", kill_switch={"reason": text, "author": text})
        browser.refresh()
        browser.wait("the refresh", lambda: browser.texts("#target-1 .acts li"))
        shown = text.replace("\u202e", "\\u202e").replace("\u2066", "\\u2066")
        shown = shown if len(text) <= MAX_CHARACTERS else f"{text[:MAX_CHARACTERS]}…"
        assert shown[:20].replace('"', '\\"') in browser.text(".cards code")
        # What stands in annotations is made one line when it is read.
        told = shown.replace("\\u202e", " ").replace("\\u2066", " ")
        places = {"h1 bdi": shown, "#target-1 .acts li > span:last-child bdi": told, "#target-2 dl bdi": told}
        for place, expected in places.items():
            assert browser.run(f"return document.querySelector('{place}').textContent") == expected
        assert "owned" not in browser.title.split(" - ")[0]
        assert browser.run("return document.querySelectorAll('main :is(script, img, svg, b)').length") == 0
        assert {url for url in browser.requests() if not url.startswith(watched.url)} == set()
        assert browser.complaints() == []


def test_a_text_from_right_to_left_does_not_turn_its_neighbours(browser: Chromium, watched: Watched) -> None:
    """A Hebrew name reads from right to left, and the words around it stay where they are."""
    watched.annotate(pause=pause("שלום", "עדה"))
    browser.open(watched.url)
    order = browser.run(
        "const dd = document.querySelector('#target-1 [data-until]').closest('dd');"
        "return [dd.querySelector('strong'), ...dd.querySelectorAll('bdi')].map(e => e.getBoundingClientRect().left)"
    )
    paused, author, *_ = order
    assert paused < author
    assert browser.text("#target-1 dl").count("Paused by עדה: שלום") == 1
