"""Takes the README's pictures from the running app: `python tests/screenshots.py`.

Starts a server on a free port with an empty home folder, trains two twins as a newcomer would, and saves pictures to docs/.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

ROOT = Path(__file__).parent.parent
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
]


def main() -> None:
    """Takes all pictures."""
    with server() as url, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        context = browser.new_context(viewport={"width": 1440, "height": 960}, color_scheme="light")
        page = context.new_page()
        train_twins(page, url)
        page.screenshot(path=ROOT / "docs" / "train-light.png")
        for link, picture in (("Train", "train-dark"), ("Health", "health-light")):
            page.emulate_media(color_scheme="dark" if picture.endswith("dark") else "light")
            page.get_by_role("link", name=link, exact=True).first.click()
            page.wait_for_timeout(3000)
            page.screenshot(path=ROOT / "docs" / f"{picture}.png")
        page.emulate_media(color_scheme="light")
        compare(page, url)
        page.screenshot(path=ROOT / "docs" / "comparison-light.png")
        browser.close()


def train_twins(page: Page, url: str) -> None:
    """Two runs alike but for dropout."""
    page.goto(f"{url}?epochs=40&schedule=one_cycle&learning_rate=0.005&clipping=by_norm&clipping.max_norm=4")
    for run, rate in ((1, None), (2, "0.5")):
        if rate:
            slider = page.locator("input[aria-label='Dropout rate']")
            slider.focus()
            for _ in range(round(float(rate) / 0.05)):
                slider.press("ArrowRight")
            page.wait_for_timeout(1000)
        page.get_by_role("button", name="Start", exact=True).click()
        state = page.get_by_test_id("live-status").filter(has_text=f"Run {run}").filter(has_text="Finished")
        state.wait_for(timeout=120_000)
    page.wait_for_timeout(1500)


def compare(page: Page, url: str) -> None:
    """A ready-made comparison, to its end."""
    page.goto(f"{url}/experiments")
    page.locator(".st-key-preset-batch_norm").get_by_role("button", name="Start").click()
    page.get_by_text("all ended").wait_for(timeout=300_000)
    page.wait_for_timeout(3000)


@contextmanager
def server() -> Iterator[str]:
    """The app on a free port, ready to train; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory() as home:
        command = [
            sys.executable,
            "-m",
            "streamlit",
            "run",
            "app.py",
            f"--server.port={port}",
            "--server.headless=true",
        ]
        environment = {**os.environ, "TRAINSCOPE_HOME": home}
        process = subprocess.Popen(command, cwd=ROOT, env=environment)
        try:
            url = f"http://localhost:{port}"
            await_ready(f"{url}/api/ready")
            yield url
        finally:
            process.terminate()
            process.wait(30)


def await_ready(url: str, seconds: float = 60) -> None:
    """Waits until the server and its supervisor are ready."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2):  # an error until then
                return
        except OSError:
            pass
        time.sleep(0.2)
    raise TimeoutError(f"{url} did not say ready within {seconds:.0f} s")


if __name__ == "__main__":
    main()
