"""Exporting in a browser: every format is downloaded, the script trains the run again, the zip is imported as a run."""

from __future__ import annotations

import subprocess
import sys

from playwright.sync_api import expect
from test_journeys import button, start
from waiting import PATIENCE

from trainer.export.formats import FORMATS
from trainer.store import Store


def test_a_run_is_exported_and_imported(shared_site, visitor, tmp_path):
    page = visitor().new_page()
    page.goto(shared_site.url + "?epochs=3")
    start(page)
    expect(page.get_by_text("Test accuracy")).to_be_visible()
    number = page.evaluate("new URLSearchParams(location.search).get('chart.runs')")
    page.goto(f"{shared_site.url}runs?run={number}")
    page.get_by_text("Export", exact=True).click()
    for one in FORMATS.values():
        with page.expect_download() as download:
            button(page, one.label).click()
        assert download.value.suggested_filename == f"run-{number}{one.suffix}"
        download.value.save_as(tmp_path / f"run{one.suffix}")
    page.get_by_text("Show the script").click()
    expect(page.get_by_text("written as by hand")).to_be_visible()
    command = [sys.executable, "-I", str(tmp_path / "run.exact.py")]
    printed = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE, check=True
    ).stdout
    store = Store(f"sqlite:///{shared_site.home / 'trainscope.db'}")
    results = store.run(int(number)).results
    assert f"test: loss {results['test']['loss']!r}, accuracy {results['test']['metric']!r}" in printed
    page.get_by_text("Import runs or a comparison").click()
    page.locator("input[type=file]").set_input_files(tmp_path / "run.zip")
    page.wait_for_function(
        "before => ![null, before].includes(new URLSearchParams(location.search).get('run'))", arg=number
    )
    expect(page.get_by_text("Run 2 imported")).to_be_visible()
    imported = page.evaluate("new URLSearchParams(location.search).get('run')")
    assert store.run(int(imported)).results["test"] == results["test"]
    store.close()
