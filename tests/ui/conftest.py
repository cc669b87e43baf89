"""The real app script with a real store in a temporary folder; only the browser is left out."""

import sys
from functools import cache

import pytest
from page_testing import VISITOR, Lab
from streamlit.components.v2 import manifest_scanner
from streamlit.testing.v1.local_script_runner import LocalScriptRunner

from pages.server.store import store as shared_store
from trainer.settings import get_settings
from trainer.store import Store


@pytest.fixture(scope="session", autouse=True)
def installed_packages_are_searched_once():
    """AppTest reads the metadata of every installed package for each tab that it opens: three quarters of its time."""
    with pytest.MonkeyPatch.context() as patch:
        search = cache(manifest_scanner.scan_component_manifests)
        patch.setattr(manifest_scanner, "scan_component_manifests", search)
        yield


@pytest.fixture(scope="session", autouse=True)
def main_module_stays():
    """AppTest makes the page the module `__main__`, which processes started later by `multiprocessing` would run first."""
    run = LocalScriptRunner.run

    def run_beside(*arguments, **options):
        with pytest.MonkeyPatch.context() as main:
            main.setitem(sys.modules, "__main__", sys.modules["__main__"])
            return run(*arguments, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LocalScriptRunner, "run", run_beside)
        yield


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "pages.server.visitor.visitor", lambda: VISITOR
    )  # there is no browser, so no cookie either
    monkeypatch.setattr("pages.server.visitor.visitor_address", lambda: "")
    shared_store.cache_clear()
    store = Store(get_settings().url)
    yield Lab(store)
    store.close()
    shared_store().close()
    shared_store.cache_clear()
