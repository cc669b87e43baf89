"""The Spaces page: make a shared space, join one by a link or a code, and look after its members."""

from __future__ import annotations

import streamlit as st

from pages.widgets.markup import facts_list, information, problem, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.page_parts import heading
from pages.widgets.rooms import join_room, look_after_room, new_room, room_state
from pages.widgets.run_polling import reporting_errors
from pages.widgets.space_choice import PRIVATE, enter
from pages.widgets.space_limits import limits_form, space_usage
from pages.widgets.space_members import space_members
from pages.widgets.text import escape_html
from trainer.spaces import Role, Space, SpaceKind
from trainer.store import MAX_LENGTHS, StoreError
from trainer.store.spaces import MAX_NAME

JOIN = "join"
"""The parameter of the address that carries an invitation."""
MAY = {
    Role.VIEWER: "look at everything in it",
    Role.MEMBER: "train in it, and change what you have started",
    Role.EDITOR: "train in it, and change everything",
    Role.OWNER: "change everything, and look after its members",
}


def page(context: PageContext) -> None:
    """Draws the page."""
    heading(
        "Spaces",
        "What you train is private until you share it. In a project or a room, its members see each other's runs, "
        "comparisons and files.",
    )
    _invitation(context)
    join_room(context)
    _private(context)
    for one in context.shared:
        _card(context, one)
    _new_project(context)
    new_room(context)


def _invitation(context: PageContext) -> None:
    """Draws what the link in the address invites to, where it holds an invitation."""
    if not (key := st.query_params.get(JOIN)):
        return
    try:
        space, role = (invited := context.store.invitation(key)).space, invited.role
    except StoreError as error:
        st.html(problem(str(error)))
        return
    if (known := context.roles.get(space.id)) and known.includes(role):
        st.html(information(f"You are a member of “{space.title}” already."))
        return
    with st.form("join", border=True):
        st.html(
            f'<h2 class="tp-title">Join “{escape_html(space.title)}”</h2>'
            + quiet(f"As {'an' if role is Role.OWNER else 'a'} {role}, you may {MAY[role]}.")
        )
        st.text_input("Your name there", key="join-name", max_chars=MAX_NAME, placeholder="Ada")
        st.form_submit_button("Join", type="primary", on_click=_join, args=(context, key))


@reporting_errors()
def _join(context: PageContext, key: str) -> None:
    space = context.store.join(key, st.session_state["join-name"], by=context.owner)
    st.query_params.pop(JOIN, None)
    enter(space.id)


def _private(context: PageContext) -> None:
    with st.container(border=True, key="space-private", gap="small"):
        st.html(
            f'<h2 class="tp-title">{PRIVATE}</h2>'
            + quiet("Yours alone, in this browser. Others see of it what you open to them with a link.")
        )
        space_usage(context, context.owner, shared=False)
        _enter_button(context, None, context.owner)


def _card(context: PageContext, space: Space) -> None:
    role = context.roles[space.id]
    with st.container(border=True, key=f"space-{space.id}", gap="small"):
        facts = {"Kind": space.kind.capitalize(), "Your role": role.capitalize()}
        if space.kind is SpaceKind.ROOM:
            facts["State"] = room_state(space)
        archived = quiet("Archived: it can be looked at, and nothing is added.") if space.archived else ""
        st.html(f'<h2 class="tp-title">{escape_html(space.title)}</h2>{archived}{facts_list(facts)}')
        space_usage(context, space.id, shared=True)
        with st.container(horizontal=True, gap="small"):
            _enter_button(context, space.id, space.id)
        if space.kind is SpaceKind.ROOM:
            look_after_room(context, space)
        if st.toggle("Members and links", key=f"members-{space.id}"):
            space_members(context, space)
        if st.toggle("Limits", key=f"limits-{space.id}"):
            limits_form(context, space)


def _enter_button(context: PageContext, target: str | None, space: str) -> None:
    here = context.space == space
    st.button(
        "You are here" if here else "Go there",
        key=f"enter-{target or 'private'}",
        icon=":material/check:" if here else ":material/login:",
        disabled=here,
        on_click=enter,
        args=(target,),
    )


def _new_project(context: PageContext) -> None:
    with (
        st.expander("New project", icon=":material/add:", expanded=False),
        st.form("new-project", border=False),
    ):
        st.text_input(
            "Title", key="project-title", max_chars=MAX_LENGTHS["name"], placeholder="Delivery times"
        )
        st.text_input("Your name there", key="project-name", max_chars=MAX_NAME, placeholder="Ada")
        st.form_submit_button("Make the project", type="primary", on_click=_create, args=(context,))


@reporting_errors()
def _create(context: PageContext) -> None:
    state = st.session_state
    space = context.store.create_space(
        SpaceKind.PROJECT, state["project-title"], by=context.owner, name=state["project-name"]
    )
    state[f"members-{space}"] = True
    enter(space)
