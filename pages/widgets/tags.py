"""The field for tags: of one run, of several at once, or of a comparison."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import streamlit as st

from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from trainer.store import MAX_TAG, Run


def tags_field(
    context: PageContext,
    tagged: Sequence[Sequence[str]],
    save: Callable[[int, list[str]], None],
    key: str,
    *,
    disabled: bool = False,
) -> None:
    """Draws the field with the tags that all of `tagged` have. A change there calls `save` for each of them, by its
    place; its other tags stay."""
    common = [tag for tag in tagged[0] if all(tag in one for one in tagged)]

    @reporting_errors()
    def change() -> None:
        chosen = [tag.strip() for tag in st.session_state[key]]
        for place, tags in enumerate(tagged):
            kept = [tag for tag in tags if tag in chosen or tag not in common]
            wanted = [*kept, *(tag for tag in chosen if tag not in kept)]
            if wanted != list(tags):
                save(place, wanted)

    known = context.store.tags(context.spaces)
    st.multiselect(
        "Tags",
        sorted({*known, *common}, key=str.casefold),
        common,
        key=key,
        accept_new_options=True,
        on_change=change,
        disabled=disabled,
        placeholder="Choose, or type a new one",
        help=f"Short labels, of at most {MAX_TAG} characters each; the filter finds them."
        + (" Those that all of them have are shown." if len(tagged) > 1 else ""),
    )


def run_tags(context: PageContext, runs: Sequence[Run], key: str, *, disabled: bool = False) -> None:
    """Draws the field for runs."""

    def save(place: int, tags: list[str]) -> None:
        context.store.set_tags(runs[place].id, tags, by=context.owner)

    tags_field(context, [run.tags for run in runs], save, key, disabled=disabled)
