"""The real app script with a real store in a temporary folder; only the browser is left out."""

from functools import cache

import pytest
from page_testing import VISITOR, Lab
from streamlit.components.v2 import manifest_scanner

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


@pytest.fixture
def lab(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
    monkeypatch.setattr(
        "pages.server.visitor.visitor", lambda: VISITOR
    )  # there is no browser, so no cookie either
    shared_store.cache_clear()
    store = Store(get_settings().url)
    yield Lab(store)
    store.close()
    shared_store().close()
    shared_store.cache_clear()
