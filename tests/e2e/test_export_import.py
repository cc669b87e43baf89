"""Exporting in a browser: every format is downloaded, the script trains the run again, the zip is imported as a run."""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import expect
from test_journeys import button, start

from trainer.export.formats import FORMATS
from trainer.store import Store


def test_a_run_is_exported_and_imported(own_site, visitor, tmp_path):
    page = visitor(accept_downloads=True).new_page()
    page.goto(own_site.start().url + "?epochs=3")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    page.goto(f"{own_site.url}runs?run=1")
    page.get_by_text("Export", exact=True).click()
    for one in FORMATS.values():
        with page.expect_download() as download:
            button(page, one.label).click()
        assert download.value.suggested_filename == f"run-1{one.suffix}"
        download.value.save_as(tmp_path / f"run{one.suffix}")
    page.get_by_text("Show the script").click()
    expect(page.get_by_text("written as by hand")).to_be_visible()
    command = [sys.executable, "-I", str(tmp_path / "run.exact.py")]
    printed = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=True
    ).stdout
    store = Store(f"sqlite:///{own_site.home / 'trainscope.db'}")
    results = store.run(1).results
    assert f"test: loss {results['test']['loss']!r}, accuracy {results['test']['metric']!r}" in printed
    page.get_by_text("Import runs or a comparison").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "run.zip")
    page.wait_for_function("new URLSearchParams(location.search).get('run') === '2'")
    expect(page.get_by_text("Run 2 imported")).to_be_visible()
    assert store.run(2).results["test"] == results["test"]
    store.close()
