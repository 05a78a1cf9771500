"""A real browser, where there is one, as a person would open pages from disk."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

BROWSER, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")

needs_browser = pytest.mark.skipif(
    not (BROWSER and DRIVER), reason="no browser: needs Debian's packages chromium and chromium-driver"
)

FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
    "--window-size=1400,1000",
)  # fmt: skip


@contextmanager
def opened_browser(profile: Path) -> Iterator[Any]:
    """A browser that keeps its own things in ``profile``, and what its console says."""
    webdriver = pytest.importorskip("selenium.webdriver", reason="no selenium: make setup")
    from selenium.webdriver.chrome.service import Service

    options = webdriver.ChromeOptions()
    options.binary_location = BROWSER
    for flag in (*FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield driver
    driver.quit()


def fits(page: Any, width: int) -> bool:
    """Whether a page is no wider than a window of that width, in which it then stays."""
    page.set_window_size(width, 900)
    found: bool = page.execute_script(
        "return document.documentElement.scrollWidth <= innerWidth && innerWidth === arguments[0]", width
    )
    return found
