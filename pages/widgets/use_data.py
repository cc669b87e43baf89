"""Using an upload: what was read, the values to start from, and the button that loads it into the sidebar."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.widgets.controls import show_problem
from pages.widgets.knobs import load_config
from pages.widgets.markup import notice
from pages.widgets.page_context import PageContext
from pages.widgets.text import shorten
from trainer.config import ConfigError, RunConfig
from trainer.data.choosing import suggested_values
from trainer.registry import families
from trainer.store import Upload


def upload_notice(upload: Upload, manifest: Mapping[str, Any]) -> None:
    """Draws what was read from an upload: "houses.csv uploaded: 2,000 rows, comma-separated."."""
    st.html(notice(f"{shorten(upload.name, 60)} uploaded: {' '.join(manifest['said'])}"))


def initial_values(
    context: PageContext, data: str, upload: Upload, manifest: Mapping[str, Any]
) -> dict[str, Any]:
    """Returns the sidebar's flat values where it already uses this upload as `data`, else suggested ones."""
    config = context.knobs.config
    if config is not None and config.data.name == data and config.data.knobs["file"] == upload.digest:
        return config.flat()
    return suggested_values(upload.digest, manifest)


def config_with(current: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """Returns `current` on other data, with techniques that cannot work on it set back to their defaults.

    Raises ConfigError when the values themselves are impossible.
    """
    try:
        return current.changed(values)
    except ConfigError:
        pass
    defaults = {
        name: family.default
        for name, family in families().items()
        if name != "data" and {"accepts", "task"} & current.technique(name).facts.keys()
    }
    try:
        return current.changed({**defaults, "label_smoothing.amount": 0, **values})
    except ConfigError:
        return RunConfig(seed=current.seed).changed(values)


def use_button(context: PageContext, values: Mapping[str, Any], problem: str = "") -> None:
    """Draws the button that loads an upload into the sidebar, and once that is done the way to the Train page."""
    config = None
    if not problem:
        try:
            config = config_with(context.knobs.config or RunConfig(), values)
        except ConfigError as error:
            problem = str(error)
            show_problem(problem)
    current = context.knobs.config.flat() if context.knobs.config else {}
    in_use = not problem and all(current.get(key) == value for key, value in values.items())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Use it",
            key="data-use",
            type="secondary" if in_use else "primary",
            icon=":material/input:",
            disabled=config is None or in_use,
            on_click=load_config,
            args=(config,),
            help="Set the sidebar's data to this file; the other knobs stay where they can.",
        )
        if in_use:
            st.html('<span class="tp-quiet" role="status">The sidebar trains on this file.</span>')
            st.page_link(context.train_page, label="Go to Train", icon=":material/arrow_forward:")
