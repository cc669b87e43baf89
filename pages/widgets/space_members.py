"""A space's members and the links into it, as its owners look after them and others see them."""

from __future__ import annotations

from functools import partial

import streamlit as st

from pages.widgets.addresses import address_of
from pages.widgets.markup import information, quiet
from pages.widgets.page_context import PageContext
from pages.widgets.run_polling import reporting_errors
from pages.widgets.share import copy_button
from pages.widgets.text import escape_html, escape_markdown
from trainer.spaces import Link, LinkKind, Membership, Role, Space, SpaceKind
from trainer.store import MAX_LENGTHS
from trainer.store.access import digest_of
from trainer.store.spaces import LINK_DAYS

_MADE = "made-link"


def space_members(context: PageContext, space: Space) -> None:
    """Draws the members, the links, and what an owner can change of the space."""
    owns = context.roles[space.id] is Role.OWNER
    for one in context.store.memberships(space.id, by=context.owner):
        _member(context, space, one, owns)
    if owns:
        _invite(context, space)
    links_of(context, space.id)
    if owns:
        _space_itself(context, space)


def _member(context: PageContext, space: Space, member: Membership, owns: bool) -> None:
    you = member.person == context.owner
    handle = digest_of(member.person)[:12]  # who has the id itself is that person
    with st.container(
        horizontal=True, vertical_alignment="center", gap="small", key=f"member-{space.id}-{handle}"
    ):
        st.html(f"<span>{escape_html(member.name)}{' (you)' if you else ''}</span>", width="stretch")
        key = f"role-{space.id}-{handle}"
        if owns:
            st.selectbox(
                f"Role of {escape_markdown(member.name)}",
                list(Role),
                list(Role).index(member.role),
                format_func=str.capitalize,
                key=key,
                label_visibility="collapsed",
                width=140,
                on_change=partial(_set_role, context, space.id, member.person, key),
            )
        else:
            st.html(quiet(member.role.capitalize()))
        if owns and not you and space.kind is SpaceKind.ROOM:
            st.button(
                "Hide name",
                key=f"hide-{space.id}-{handle}",
                type="tertiary",
                help="Calls them “Guest” and a number from now on.",
                on_click=partial(_hide_name, context, space.id, member.person),
            )
        if owns or you:
            st.button(
                "Leave" if you else "Remove",
                key=f"remove-{space.id}-{handle}",
                type="tertiary",
                help="What was made here stays in the space.",
                on_click=partial(_remove, context, space.id, member.person),
            )


def _invite(context: PageContext, space: Space) -> None:
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        role = st.selectbox(
            "Invite as",
            list(Role)[:-1],
            1,
            format_func=str.capitalize,
            key=f"invite-role-{space.id}",
            help="Viewers look. Members train, and change what they have started. Editors change everything.",
            width=160,
        )
        st.button(
            "Make a link",
            key=f"invite-{space.id}",
            icon=":material/link:",
            on_click=partial(_make_invitation, context, space.id, role),
        )
    show_made_link(f"invite-{space.id}")


def show_made_link(place: str) -> None:
    """Draws a link that has just been made at this place. It is shown this once: its key is kept nowhere."""
    made = st.session_state.get(_MADE)
    if made is None or made[0] != place:
        return
    st.html(
        information(
            f"Copy the link now; it is not shown again. It holds for {LINK_DAYS} days, or until it is revoked."
        )
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.code(made[1], language=None, wrap_lines=True)
        copy_button("Copy", made[1], key=f"copy-{place}")


def keep_made_link(place: str, address: str) -> None:
    """Keeps a link for the script's next run, which shows it."""
    st.session_state[_MADE] = (place, address)


def links_of(
    context: PageContext, space: str, kind: LinkKind | None = None, opens: int | None = None
) -> None:
    """Draws the links of a space that hold, or those to one thing, each with the way to revoke it."""
    for one in context.store.links(space, by=context.owner):
        if kind is None or (one.kind, one.opens) == (kind, opens):
            _link(context, one)


def _link(context: PageContext, link: Link) -> None:
    what = (
        f"Invitation as {link.role}" if link.kind is LinkKind.SPACE else f"Link to {link.kind} {link.opens}"
    )
    with st.container(horizontal=True, vertical_alignment="center", gap="small"):
        st.html(quiet(f"{what}, until {link.expires:%-d %B %Y}"), width="stretch")
        st.button(
            "Revoke",
            key=f"revoke-{link.id}",
            type="tertiary",
            on_click=partial(_revoke, context, link.id),
        )


def _space_itself(context: PageContext, space: Space) -> None:
    key = f"space-title-{space.id}"
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input(
            "Title",
            space.title,
            key=key,
            max_chars=MAX_LENGTHS["name"],
            on_change=partial(_rename, context, space.id, key),
        )
        st.button(
            "Open again" if space.archived else "Archive",
            key=f"archive-space-{space.id}",
            icon=":material/archive:",
            help="Archived, a space can be looked at, and nothing is added.",
            on_click=partial(_archive, context, space),
        )


@reporting_errors()
def _make_invitation(context: PageContext, space: str, role: Role) -> None:
    key = context.store.invite(space, role, by=context.owner)
    keep_made_link(f"invite-{space}", address_of(context.spaces_page, context, {"join": key}))


@reporting_errors()
def _set_role(context: PageContext, space: str, person: str, key: str) -> None:
    context.store.set_role(space, person, st.session_state[key], by=context.owner)


@reporting_errors()
def _hide_name(context: PageContext, space: str, person: str) -> None:
    context.store.hide_name(space, person, by=context.owner)


@reporting_errors()
def _remove(context: PageContext, space: str, person: str) -> None:
    context.store.remove_member(space, person, by=context.owner)


@reporting_errors()
def _revoke(context: PageContext, link_id: int) -> None:
    context.store.revoke(link_id, by=context.owner)


@reporting_errors()
def _rename(context: PageContext, space: str, key: str) -> None:
    context.store.rename_space(space, st.session_state[key], by=context.owner)


@reporting_errors()
def _archive(context: PageContext, space: Space) -> None:
    context.store.archive_space(space.id, not space.archived, by=context.owner)
