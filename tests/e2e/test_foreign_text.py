"""Other people's text, and whatever an address holds, is shown as it is: nothing in it becomes a link."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Page, expect
from test_journeys import button
from test_own_data import own_files, upload

from pages.server.visitor import COOKIE
from trainer.config import RunConfig
from trainer.store import Store

ADDRESSES = ("www.evil.io/login", "https://evil.io/a", "help@evil.io", "[sign in](https://evil.io)")
BRIEF = "www.e.io http://e.io a@e.io [x](//e.io)"  # notices shorten what is longer
HOSTILE = f"Your session ended: {' '.join(ADDRESSES)}"
LINKS = """[...document.querySelectorAll("a[href]")]
  .filter(link => link.protocol === "mailto:" || /(^|[.])(evil|e)[.]io$/.test(link.hostname)).map(link => link.href)"""


def assert_shown_without_links(page: Page, place: str = "body", times: int = 1) -> None:
    """Holds once the hostile text is on the page (or in the part of it that `place` selects)."""
    shown = page.locator(place).filter(has_text="evil.io" if place == "body" else "").first
    expect(shown).to_contain_text("evil.io")
    assert page.evaluate(LINKS) == []


@pytest.fixture
def person(shared_site, visitor):
    """A visitor's tab, and the store with what others have put into their hands."""
    page = visitor().new_page()
    page.goto(shared_site.url)
    expect(button(page, "Start")).to_be_enabled()
    owner = next(cookie["value"] for cookie in page.context.cookies() if cookie["name"] == COOKIE)
    store = Store(f"sqlite:///{shared_site.home / 'trainscope.db'}")
    yield page, store, owner
    store.close()


def hostile_run(store: Store, owner: str, config: RunConfig) -> int:
    now = datetime.now(UTC)
    moments = {"created": now, "started": now, "ended": now}
    texts = {"name": HOSTILE, "notes": HOSTILE, "error": HOSTILE, "notices": [HOSTILE]}
    values = {"status": "failed", "config": config.to_dict(), "progress": {}, "results": None}
    return store.import_run(owner, {**values, **texts, **moments}, [])


@pytest.mark.parametrize(
    ("path", "key"), [("", "seed"), ("runs", "run"), ("health", "run"), ("reference", "technique")]
)
def test_an_address_makes_no_link(shared_site, visitor, path, key):
    page = visitor().new_page()
    page.goto(f"{shared_site.url}{path}?{urlencode({key: BRIEF})}")
    expect(page.get_by_text(BRIEF).first).to_be_visible()
    assert page.evaluate(LINKS) == []


def test_an_imported_run_makes_no_link(shared_site, person):
    page, store, owner = person
    config = RunConfig().changed({"data": "csv", "data.target": HOSTILE[:90], "data.task": "regression"})
    run = hostile_run(store, owner, config)
    page.goto(shared_site.url)
    expect(page.get_by_test_id("live-status")).to_be_visible()
    assert_shown_without_links(page, f".st-key-card-{run}")
    page.goto(f"{shared_site.url}runs?run={run}")
    assert_shown_without_links(page, ".st-key-run-detail")
    button(page, "Delete").click()
    assert_shown_without_links(page, "[role=dialog]")
    page.goto(f"{shared_site.url}health?run={run}")
    expect(page.get_by_role("combobox", name="Run")).to_have_value(re.compile("evil.io"))
    assert page.evaluate(LINKS) == []


def test_a_failed_range_test_makes_no_link(shared_site, person):
    page, store, owner = person
    hostile_run(store, owner, RunConfig().changed({"schedule": "range_test"}))
    page.goto(f"{shared_site.url}lr-finder")
    assert_shown_without_links(page)


def test_a_file_makes_no_link(shared_site, person):
    page, _, _ = person
    page.goto(f"{shared_site.url}data")
    upload(page, f"{ADDRESSES[0].replace('/', '.')}.csv", b"one column\n" * 30)
    assert_shown_without_links(page, ".st-key-data-problem")
    button(page, "Dismiss").click()
    expect(page.locator(".st-key-data-problem")).to_have_count(0)
    columns = ",".join(ADDRESSES)
    rows = "\n".join(
        f"{n * 7 % 50},{n % 5},{n % 11 / 7},{'help@evil.io' if n % 2 else 'www.evil.io'}" for n in range(60)
    )
    upload(page, "help@evil.io.csv", f"{columns}\n{rows}".encode())
    expect(page.get_by_test_id("stToast")).to_contain_text("evil.io")
    expect(page.get_by_role("rowheader", name="www.evil.io/login")).to_be_visible()
    assert page.evaluate(LINKS) == []
    button(page, "Delete").click()
    assert_shown_without_links(page, "[role=dialog]")


def test_a_zip_that_is_no_run_makes_no_link(shared_site, person):
    page, _, _ = person
    page.goto(f"{shared_site.url}runs")
    page.get_by_text("Import runs or a comparison").click()
    manifest = b'{"format": "www.evil.io/login help@evil.io", "version": 1, "files": {}}'
    upload(page, "run.zip", own_files.zip_bytes({"manifest.json": manifest}))
    assert_shown_without_links(page)
