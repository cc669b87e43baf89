"""Lessons: the format and its errors, what questions and claims say of runs, and whether every lesson keeps its word."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
from command_line import ROOT, cli
from hypothesis import given
from hypothesis import strategies as st

from trainer.lessons import LessonError
from trainer.lessons.check import SEEDS, check, findings
from trainer.lessons.claims import Claim
from trainer.lessons.files import MAX_LENGTH, parse_lesson, read_lesson
from trainer.lessons.lesson import RECIPE, STEPS, Goal
from trainer.lessons.progress import Progress
from trainer.lessons.questions import POINTS, Answer, Answers, Draw, Read, Setting, Which, resampled
from trainer.lessons.readings import FIGURES, Trained, written
from trainer.lessons.shelf import FOLDER, find_lesson, lessons
from trainer.presets import PRESETS
from trainer.registry import families

DOCS = ROOT / "docs" / "lessons.md"
EXAMPLE = re.findall(r"^````markdown\n(.*?)^````$", DOCS.read_text("utf-8"), re.MULTILINE | re.DOTALL)[0]
SETTING = Setting(["a", "b"], "val_loss", True)


def run(
    val_loss=(0.9, 0.5, 0.7),
    train_loss=(0.9, 0.4, 0.2),
    *,
    stopped_by="epochs",
    accuracy=0.9,
    norm=(2.0, 1.0),
):
    """A run as lessons read it."""
    losses = np.array(val_loss, float)
    best = int(np.argmin(losses))
    results = {
        "stopped_by": stopped_by,
        "best": {"val_loss": losses[best], "val_metric": accuracy, "epoch": best + 1},
        "validation": {"loss": losses[-1], "metric": accuracy},
        "test": {"loss": None, "metric": None},
        "train": {"loss": train_loss[-1], "metric": 1.0},
        "epochs": len(losses),
        "skipped_steps": 0,
    }
    epochs = {"val_loss": losses, "train_loss": np.array(train_loss, float)}
    return Trained(results, epochs, {"grad_norm": np.array(norm), "clipped": np.array([1.0, 0.0])})


def changed(before: str, after: str) -> str:
    assert EXAMPLE.count(before) == 1, before
    return EXAMPLE.replace(before, after)


# -- the shelf ---------------------------------------------------------------------------------------------


def test_there_is_a_lesson_for_each_of_these_families():
    found = {one.family for one in lessons().values()}
    assert found >= {
        *("normalization", "dropout", "initialization", "optimizer", "schedule", "clipping", "precision"),
        *("early_stopping", "mixing", "model", RECIPE),
    }
    assert {one.preset for one in lessons().values()} >= {
        *("optimizers", "batch_norm", "dropout", "schedules", "full_recipe"),
    }


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*.md")])
def test_every_promise_holds_over_six_seeds(name):
    """And the solution reaches the goal, and no question is a matter of chance."""
    lesson = find_lesson(name)
    checked = check(lesson, SEEDS, Path("no-data-here"))
    assert not [one.sentence for one in checked.findings if not one.holds]
    if lesson.base:
        promised = {claim.arm for claim in lesson.claims}
        assert promised >= set(lesson.base.claims), "the promise of its preset is its own"


@pytest.mark.parametrize("name", [path.stem for path in FOLDER.glob("*.md")])
def test_every_lesson_can_be_read(name):
    lesson = find_lesson(name)
    assert 5 <= lesson.minutes <= 10
    assert lesson.question.endswith("?")
    assert "$$" in lesson.sections["Why"], "a formula"
    assert lesson.examples, "a worked example"
    assert any(isinstance(one, Draw) for one in lesson.predictions), "a curve to draw"
    assert len(set(lesson.now_you.knobs)) == len(lesson.now_you.knobs) > 1
    paragraphs = [part for part in lesson.sections["Why"].split("\n\n") if not part.startswith("$$")]
    assert 2 <= len(paragraphs) <= 3
    assert len(lesson.design(seed=7).seeds) == 1


def test_an_unknown_lesson_is_refused_with_a_hint():
    with pytest.raises(LessonError, match="There is no lesson called 'dropouts'; did you mean dropout"):
        find_lesson("dropouts")


# -- the format --------------------------------------------------------------------------------------------


def test_the_example_of_the_documentation_is_a_lesson():
    lesson = parse_lesson(EXAMPLE, "example", "example.md")
    assert lesson.name == "example"
    assert set(lesson.sections) == {"Question", "Why", "Now you"}


@pytest.mark.parametrize(
    ("before", "after", "line_of", "said"),
    [
        ("title: Momentum", "titel: Momentum", "titel", "There is no key called 'titel'; did you mean title"),
        ("title: Momentum", "title: [1]", "title", "`title` is [1], but should be a valid string"),
        ("minutes: 5", "minutes: long", "minutes", "`minutes` is 'long', but should be a valid integer"),
        ("minutes: 5", "minutes: 400", "minutes", "`minutes` is 400, but should be less than or equal to 30"),
        ("family: optimizer", "family: optimiser", "family", "did you mean optimizer"),
        ("data: digits", "data: digit", "data: digit", "did you mean digits"),
        ("learning_rate: 0.02", "learning_rate: -1", "shared:", "learning_rate is -1, but must be"),
        ("m: {optimizer: mo", "m: {optimizr: mo", "with momentum: {opt", "There is no knob called 'optimizr'"),
        ("    arm: plain", "    arm: plane", "    arm: plane", "did you mean plain"),
        ("below: plain", "below: plane", "below: plane", "did you mean plain"),
        ("below: plain", "beneath: plain", "beneath", "There is no key called 'beneath'"),
        (", below: plain}", "}", "  - {arm: with momentum}", "needs either `below` or `above`"),
        ("    which: lowest", "    answer: yes", "  - ask: Which twin", "`predictions.1` says not how it is answered"),
        ("    draw: val_loss", "    draw: loss", "draw: loss", "There is no curve called 'loss'"),
        ("  start: plain", "  start: plan", "start: plan", "did you mean plain"),
        ("reading: best_val_score", "reading: accuracy", "reading: accuracy", "There is no reading called 'accuracy'"),
        ("at_least: 0.9", "at_last: 0.9", "at_last", "There is no key called 'at_last'; did you mean at_least"),
        ("knobs: [optimizer,", "knobs: [optimiser,", "knobs: [", "There is no knob called 'optimiser'"),
        ("solution: {optimizer: momentum}", "solution: {epochs: 20}", "solution", "changes epochs, which is not among"),
        ("examples: [optimizer.momentum]", "examples: [momentum]", "examples", "There is no technique called 'momentum'"),
        ("title: Momentum", "title: Momentum\nname: x", "name: x", "`name` cannot be set"),
        ("minutes: 5", "minutes: 5\nminutes: 6", "minutes: 6", "the key 'minutes' comes twice"),
        ("minutes: 5", "minutes: 5: 6", "minutes: 5: 6", "this is not YAML"),
        ("## Why", "## Reason", "## Reason", "There is no section called 'Reason'"),
    ],
)  # fmt: skip
def test_an_error_names_file_line_value_and_remedy(before, after, line_of, said):
    text = changed(before, after)
    with pytest.raises(LessonError) as caught:
        parse_lesson(text, "mine", "mine.md")
    sentence = str(caught.value)
    assert said in sentence
    lines = text.splitlines()
    number = next(number for number, line in enumerate(lines, 1) if line_of in line)
    assert sentence.startswith(f"mine.md, line {number}: "), sentence
    assert "\n" not in sentence


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "line 1: there is no front matter"),
        ("# A title\n", "line 1: there is no front matter"),
        ("---\n- a\n---\n", "line 2: the front matter has no keys"),
        ("---\ntitle: &a [*a]\n---\n", "mine.md"),
        ("x" * (MAX_LENGTH + 1), "at most 100,000"),
        ("---\ntitle: x\n---\n", "the section “Question” is missing"),
    ],
)
def test_what_is_no_lesson_is_refused(text, said):
    with pytest.raises(LessonError, match=re.escape(said)):
        parse_lesson(text, "mine", "mine.md")


@given(st.text(max_size=300))
def test_no_text_ends_in_a_traceback(text):
    for whole in (text, f"---\n{text}\n---\n## Question\n", EXAMPLE.replace("minutes: 5", text)):
        try:
            parse_lesson(whole, "mine", "mine.md")
        except LessonError:
            continue


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(LessonError, match=r"gone\.md cannot be read: No such file"):
        read_lesson(tmp_path / "gone.md")
    (tmp_path / "bytes.md").write_bytes(b"\xff\xfe")
    with pytest.raises(LessonError, match="not a text file in UTF-8"):
        read_lesson(tmp_path / "bytes.md")


# -- claims, questions and goals ---------------------------------------------------------------------------


def test_a_claim_holds_or_not():
    runs = {"a": run((1.0, 0.4)), "b": run((1.0, 0.5))}
    assert Claim(arm="a", below="b").holds(runs, "val_loss")
    assert not Claim(arm="a", below="b", factor=0.5).holds(runs, "val_loss")
    assert Claim(arm="b", above=0.45).holds(runs, "val_loss")
    assert not Claim(arm="a", above="b").holds(runs, "val_loss")
    assert Claim(arm="a", below="b", reading="rise").words("val_loss") == (
        "the final validation loss divided by the lowest of “a” is below that of “b”"
    )


def test_a_run_that_diverged_has_an_infinite_loss():
    runs = {"a": run((1.0, 0.4)), "b": run((1.0, math.nan), stopped_by="non_finite_loss")}
    assert Claim(arm="a", below="b").holds_over([runs, runs], "val_loss")
    assert not Claim(arm="b", below="a").holds(runs, "val_loss")
    assert not Claim(arm="b", below="b").holds(runs, "val_loss")
    assert written("val_loss", FIGURES["val_loss"].read(runs["b"])) == "not a finite number"


def test_over_several_seeds_a_claim_must_hold_clearly():
    claim = Claim(arm="a", below="b")
    clear = [{"a": run((1, 0.4 + seed / 100)), "b": run((1, 0.5))} for seed in range(3)]
    assert claim.holds_over(clear, "val_loss")
    noisy = [{"a": run((1, value)), "b": run((1, 0.5))} for value in (0.1, 0.8, 0.55)]
    assert not claim.holds_over(noisy, "val_loss")
    same = [{"a": run((1, 0.5)), "b": run((1, 0.5))}] * 3
    assert not claim.holds_over(same, "val_loss"), "no difference is no promise kept"


def test_questions_are_judged_by_the_runs():
    runs = {"a": run((1.0, 0.4)), "b": run((1.0, 0.5))}
    which = Which(ask="?", which="lowest")
    assert which.judge("a", runs, SETTING) == (True, "It was “a” (a: 0.4, b: 0.5).")
    assert which.judge("b", runs, SETTING).right is False
    say = Answers(ask="?", answers=(Answer(text="no", when=(Claim(arm="b", below="a"),)), Answer(text="yes")))
    assert say.judge("yes", runs, SETTING) == (True, "It was: “yes”")
    read = Read(ask="?", read="best_epoch", arm="a", within=1)
    assert [read.judge(value, runs, SETTING).right for value in (0, 1, 3, 4)] == [False, True, True, False]
    share = Read(ask="?", read="best_val_score", arm="a", within=1)
    assert share.judge(90.5, runs, SETTING).right
    assert not share.judge(0.9, runs, SETTING).right, "shares are in percent"


def test_a_drawing_stands_beside_the_curve():
    drawing = list(np.linspace(1.0, 0.0, POINTS))
    judgment = Draw(ask="?", draw="val_loss", arm="a").judge(drawing, {"a": run()}, SETTING)
    assert judgment.right is None
    assert judgment.sentence == (
        "You drew a validation loss that ends at 0 and is lowest at epoch 3; it ended at 0.7 and was lowest at epoch 2."
    )
    assert resampled(np.array([0.0, 1.0, 2.0]), 5).tolist() == [0, 0.5, 1, 1.5, 2]


def test_a_goal_looks_at_the_run_its_knobs_and_its_twin():
    lesson = find_lesson("dropout")
    config = lesson.start.changed({"dropout.rate": 0.2})
    goal = Goal(text="!", reading="val_loss", at_most=0.5, of="a", where={"dropout.rate": {"at_least": 0.1}})
    arms = {"a": run((1.0, 1.0))}
    assert goal.is_reached(run((1.0, 0.45)), config, arms)
    assert not goal.is_reached(run((1.0, 0.55)), config, arms)
    assert not goal.is_reached(run((1.0, 0.45)), lesson.start, arms)
    assert list(goal.missed(lesson.start)) == ["Dropout rate at least 0.1"]


def test_a_promise_that_does_not_hold_is_found():
    lesson = parse_lesson(changed("below: plain", "above: plain"), "mine", "mine.md")
    seeds = [run((2.0, 1.0 + seed / 1000), accuracy=0.8) for seed in range(6)]
    better = [run((2.0, 0.1), accuracy=0.95) for _ in range(6)]
    found = findings(lesson, {"plain": seeds, "with momentum": better}, better)
    assert [one.holds for one in found].count(False) == 1
    assert found[0].sentence.endswith("is above that of “plain” (in 0 of 6 seeds).")


# -- progress ----------------------------------------------------------------------------------------------


def test_progress_knows_what_is_missing():
    lesson = find_lesson("dropout")
    drawing = [0.5] * POINTS
    items = {"prediction-1": "dropout 0", "prediction-2": drawing, "step": 3}
    assert not Progress(lesson, {}).has_predicted
    assert Progress(lesson, items).has_predicted
    assert Progress(lesson, items).step == 3
    assert not Progress(lesson, items).is_finished
    done = {
        **items,
        "comparison": 7,
        "checkpoint-1": 30,
        "checkpoint-2": lesson.checkpoints[1].answers[0].text,
    }
    assert Progress(lesson, done).is_finished
    assert Progress(lesson, {"try-1": 4, "try-2": 9}).tries == [4, 9]


@pytest.mark.parametrize(
    "items",
    [
        {"prediction-1": "dropout 0.9", "prediction-2": [0.5] * POINTS},
        {"prediction-1": "dropout 0", "prediction-2": [0.5]},
        {"prediction-1": "dropout 0", "prediction-2": [math.nan] * POINTS},
        {"prediction-1": 5, "prediction-2": "x", "comparison": "x", "step": "x", "try-1": None},
    ],
)
def test_what_another_version_of_the_lesson_kept_counts_for_nothing(items):
    progress = Progress(find_lesson("dropout"), items)
    assert not progress.has_predicted
    assert not progress.is_finished
    assert progress.comparison is None
    assert progress.tries == []
    assert 0 <= progress.step <= len(STEPS)


# -- the command -------------------------------------------------------------------------------------------


def test_the_command_lists_and_checks(tmp_path):
    code, out, _ = cli(tmp_path / "home", "lessons")
    assert code == 0
    assert all(lesson.title in out for lesson in lessons().values())
    (tmp_path / "mine.md").write_text(EXAMPLE, "utf-8")
    code, out, _ = cli(tmp_path / "home", "lessons", "check", tmp_path / "mine.md", "--seeds", "3")
    assert (code, "Momentum: the lesson keeps its word." in out) == (0, True), out
    assert "s together on 2 cores of this machine" in out
    (tmp_path / "mine.md").write_text(changed("below: plain", "above: plain"), "utf-8")
    code, out, _ = cli(tmp_path / "home", "lessons", "check", tmp_path / "mine.md", "--seeds", "2", "--json")
    assert code == 1
    assert json.loads(out)["holds"] is False
    (tmp_path / "mine.md").write_text(changed("minutes: 5", "minutes: long"), "utf-8")
    code, out, err = cli(tmp_path / "home", "lessons", "check", tmp_path / "mine.md")
    assert (code, out) == (2, "")
    assert err.startswith("trainer: mine.md, line ")
    assert len(err.splitlines()) == 1


def test_presets_that_are_lessons_are_held_here():
    """tests/unit/test_presets.py holds the promises of the others."""
    from test_presets import NOT_LESSONS

    assert set(NOT_LESSONS) == set(PRESETS) - {one.preset for one in lessons().values()}
    assert set(RECIPE.split()) & families().keys() == set()
