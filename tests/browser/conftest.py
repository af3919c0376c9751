"""One browser for all tests of a process, and a service whose page it looks at."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from remediator.sandbox import EmbeddedCluster
from tests.browser.chromium import Chromium, chromium
from tests.browser.watched import Watched
from tests.conftest import MakeService


@pytest.fixture(scope="session")
def browser_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chromium]:
    """The browser, with a profile of its own."""
    with chromium(tmp_path_factory.mktemp("profile")) as browser:
        yield browser


@pytest.fixture
def browser(browser_process: Chromium) -> Chromium:
    """The browser, as new."""
    browser_process.reset()
    return browser_process


@pytest.fixture
def watched(make_service: MakeService, embedded: EmbeddedCluster, config: Path) -> Iterator[Watched]:
    """A service by the real clock, for the browser has no other."""

    def now() -> datetime:
        return datetime.now(UTC)

    with Watched(embedded, make_service(clock=now), config, now) as watched:
        yield watched
