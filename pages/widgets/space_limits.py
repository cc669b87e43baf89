"""What a space and its members may take, how much of it is taken, and the form in which an owner sets it."""

from __future__ import annotations

from functools import partial
from typing import Any

import streamlit as st

from pages.widgets.markup import quiet, table, warning
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from trainer.formatting import format_bytes, format_duration
from trainer.settings import MEGABYTE
from trainer.spaces import Role, Space
from trainer.spaces.limits import RULES, Limits, Wanted
from trainer.store.limits import Usage

NEARLY = 0.8
"""Part of a limit from which on the pages where something starts show it."""
WHERE_AN_ADDRESS_CANNOT_TELL = (
    "Runs and files from one network address count together, whoever starts them: clearing cookies gives no new room. Everybody "
    "behind the same router or proxy shares an address, and on a mobile network strangers may; so one address has room for a "
    "class."
)


def space_usage(context: PageContext, space: str, *, shared: bool) -> None:
    """Draws what is taken of a space's limits, by the visitor and by all, and what a run may take."""
    usage, limits = context.store.usage(context.owner, space=space), context.store.limits or Limits()
    held, used = usage.limits, usage.used
    queued_each, queued = (
        min(held.queued_runs_each, held.live_runs_each),
        min(held.queued_runs, held.live_runs),
    )
    rows = [
        ["Live runs", _of(used.live_each, held.live_runs_each), _of(used.live, held.live_runs)],
        ["of them queued", _of(used.queued_each, queued_each), _of(used.queued, queued)],
        ["Disk space", _size(used.bytes_each, held.megabytes_each), _size(used.bytes, held.megabytes)],
    ]
    if not shared:
        rows = [row[:2] for row in rows]
        rows.append(["Files and imported runs", _size(used.visitor_bytes, limits.files_mb)])
    st.html(table(["", "Yours", "Everybody's"][: len(rows[0])], rows, "Used"))
    st.html(
        quiet(
            f"A run may take {held.run_steps:,} steps, train for {_time(held.run_seconds)}, and use "
            f"{format_bytes(held.run_memory_mb * MEGABYTE)} of memory."
        )
    )


def space_left(context: PageContext, wanted: Wanted, steps: int = 0, usage: Usage | None = None) -> None:
    """Draws, before somebody presses a button, why there is no room for what it adds, or how much is left where that is
    little. Draws nothing else. `steps` are those of each run, where they are known; the `usage` may have been read before."""
    usage = usage or context.store.usage(context.owner)
    if problem := usage.problem(wanted):
        st.html(warning(problem))
    elif steps > usage.limits.run_steps:
        st.html(
            warning(
                f"This run would take {steps:,} steps, and a run may take {usage.limits.run_steps:,} here. Train fewer epochs, "
                "or use a larger batch size."
            )
        )
    elif scarce := _scarce(usage, wanted):
        st.html(quiet(f"Used here: {' · '.join(scarce)}"))


def _scarce(usage: Usage, wanted: Wanted) -> list[str]:
    """Returns what is nearly taken, each with its limit."""
    held, used, shared = usage.limits, usage.used, usage.shared
    sizes = [(used.bytes_each, held.megabytes_each, "yours"), (used.bytes, held.megabytes, "the space's")]
    counts = [(used.live_each, held.live_runs_each, "yours"), (used.live, held.live_runs, "the space's")]
    found = []
    for taken, most, whose in counts if wanted.runs else []:
        if taken + wanted.runs >= NEARLY * most and (shared or whose == "yours"):
            found.append(f"{_of(taken, most)} live runs" + (f" ({whose})" if shared else ""))
    for taken, most, whose in sizes:
        if taken + wanted.bytes >= NEARLY * most * MEGABYTE and (shared or whose == "yours"):
            found.append(_size(taken, most) + (f" ({whose})" if shared else ""))
    return found


def limits_form(context: PageContext, space: Space) -> None:
    """Draws the limits of a space for its owners to set, and for its other members to read."""
    owns, limits = context.roles[space.id] is Role.OWNER, context.store.limits or Limits()
    columns = st.columns(2)
    for place, rule in enumerate(RULES):
        usual, key = rule.default(space.kind, limits), f"limit-{rule.name}-{space.id}"
        # As the state, not as the default: a field with a default cannot be emptied.
        st.session_state[key] = (
            min(space.limits[rule.name], rule.most(limits)) if rule.name in space.limits else None
        )
        with columns[place % 2]:
            st.number_input(
                f"{rule.label} · {rule.unit}" if rule.unit in ("MB", "s") else rule.label,
                1,
                rule.most(limits),
                None,
                key=key,
                placeholder=f"{usual:,}",
                disabled=not owns,
                help=f"{rule.why} Empty: {usual:,}, as usual. At most {rule.most(limits):,} here.",
                on_change=partial(_set, context, space.id, rule.name, key),
            )
    st.html(quiet(WHERE_AN_ADDRESS_CANNOT_TELL))


@reporting_errors()
def _set(context: PageContext, space: str, name: str, key: str) -> None:
    value: Any = st.session_state[key]
    context.store.set_limits(space, {name: value}, by=context.owner)


def _time(seconds: int) -> str:
    days = seconds / 86_400
    return f"{days:.3g} days" if days >= 2 else format_duration(seconds)


def _of(taken: int, most: int) -> str:
    return f"{taken:,} of {most:,}"


def _size(taken: int, most: int) -> str:
    return f"{format_bytes(taken)} of {format_bytes(most * MEGABYTE)}"
