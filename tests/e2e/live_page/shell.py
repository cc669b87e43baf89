"""A page with nothing but the live panel and something to rerun it with."""

import streamlit as st

from pages.live.tokens import page_token
from pages.server.store import store
from pages.widgets.live_chart import ShownRun, live_panel
from trainer.settings import get_settings

top = st.slider("Rate", 0.0, 1.0, 0.1)
owner = st.query_params.get("owner", "")
shown = [run.id for run in store().runs() if run.owner == owner][::-1]
if st.toggle("Panel", value=True):
    live_panel(
        [ShownRun(run, store().run(run).name, place) for place, run in enumerate(shown)],
        page_token(get_settings().home, owner, shown),
        planned={"steps": [0, 100_000], "lr": [top, 0.0], "steps_per_epoch": 10},
    )
