"""Branching a run on its card and in its details: what is offered, and to whom."""

import pytest
from page_testing import VISITOR, Lab, has, text_of, widget

from trainer.config import RunConfig
from trainer.engine.kept import FOLDER
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, Planned


def with_checkpoints(store, owner, *names, **values):
    """A run that ended, with files as its training would keep them: pages read their names only."""
    run_id = store.create_run(RunConfig.from_flat(values), owner)
    folder = get_settings().run_folder(run_id) / FOLDER
    folder.mkdir(parents=True)
    for name in names or ("400-10-0-0-epoch", "812-20-12-0-marked", "6000-150-0-0-last"):
        (folder / f"{name}.pt").write_bytes(b"0" * 2_000_000)
    store.finish(run_id, store.claim(run_id), "finished")
    return run_id


def opened(lab, run_id, page=""):
    """A page with the checkpoints of a run unfolded."""
    app = lab.open(run=str(run_id))
    if page:
        Lab.go(app, page)
    app.session_state[f"kept-{run_id}"] = True
    return app.run()


@pytest.mark.parametrize("page", ["", "runs"])
def test_a_branch_begins_with_the_knobs_that_were_changed(lab, page):
    run_id = with_checkpoints(lab.store, VISITOR)
    app = opened(lab, run_id, page)
    assert not app.exception
    for said in ("<td>10</td>", "Marked", "Evenly spread", "2 MB", "812"):
        assert said in text_of(app)
    assert widget(app, f"fork-{run_id}").value == 812, "the newest with epochs left"
    widget(app, f"fork-{run_id}").set_value(6000).run()
    assert widget(app, f"branch-{run_id}").disabled, "all epochs are trained at the last checkpoint"
    assert "Set epochs to more" in text_of(app)
    widget(app, f"fork-{run_id}").set_value(400).run()
    widget(app, f"branch-{run_id}-400--learning_rate").set_value(0.01).run()
    widget(app, f"branch-{run_id}").click().run()
    assert not app.exception
    made = lab.runs()[0]
    assert (made.parent_id, made.parent_step, made.owner) == (run_id, 400, VISITOR)
    (change,) = lab.store.knob_changes(made.id)
    assert (change.values, change.step) == ({"learning_rate": 0.01}, 400)
    assert any("goes on from step 400" in toast.value for toast in app.toast)
    app = lab.open(run=str(run_id))
    assert "branched at step 400" in text_of(app)
    labels = [link.proto.label for link in app.get("page_link")]
    assert "Branched from Run 1 at step 400" in labels
    assert "Run 2 branched here at step 400" in labels
    lab.store.delete(run_id, by=VISITOR)
    assert "Branched at step 400 of a run that is not here any more." in text_of(lab.open(run=str(made.id)))


def test_a_double_click_branches_once(lab):
    run_id = with_checkpoints(lab.store, VISITOR)
    app = opened(lab, run_id)
    widget(app, f"fork-{run_id}").set_value(400).run()
    for _ in range(2):
        widget(app, f"branch-{run_id}").click().run()
    assert len(lab.runs()) == 2


def test_a_run_of_the_command_line_is_branched_and_not_marked(lab):
    run_id = lab.store.create_run(RunConfig(), COMMAND_LINE)
    lab.store.claim(run_id)
    folder = get_settings().run_folder(run_id) / FOLDER
    folder.mkdir(parents=True)
    (folder / "400-10-0-0-epoch.pt").write_bytes(b"0")
    app = opened(lab, run_id)
    assert not has(app, f"mark-{run_id}")
    assert "a run of your own" in text_of(app)
    widget(app, f"branch-{run_id}").click().run()
    (made,) = lab.runs()
    assert made.parent_id == run_id


def test_a_checkpoint_that_was_thinned_meanwhile_says_so(lab):
    run_id = with_checkpoints(lab.store, VISITOR)
    app = opened(lab, run_id)
    widget(app, f"fork-{run_id}").set_value(400).run()
    (get_settings().run_folder(run_id) / FOLDER / "400-10-0-0-epoch.pt").unlink()
    widget(app, f"branch-{run_id}").click().run()
    assert not app.exception
    assert len(lab.runs()) == 1
    assert any("No checkpoint is kept at step 400" in toast.value for toast in app.toast)


def test_only_ones_own_training_run_can_mark_a_step(lab):
    run_id = lab.store.create_run(RunConfig(), VISITOR)
    assert not has(opened(lab, run_id), f"mark-{run_id}")
    lab.store.claim(run_id)
    app = opened(lab, run_id)
    widget(app, f"mark-{run_id}").click().run()
    assert lab.store.run(run_id).request == "mark"
    assert "Marking…" in text_of(app)
    assert widget(app, f"mark-{run_id}").disabled


def test_a_run_of_a_comparison_says_why_its_knobs_stay(lab):
    comparison = lab.store.create_comparison({}, [Planned(0, 0, "", RunConfig().to_dict())], VISITOR)
    (member,) = lab.store.members(comparison)
    app = lab.open(run=str(member.run.id))
    assert not has(app, f"apply-{member.run.id}")
    assert "belongs to a comparison, whose arms must stay" in text_of(app)
