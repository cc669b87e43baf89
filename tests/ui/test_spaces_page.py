"""The Spaces page and what follows from it: where runs go, and whose are listed."""

from __future__ import annotations

import pytest
from page_testing import VISITOR, has, text_of, widget

from pages.server.guesses import Guesses
from trainer.config import RunConfig
from trainer.spaces import LinkKind, Role, SpaceKind
from trainer.store import StoreError


@pytest.fixture
def project(lab):
    """A project of the visitor's, with another member and a run of theirs in it."""
    space = lab.store.create_space(SpaceKind.PROJECT, "Deliveries", by=VISITOR, name="Ann")
    lab.store.join(lab.store.invite(space, Role.MEMBER, by=VISITOR), "Bob", by="bob")
    lab.store.within(space).create_run(RunConfig(), "bob", "of Bob")
    lab.store.create_run(RunConfig(), VISITOR, "of mine")
    return space


def table_of(app):
    return app.dataframe[0].value


def test_a_newcomer_has_one_space_and_no_choice(lab):
    app = lab.go(lab.open(), "spaces")
    assert not app.exception
    assert "Yours alone, in this browser" in text_of(app)
    assert "Live runs" in text_of(app)
    assert "0 of 100" in text_of(app)
    assert not has(app, "space-choice")
    assert "space" not in app.query_params


def test_a_project_is_made_and_entered(lab):
    app = lab.go(lab.open(), "spaces")
    widget(app, "project-title").set_value("Deliveries")
    widget(app, "project-name").set_value("Ann")
    next(one for one in app.button if one.label == "Make the project").click().run()
    assert not app.exception
    (space,) = lab.store.spaces(VISITOR)
    assert app.query_params["space"] == space.id
    assert widget(app, "space-choice").value == space.id
    assert "Ann (you)" in text_of(app)


def test_without_a_name_no_project_is_made(lab):
    app = lab.go(lab.open(), "spaces")
    widget(app, "project-title").set_value("Deliveries")
    next(one for one in app.button if one.label == "Make the project").click().run()
    assert not app.exception
    assert "use 1 to 40" in app.toast[0].value
    assert lab.store.spaces(VISITOR) == []


def test_new_runs_go_to_the_chosen_space_and_its_runs_are_listed(lab, project):
    app = lab.open(space=project)
    widget(app, "start").click().run()
    assert not app.exception
    assert [one.owner for one in lab.store.runs(project)] == [VISITOR, "bob"]
    app = lab.go(app, "runs")
    assert list(table_of(app)["By"]) == ["Ann", "Bob"]
    assert "of mine" not in list(table_of(app)["Name"])
    widget(app, "space-choice").set_value(None).run()
    assert list(table_of(app)["Name"]) == ["of mine"]
    assert "By" not in table_of(app)
    assert "space" not in app.query_params


def test_another_members_run_can_be_looked_at_and_copied(lab, project):
    run = lab.store.runs(project)[0]
    lab.store.finish(run.id, lab.store.claim(run.id), "finished")
    lab.store.set_role(project, "bob", Role.OWNER, by=VISITOR)
    lab.store.set_role(project, VISITOR, Role.MEMBER, by="bob")
    app = lab.go(lab.open(run=str(run.id), space=project), "runs")
    assert "Another member of this space started this run" in text_of(app)
    assert widget(app, f"move-run-{run.id}").disabled
    assert not has(app, f"publish-run-{run.id}")
    widget(app, f"copy-to-run-{run.id}").click().run()
    assert not app.exception
    assert [one.name for one in lab.store.runs(VISITOR)] == ["of Bob", "of mine"]
    assert lab.store.run(run.id).space == project


def test_a_link_leads_into_the_space_where_the_run_is(lab, project):
    run = lab.store.runs(project)[0]
    app = lab.go(lab.open(run=str(run.id)), "runs")
    assert not app.exception
    assert app.query_params["space"] == project
    assert "of Bob" in text_of(app)


def test_a_run_opened_by_a_link_is_only_looked_at(lab):
    run = lab.store.create_run(RunConfig(), "bob", "of Bob")
    key = lab.store.publish(LinkKind.RUN, run, by="bob")
    app = lab.go(lab.open(run=str(run), key=key), "runs")
    assert not app.exception
    assert "Somebody has opened this run to you" in text_of(app)
    assert widget(app, f"archive-{run}").disabled
    app = lab.go(lab.open(run=str(run), key="wrong"), "runs")
    assert "does not hold any more" in text_of(app)
    assert "of Bob" not in text_of(app)


def test_who_is_removed_is_back_in_their_private_space(lab, project):
    app = lab.go(lab.open(space=project), "runs")
    lab.store.set_role(project, "bob", Role.OWNER, by=VISITOR)
    lab.store.remove_member(project, VISITOR, by="bob")
    app.run()
    assert not app.exception
    assert list(table_of(app)["Name"]) == ["of mine"]
    assert not has(app, "space-choice")


def test_no_page_tells_another_members_id(lab, project):
    """Who knows the id in somebody's cookie is that person to the server."""
    secret = "somebody-elses-cookie1"
    lab.store.join(lab.store.invite(project, Role.EDITOR, by=VISITOR), "Cy", by=secret)
    lab.store.within(project).create_run(RunConfig(), secret)
    app = lab.go(lab.open(space=project), "spaces")
    app.session_state[f"members-{project}"] = True
    app.run()
    assert "Cy" in text_of(app)
    drawn = [str(app), *(str(lab.go(app, page)) for page in ("runs", "", "health"))]
    assert not any(secret in text for text in drawn)


def test_an_invitation_that_does_not_hold_says_so(lab):
    app = lab.go(lab.open(join="nonsense"), "spaces")
    assert not app.exception
    assert "has expired or was revoked" in text_of(app)
    with pytest.raises(StoreError):
        lab.store.invitation("nonsense")


def test_names_and_titles_are_text(lab):
    """Streamlit reads labels as Markdown: an image in one would call home."""
    image = "![x](https://evil.io/x.png)"
    space = lab.store.create_space(SpaceKind.PROJECT, f"<b>{image}</b>", by=VISITOR, name=image)
    app = lab.go(lab.open(space=space), "spaces")
    app.session_state[f"members-{space}"] = True
    app.run()
    assert not app.exception
    labels = [
        element.label for kind in (app.selectbox, app.button, app.toggle, app.text_input) for element in kind
    ]
    assert any("evil" in label for label in labels)
    assert not any(image in label for label in labels)
    assert "<b>!" not in text_of(app)


# -- rooms ------------------------------------------------------------------------------------------------------


def press(app, label):
    next(one for one in app.button if one.label == label).click().run()
    assert not app.exception


def test_a_room_is_made_with_a_code_and_looked_after(lab):
    app = lab.go(lab.open(), "spaces")
    widget(app, "room-title").set_value("Monday")
    widget(app, "room-name").set_value("Ms Lee")
    press(app, "Make the room")
    (room,) = lab.store.spaces(VISITOR)
    assert app.query_params["space"] == room.id
    assert f"{room.code[:3]} {room.code[3:]}" in text_of(app)
    assert "Open, ends in 2" in text_of(app)
    press(app, "Lock")
    assert "Locked, ends in" in text_of(app)
    press(app, "End the room")
    assert "Ended" in text_of(app)
    assert room.code[3:] not in text_of(app)
    press(app, "Open again for 2 hours")
    assert lab.store.spaces(VISITOR)[0].is_open


def test_a_student_joins_by_the_link_with_a_name_alone(lab):
    lab.store.open_room("Monday", 2, by="teacher", name="Ms Lee")
    (room,) = lab.store.spaces("teacher")
    app = lab.go(lab.open(room=room.code), "spaces")
    assert widget(app, "room-code").value == room.code
    widget(app, "room-nickname").set_value("Max")
    press(app, "Join")
    assert lab.store.roles(VISITOR)[room.id] is Role.MEMBER
    assert app.query_params["space"] == room.id
    assert has(app, "start"), "there is something to do at once"


def test_wrong_codes_are_refused_and_soon_not_even_tried(lab, monkeypatch):
    monkeypatch.setattr("pages.widgets.rooms.guesses", Guesses())  # the other tests' visitor is the same
    app = lab.go(lab.open(), "spaces")
    widget(app, "room-nickname").set_value("Max")
    for _ in range(10):
        widget(app, "room-code").set_value("AAAAAA")
        press(app, "Join")
        assert "There is no room with the code &#x27;AAAAAA&#x27;" in text_of(app)
    press(app, "Join")
    assert "Wait a minute" in text_of(app)


def test_a_teacher_hides_a_name(lab):
    room = lab.store.open_room("Monday", 2, by=VISITOR, name="Ms Lee")
    (made,) = lab.store.spaces(VISITOR)
    lab.store.join_room(made.code, "<b>rude</b>", by="eve")
    app = lab.go(lab.open(space=room), "spaces")
    widget(app, f"members-{room}").set_value(True).run()
    assert "&lt;b&gt;rude" in text_of(app)
    press(app, "Hide name")
    assert "rude" not in text_of(app)
    assert "Guest 1" in text_of(app)
