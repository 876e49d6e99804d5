"""A headless Chromium, and a site for it to look at."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from selenium.webdriver import Chrome, ChromeOptions
from selenium.webdriver.chrome.service import Service

import servers

HERE = Path(__file__).parent
PHONE, DESKTOP = (390, 844), (1280, 900)


@contextmanager
def served(folder: Path, environment: Mapping[str, str]) -> Iterator[str]:
    """Serves a site in a folder of its own.

    Args:
        folder: Where its `.env` is.
        environment: Names its settings module, and where its packages are.

    Yields:
        Its address.
    """
    with (folder / "web.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, str(HERE / "serve_shop.py")],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            preexec_fn=servers.die_with_parent,  # noqa: PLW1509 - one call into libc, no locks
        )
    assert process.stdout is not None
    with process.stdout as said:
        try:
            port = said.readline().strip()
            assert port, (folder / "web.log").read_text()
            yield f"http://127.0.0.1:{port}"
        finally:
            process.kill()
            process.wait()


@contextmanager
def chromium(language: str) -> Iterator[Chrome]:
    """Opens a browser that prefers a language, and closes it in the end."""
    options = ChromeOptions()
    for word in ("headless=new", "no-sandbox", "disable-dev-shm-usage", "no-proxy-server"):
        options.add_argument(f"--{word}")
    options.add_experimental_option("prefs", {"intl.accept_languages": language})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    path = shutil.which("chromedriver")
    assert path, "no chromedriver: apt-get install chromium chromium-driver"
    service = Service(path, log_output=subprocess.DEVNULL, env={**os.environ, "LANGUAGE": language})
    browser = Chrome(options, service)
    try:
        yield browser
    finally:
        browser.quit()


def hold(browser: Chrome, size: tuple[int, int], *, dark: bool = False) -> None:
    """Gives the browser the size of a screen, and the colours that its owner prefers."""
    width, height = size
    metrics = {
        "width": width,
        "height": height,
        "deviceScaleFactor": 1,
        "mobile": width < 700,
    }
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
