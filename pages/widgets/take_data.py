"""Taking a file into the sidebar, with the techniques that cannot work on it set back to their usual ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import streamlit as st

from pages.widgets.knobs import load_config
from pages.widgets.page_context import PageContext
from trainer.config import ConfigError, RunConfig
from trainer.registry import families

TAKEN = "data-taken"


def config_with(current: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """`current` on other data. Raises ConfigError when the values themselves are impossible."""
    try:
        return current.changed(values)
    except ConfigError:
        pass
    usual = {
        name: family.default
        for name, family in families().items()
        if name != "data" and {"accepts", "task"} & current.technique(name).facts.keys()
    }
    try:
        return current.changed({**usual, "label_smoothing.amount": 0, **values})
    except ConfigError:
        return RunConfig(seed=current.seed).changed(values)


def use_button(context: PageContext, values: Mapping[str, Any], name: str, problem: str = "") -> None:
    """The button that loads a file into the sidebar, and once that is done the way to the Train page."""
    config = None if problem else config_with(context.knobs.config or RunConfig(), values)
    flat = context.knobs.config.flat() if context.knobs.config else {}
    taken = not problem and all(flat.get(key) == value for key, value in values.items())
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.button(
            "Use it",
            key="data-use",
            type="secondary" if taken else "primary",
            icon=":material/input:",
            disabled=config is None or taken,
            on_click=load_config,
            args=(config,),
            help="Set the sidebar's data to this file; other knobs stay where they can.",
        )
        if taken:
            st.html('<span class="tp-quiet" role="status">The sidebar trains on this file.</span>')
            st.page_link(context.train_page, label="Go to Train", icon=":material/arrow_forward:")
