"""Rooms on the Spaces page: join one by its code, make one, show its code to the class, and look after it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Final

import segno
import streamlit as st

from pages.server.guesses import guesses
from pages.widgets.addresses import address_of
from pages.widgets.export_section import export_zip
from pages.widgets.history import config_of
from pages.widgets.markup import information, problem, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_choice import SPACE, enter
from pages.widgets.text import escape_html
from trainer.export.collection import write_runs
from trainer.formatting import format_duration
from trainer.settings import get_settings
from trainer.spaces import Role, Space
from trainer.store import MAX_LENGTHS, StoreError
from trainer.store.rooms import CODE_LENGTH, plain_code
from trainer.store.spaces import MAX_NAME

ROOM: Final = "room"
"""The parameter of the address that carries a room's code."""
HOURS: Final = {2: "2 hours", 8: "8 hours", 24: "A day", 24 * 7: "A week", 24 * 120: "A term (120 days)"}


def join_room(context: PageContext) -> None:
    """Draws the way into a room: open where the address carries a code, else folded."""
    given = st.query_params.get(ROOM, "")
    with (
        st.expander("Join a room", icon=":material/meeting_room:", expanded=bool(given)),
        st.form("join-room", border=False),
    ):
        code = st.text_input(
            "Code",
            plain_code(given)[:CODE_LENGTH],
            key="room-code",
            max_chars=20,
            placeholder="ABC DEF",
            help=f"The {CODE_LENGTH} letters that the teacher shows. Capitals and spaces do not matter.",
        )
        name = st.text_input(
            "Your name there",
            key="room-nickname",
            max_chars=MAX_NAME,
            placeholder="Ada",
            help="Everybody in the room sees it.",
        )
        if st.form_submit_button("Join", type="primary", icon=":material/login:"):
            _join(context, code, name)


def _join(context: PageContext, code: str, name: str) -> None:
    address = context.store.address
    if sentence := guesses.refusal(context.owner, address):
        st.html(problem(sentence))
        return
    try:
        context.store.room_with(code)
    except StoreError as error:
        guesses.add(context.owner, address)
        st.html(problem(str(error)))
        return
    try:
        room = context.store.join_room(code, name, by=context.owner)
    except StoreError as error:
        st.html(problem(str(error)))
        return
    enter(room.id)
    st.switch_page(
        context.train_page, query_params={SPACE: room.id}
    )  # without: an error where knobs are in the address


def new_room(context: PageContext) -> None:
    """Draws the form that makes a room."""
    with (
        st.expander("New room", icon=":material/co_present:", expanded=False),
        st.form("new-room", border=False),
    ):
        st.html(
            quiet("For a class: people join with a code of six letters, without an account, until it ends.")
        )
        st.text_input("Title", key="room-title", max_chars=MAX_LENGTHS["name"], placeholder="Monday, group 2")
        st.text_input("Your name there", key="room-name", max_chars=MAX_NAME, placeholder="Ada")
        st.selectbox(
            "It ends after",
            HOURS,
            format_func=HOURS.__getitem__,
            key="room-hours",
            help="Then nobody can join or train in it. Everything stays there to be looked at and exported.",
        )
        st.form_submit_button("Make the room", type="primary", on_click=_make, args=(context,))


def room_state(room: Space) -> str:
    """Returns until when a room lives, for a list of facts."""
    if not room.is_open or room.ends is None:
        return "Ended"
    left = format_duration((room.ends - datetime.now(UTC)).total_seconds())
    return f"Locked, ends in {left}" if room.locked else f"Open, ends in {left}"


def look_after_room(context: PageContext, room: Space) -> None:
    """Draws the code, and for its owners what they can do with the room."""
    if room.code and room.is_open:
        with st.container(horizontal=True, vertical_alignment="center", gap="small"):
            st.html(
                f'<p class="tp-code" aria-label="Code: {" ".join(room.code)}">{_spaced(room.code)}</p>',
                width="content",
            )
            shown = st.button(
                "Show the code",
                key=f"room-show-{room.id}",
                icon=":material/qr_code_2:",
                help="Large, with a QR code, for the projector.",
            )
        if shown:
            _show_code(room.code, address_of(context.spaces_page, context, {ROOM: room.code}))
    if context.roles[room.id] is Role.OWNER:
        with st.container(horizontal=True, gap="small"):
            _controls(context, room)


@st.dialog("Join this room", width="large")
def _show_code(code: str, address: str) -> None:
    picture = segno.make(address, error="m").svg_data_uri(dark="#000", light="#fff", border=3)
    shown = address.split("://")[-1]
    st.html(
        f'<div class="tp-projected"><p class="tp-code">{_spaced(code)}</p>'
        f'<img src="{picture}" alt="QR code of the address below"><p>{escape_html(shown)}</p></div>'
    )


def _controls(context: PageContext, room: Space) -> None:
    store, by = context.store, context.owner
    if not room.is_open:
        _control(
            "Open again for 2 hours",
            "extend",
            room,
            partial(store.extend_room, room.id, 2, by=by),
            "lock_open",
        )
    else:
        lock = "Unlock" if room.locked else "Lock"
        _control(
            lock,
            "lock",
            room,
            partial(store.lock_room, room.id, not room.locked, by=by),
            "lock_open" if room.locked else "lock",
            "Locked, a room lets nobody new in.",
        )
        _control(
            "Stop all runs",
            "stop",
            room,
            partial(store.stop_all, room.id, by=by),
            "stop_circle",
            "Stops everybody's runs in this room. They can be resumed.",
        )
    _control(
        "Clear",
        "clear",
        room,
        partial(store.clear_space, room.id, by=by),
        "cleaning_services",
        "Archives everything here that is over, so that the lists are empty for what comes next.",
    )
    readable = [run for run in store.runs((room.id,), None) if config_of(run) is not None]
    export_zip(
        "Export everything",
        readable,
        partial(write_runs, store, get_settings(), readable),
        "room.zip",
        key=f"room-export-{room.id}",
        help="All runs of the room in one file, which another installation imports.",
        command=f"export {' '.join(str(run.id) for run in readable[:20])} --format zip",
    )
    if room.is_open:
        with st.popover("End", icon=":material/door_front:"):
            st.html(
                information(
                    "All runs are stopped, and nobody can join or train here any more. Nothing is deleted."
                )
            )
            _control("End the room", "end", room, partial(store.end_room, room.id, by=by), "door_front")


def _control(
    label: str, what: str, room: Space, act: Callable[[], object], icon: str, help: str | None = None
) -> None:
    st.button(
        label,
        key=f"room-{what}-{room.id}",
        icon=f":material/{icon}:",
        help=help,
        on_click=_do,
        args=(act,),
    )


@reporting_errors()
def _do(act: Callable[[], object]) -> None:
    act()


@reporting_errors()
def _make(context: PageContext) -> None:
    state = st.session_state
    room = context.store.open_room(
        state["room-title"], state["room-hours"], by=context.owner, name=state["room-name"]
    )
    enter(room)


def _spaced(code: str) -> str:
    """Returns a code in two groups, as it is read out."""
    half = len(code) // 2
    return f"{code[:half]} {code[half:]}"
