"""A real server with an empty home, and a real browser in front of it."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, ViewportSize, expect, sync_playwright
from waiting import PATIENCE, answers, until

from trainer.store import COMMAND_LINE, Store, StoreError
from trainer.store.supervisor_lock import supervisor_lock

ROOT = Path(__file__).parents[2]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--process-per-site",
    "--renderer-process-limit=1",
]
expect.set_options(timeout=PATIENCE * 1000)


class Site:
    """The product as a person starts it: `streamlit run app.py`."""

    def __init__(self, home: Path) -> None:
        self.home, self.log = home, home.with_suffix(".log")
        self.port = _free_port()
        self.url = f"http://127.0.0.1:{self.port}/"

    def start(self) -> Site:
        command = [sys.executable, "-m", "streamlit", "run", "app.py", "--server.address=127.0.0.1"]
        command += [f"--server.port={self.port}", "--browser.serverAddress=127.0.0.1"]
        with self.log.open("ab") as log:
            environment = {**os.environ, "TRAINSCOPE_HOME": str(self.home), "TRAINSCOPE_MAX_WORKERS": "2"}
            self.process = subprocess.Popen(
                command, cwd=ROOT, env=environment, stdout=log, stderr=log, start_new_session=True
            )
        health = f"{self.url}api/health"
        until(lambda: answers(health) or self.process.poll() is not None, self.log.read_text)
        assert self.process.poll() is None, self.log.read_text()
        return self

    def stop(self) -> None:
        """As Ctrl-C does; whatever should not have ended with it is ended by force."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(PATIENCE)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="session")
def live_page(tmp_path_factory) -> Iterator[tuple[Store, str]]:
    """A server with nothing but the live panel, for runs that the tests themselves write; their store and the address.

    After the address comes `?owner=` with the name of those whose runs are shown.
    """
    home = tmp_path_factory.mktemp("live")
    store = Store(f"sqlite:///{home / 'trainscope.db'}")
    guard = supervisor_lock(store)
    assert guard.acquire()  # nobody else is to take the runs of this test
    port = _free_port()
    command = [sys.executable, "-m", "streamlit", "run", "app.py", f"--server.port={port}"]
    server = subprocess.Popen(
        [*command, "--server.headless=true", "--browser.gatherUsageStats=false"],
        cwd=Path(__file__).parent / "live_page",
        env={**os.environ, "TRAINSCOPE_HOME": str(home), "PYTHONPATH": str(ROOT)},
    )
    try:
        health = f"http://127.0.0.1:{port}/api/health"
        until(lambda: answers(health) or server.poll() is not None, "the live panel's server does not answer")
        assert server.poll() is None
        yield store, f"http://127.0.0.1:{port}/"
    finally:
        server.terminate()
        server.wait(PATIENCE)
        guard.release()
        store.close()


@pytest.fixture(scope="session")
def chromium():
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def standing_site(tmp_path_factory):
    site = Site(tmp_path_factory.mktemp("site") / "home").start()
    yield site
    site.stop()


@pytest.fixture
def shared_site(standing_site):
    """One server for all tests that leave it standing; each test is a visitor of its own, and leaves no run behind."""
    yield standing_site
    store = Store(f"sqlite:///{standing_site.home / 'trainscope.db'}")
    for run in store.live():
        with suppress(StoreError):
            store.request(run.id, "stop", by=COMMAND_LINE)
    store.close()


@pytest.fixture
def own_site(tmp_path):
    """A server that a test may treat badly."""
    site = Site(tmp_path / "home")
    yield site
    if hasattr(site, "process"):
        site.stop()


class Complaints(list):
    """What the browser's console had to complain about, except for what a test announces."""

    def watch(self, page: Page) -> Page:
        page.on("console", lambda message: self._hear(message.type, f"{message.text} {message.location}"))
        page.on("pageerror", lambda error: self._hear("error", str(error)))
        return page

    def _hear(self, kind: str, text: str) -> None:
        # Streamlit's front end looks for its base path below a deep link first, and finds it one level up.
        if kind == "error" and "_stcore" not in text:
            self.append(text)


class Person:
    """Somebody with a browser context: a size of the window, a theme, permissions."""

    def __init__(self, context: BrowserContext, size: ViewportSize, scheme: str) -> None:
        self.context, self._size, self._scheme = context, size, scheme

    def new_page(self) -> Page:
        """A new tab."""
        page = self.context.new_page()
        page.set_viewport_size(self._size)
        page.emulate_media(color_scheme=self._scheme)
        return page


class Browsers:
    """Browser contexts that are lent to one test after another, since most of a cold page's cost is compiling its scripts.

    An open page keeps each context's process, and so the compiled scripts. Who gets one finds no cookie and nothing stored.
    What a page or a lent context can change needs no context of its own.
    """

    def __init__(self, chromium: Browser) -> None:
        self._chromium = chromium
        self._free: dict[str, list[BrowserContext]] = {}
        self._lent: list[tuple[str, BrowserContext]] = []

    def lend(self, **options: Any) -> BrowserContext:
        kind = repr(sorted(options.items()))
        free = self._free.setdefault(kind, [])
        context = free.pop() if free else self._new(options)
        self._lent.append((kind, context))
        return context

    def _new(self, options: dict[str, Any]) -> BrowserContext:
        context = self._chromium.new_context(**options)
        context.set_default_timeout(PATIENCE * 1000)
        anchor = context.new_page()
        anchor.route("**", lambda route: route.fulfill(body=""))
        anchor.goto("http://127.0.0.1/")  # what counts as one site has no port
        return context

    def take_back(self) -> None:
        """Leaves nothing of the visitors in what was lent to them."""
        for kind, context in self._lent:
            for page in context.pages[1:]:
                origin = urlsplit(page.url)._replace(path="", query="", fragment="").geturl()
                everything = {"origin": origin, "storageTypes": "all"}
                context.new_cdp_session(page).send("Storage.clearDataForOrigin", everything)
                page.close()
            context.clear_cookies()
            context.clear_permissions()
            self._free[kind].append(context)
        self._lent.clear()


@pytest.fixture(scope="session")
def browsers(chromium):
    return Browsers(chromium)


@pytest.fixture
def visitor(browsers):
    """`visitor(width, height)` is a new person with a browser of their own; a tab of it is `.new_page()`."""
    complaints, contexts = Complaints(), []

    def arrive(
        width: int = 1440,
        height: int = 900,
        color_scheme: str = "light",
        permissions: Sequence[str] = (),
        **options: Any,
    ) -> Person:
        # Playwright evaluates what it waits for as text, which the policy forbids; test_security.py holds the policy itself.
        context = browsers.lend(**{"bypass_csp": True, **options})
        context.on("page", complaints.watch)
        context.grant_permissions(permissions)
        contexts.append(context)
        return Person(context, {"width": width, "height": height}, color_scheme)

    arrive.complaints = complaints
    yield arrive
    for context in contexts:
        context.remove_listener("page", complaints.watch)
    browsers.take_back()
    assert complaints == []
