"""Addresses of the app's pages, for links that people send to each other."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlencode, urlsplit, urlunsplit

import streamlit as st

from pages.widgets.page_context import PageContext


def address_of(page: st.Page, context: PageContext, parameters: Mapping[str, str]) -> str:
    """Returns the address of one of the pages with these parameters, as the visitor's browser reaches it."""
    here = urlsplit(str(st.context.url or ""))
    known = {one.url_path for one in context.pages if one.url_path}
    base, _, last = here.path.rstrip("/").rpartition("/")
    root = base if last in known else here.path.rstrip("/")
    return urlunsplit((here.scheme, here.netloc, f"{root}/{page.url_path}", urlencode(parameters), ""))
