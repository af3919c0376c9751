"""A Chromium without a window, and what a person or a tool does with it."""

import base64
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from selenium import webdriver
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

from demo.waiting import until
from tests.support.components import component

T = TypeVar("T")

SECONDS = 60.0
"""How long a condition of the page is waited for. The page asks every 3 s."""

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
)


class Chromium:
    """One browser with one page."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def command(self, name: str, **arguments: Any) -> Any:
        """Send a command of the DevTools protocol."""
        return self._driver.execute_cdp_cmd(name, arguments)

    def reset(self) -> None:
        """An empty page as wide as a desk, light, with JavaScript, and nothing in the logs."""
        self.scripts(True)
        self.look(1280)
        self._driver.get("about:blank")
        self._log("browser")
        self._log("performance")

    def open(self, url: str) -> None:
        """Load a page."""
        self._driver.get(url)

    def look(self, width: int, height: int = 800, *, scheme: str = "light", scale: float = 1) -> None:
        """A screen of so many CSS pixels, and the colours that the person prefers."""
        screen = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": False}
        self.command("Emulation.setDeviceMetricsOverride", **screen)
        self.command("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def scripts(self, allowed: bool) -> None:
        """Whether pages may run scripts."""
        self.command("Emulation.setScriptExecutionDisabled", value=not allowed)

    def run(self, script: str, *arguments: Any) -> Any:
        """The value that a script returns; the page's policy does not bind the one who tests it."""
        return self._driver.execute_script(script, *arguments)

    def run_async(self, script: str) -> Any:
        """The value that a script hands to its callback, which is its last argument."""
        return self._driver.execute_async_script(script)

    def find(self, selector: str) -> WebElement:
        """The first element that a CSS selector matches."""
        return self._driver.find_element(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        """What can be read of all these elements together; empty where there are none."""
        return "\n".join(self.texts(selector))

    def count(self, selector: str) -> int:
        """How many elements a CSS selector matches."""
        return len(self._driver.find_elements(By.CSS_SELECTOR, selector))

    def refresh(self) -> None:
        """Let the page ask anew, as it does when it comes into sight; else it does so every 3 s."""
        self.run("document.dispatchEvent(new Event('visibilitychange'))")

    def texts(self, selector: str) -> list[str]:
        """What can be read of each element."""
        return [element.text for element in self._driver.find_elements(By.CSS_SELECTOR, selector)]

    def press(self, key: str = Keys.TAB) -> None:
        """Press a key where the focus is."""
        webdriver.ActionChains(self._driver).send_keys(key).perform()

    def shown_at(self) -> str:
        """When the service made what the status page shows."""
        return str(self.run("return document.querySelector('#shown time').dateTime"))

    @property
    def title(self) -> str:
        """The title of the tab."""
        return self._driver.title

    def requests(self) -> list[str]:
        """The addresses that were asked for since the last call."""
        messages = (json.loads(entry["message"])["message"] for entry in self._log("performance"))
        sent = (message["params"] for message in messages if message["method"] == "Network.requestWillBeSent")
        return [params["request"]["url"] for params in sent]

    def complaints(self) -> list[str]:
        """What the console says since the last call: errors, and what the Content-Security-Policy has stopped."""
        return [entry["message"] for entry in self._log("browser")]

    def _log(self, kind: str) -> list[dict[str, Any]]:
        entries: list[dict[str, Any]] = self._driver.get_log(kind)  # type: ignore[no-untyped-call]
        return entries

    def picture(self, path: Path) -> None:
        """Write what the screen shows as a PNG."""
        path.write_bytes(base64.b64decode(self.command("Page.captureScreenshot", format="png")["data"]))

    def wait(self, what: str, condition: Callable[[], T | None]) -> T:
        """Wait for a condition of the page. Raises TimeoutError."""
        return until(what, condition, SECONDS)


@contextmanager
def chromium(profile: Path) -> Iterator[Chromium]:
    """A browser with this profile. Skips, or fails in CI, where Debian's chromium and chromium-driver are not here."""
    options = webdriver.ChromeOptions()
    options.binary_location = str(component("chromium", "chromium", made_by="browser"))
    driver = component("chromium-driver", "chromedriver", made_by="browser")
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    browser = webdriver.Chrome(options, Service(str(driver)))
    try:
        yield Chromium(browser)
    finally:
        browser.quit()
