"""A study of noise: how much each source alone moves the measure, as a sentence, bars with intervals, and a table."""

from __future__ import annotations

import math
from typing import Final

import plotly.graph_objects as go
import streamlit as st

from pages.widgets.launch import start_once
from pages.widgets.layer_chart import theme_color
from pages.widgets.linked_comparison import link_to_comparison
from pages.widgets.markup import quiet, table, waiting
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.text import escape_html, shorten
from trainer.comparison.analysis import Analysis, ArmSummary, start
from trainer.comparison.design import Design
from trainer.comparison.noise import NOT_ADDITIVE, noise_design, noise_title
from trainer.comparison.tables import noise_table
from trainer.store import MAX_LENGTHS

WHOLE_COLOR: Final = 7
PART_COLOR: Final = 0
"""Places in the palette."""


def noise_button(context: PageContext, found: Analysis) -> None:
    """Draws the button that starts the study of one of a comparison's arms, and the choice of that arm."""
    design, key = found.design, f"comparison-{found.comparison.id}-noise"
    number = st.selectbox(
        "Noise of",
        range(len(design.arms)),
        key=f"{key}-arm",
        format_func=lambda one: shorten(design.arms[one].name, 60),
        help="The arm whose noise “Where does the noise come from?” studies.",
        width=220,
    )
    of = design.arms[number]
    study = noise_design(of.config, measure=design.measure, until=design.until, unit=design.unit)
    # Not by a callback: after that, the fragment would rerun alone, and the page stay with this comparison.
    if st.button(
        "Where does the noise come from?",
        icon=":material/blur_on:",
        key=key,
        help=f"Trains this arm {len(study.arms) * len(study.seeds)} times: {len(study.seeds)} seeds of everything, and of "
        f"{', '.join(arm.name for arm in study.arms[1:])} alone.",
    ):
        _start(context, found, study, number)
        st.rerun(scope="app")


@reporting_errors()
def _start(context: PageContext, found: Analysis, study: Design, number: int) -> None:
    """Queues the runs and opens the study. A double click starts it once."""
    asked = found.comparison.title or f"comparison {found.comparison.id}"
    if number:
        asked = f"{shorten(asked, 60)}, {found.design.arms[number].name}"
    title = shorten(noise_title(asked), MAX_LENGTHS["name"])
    study_id = start_once(
        ("noise", found.comparison.id, number), lambda: start(context.store, study, context.owner, title)
    )
    link_to_comparison(study_id)


def noise_section(found: Analysis) -> None:
    """Draws what each source of noise does to the measure."""
    summary = escape_html(found.sentences[0])
    st.html(
        f'<ul class="tp-verdicts" role="status"><li class="tp-verdict tp-open"><span aria-hidden="true">σ</span>'
        f"<p>{summary}</p></li></ul>"
    )
    known = [arm for arm in found.arms if math.isfinite(arm.spread.deviation)]
    if known:
        st.plotly_chart(
            noise_chart(known, f"standard deviation of the {found.measure.label}"),
            key=f"noise-chart-{found.comparison.id}",
            config={"displayModeBar": False, "scrollZoom": False},
            alt=" ".join(arm.sentence for arm in known),
        )
    else:
        st.html(waiting("Waiting for two runs of a source…"))
    st.html(table(*noise_table(found)))
    st.html(quiet(NOT_ADDITIVE))


def noise_chart(arms: list[ArmSummary], label: str) -> go.Figure:
    """Returns a bar for each arm, the first one on top, with its interval."""
    spreads = [arm.spread for arm in arms]
    figure = go.Figure(
        go.Bar(
            y=[arm.name for arm in arms],
            x=[one.deviation for one in spreads],
            orientation="h",
            marker={
                "color": [
                    theme_color(WHOLE_COLOR if arm.name == "everything" else PART_COLOR) for arm in arms
                ]
            },
            error_x={
                "type": "data",
                "symmetric": False,
                "array": [_reach(one.high - one.deviation) for one in spreads],
                "arrayminus": [_reach(one.deviation - one.low) for one in spreads],
                "color": "#E6E6E6" if st.context.theme.type == "dark" else "#333333",
                "thickness": 1.5,
                "width": 5,
            },
            hovertemplate="%{y}: %{x:.3g}<extra></extra>",
        )
    )
    figure.update_yaxes(autorange="reversed", automargin=True)
    figure.update_xaxes(title=label, rangemode="tozero", automargin=True)
    figure.update_layout(
        height=80 + 44 * len(arms), margin={"l": 10, "r": 10, "t": 10, "b": 40}, dragmode=False, bargap=0.35
    )
    return figure


def _reach(length: float) -> float:
    """The length of a whisker; none where there is no interval, and where the estimate lies outside it."""
    return max(0.0, length) if math.isfinite(length) else 0.0
