"""Several runs, or a comparison, in one zip: whole in another installation, or refused with a sentence and without a trace."""

from __future__ import annotations

import io
import json
import signal
import subprocess
import sys
import zipfile

import pytest
from engine_runs import exact, small
from zips import changed, edited

from trainer.cli.main import main
from trainer.comparison.analysis import analyse, start
from trainer.comparison.design import make_design
from trainer.comparison.effects import read_curves
from trainer.comparison.figure import band_chart
from trainer.comparison.tables import arms_table, effects_table
from trainer.export.bundle import BundleError
from trainer.export.collection import write_comparison, write_runs
from trainer.export.imported_collection import import_file
from trainer.export.sandboxed_import import receive
from trainer.processes.control import Control
from trainer.processes.worker import train_attempt
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, Store

TITLE, NOTES = "Ünïcode <b>*", "noted\n**this**"
TAGS = ["for the talk", "<b>"]
BASE = small(epochs=2)
WRITTEN = {}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home with a comparison that has ended (1), and one that is half done (2)."""
    folder = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TRAINSCOPE_HOME", str(folder))
        settings = get_settings()
        store = Store(settings.url)
        design = make_design({"baseline": BASE, "batch <norm>": BASE.changed({"normalization": "batch"})}, 2)
        for count in (4, 1):
            number = start(store, design, "me", TITLE)
            store.set_comparison_notes(number, NOTES, by="me")
            store.set_comparison_tags(number, TAGS, by="me")
            store.set_tags(store.members(number)[0].run.id, TAGS, by="me")
            for one in store.members(number)[:count]:
                train_attempt(store, one.run.id, store.claim(one.run.id), settings, Control())
        WRITTEN.clear()
        yield settings, store
        store.close()


@pytest.fixture
def other(tmp_path, monkeypatch):
    """Another installation."""
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "other"))
    settings = get_settings()
    store = Store(settings.url)
    yield settings, store
    store.close()


def written(home, comparison_id=1):
    """A comparison's zip. Written once: the scripts in it take a while."""
    if comparison_id not in WRITTEN:
        settings, store = home
        out = io.BytesIO()
        write_comparison(store, settings, comparison_id, out)
        WRITTEN[comparison_id] = out.getvalue()
    return WRITTEN[comparison_id]


def brought(other, data, owner="you"):
    settings, store = other
    return import_file(store, settings, io.BytesIO(data), owner)


def shown(store, number):
    """What the comparison's page shows of it."""
    found = analyse(store, number)
    curves = read_curves(store, found)
    chart = band_chart(found, curves, ["#000000", "#111111"]).to_json()
    return found.sentences, arms_table(found), effects_table(found, curves), chart, found.states


def is_untouched(other):
    settings, store = other
    incoming = settings.uploads / "incoming"
    assert store.runs(archived=None) == []
    assert store.comparisons(archived=None) == []
    assert not (settings.home / "runs").exists()
    return not incoming.exists() or not list(incoming.iterdir())


def test_a_comparison_comes_over_whole(home, other):
    (_, before), (settings, after) = home, other
    imported = brought(other, written(home))
    old, new = before.comparison(1), after.comparison(imported.comparison)
    assert (new.title, new.notes, new.owner) == (TITLE, NOTES, "you")
    assert exact(new.design) == exact(old.design)
    assert new.created == old.created
    assert new.tags == after.run(imported.runs[0]).tags == TAGS
    assert after.tags(["you"]) == sorted(TAGS)
    assert exact(shown(after, imported.comparison)) == exact(shown(before, 1))
    for one, two in zip(before.members(1), after.members(imported.comparison), strict=True):
        assert (one.arm, one.replicate, one.run.name) == (two.arm, two.replicate, two.run.name)
        for kind in ("step", "epoch", "health"):
            curves = [
                store.read_points(run.id, kind).array for store, run in ((before, one.run), (after, two.run))
            ]
            assert curves[0].tobytes() == curves[1].tobytes()
        assert (settings.run_folder(two.run.id) / "weights.safetensors").is_file()
    assert not list((settings.uploads / "incoming").iterdir())


def test_what_was_half_done_goes_on_there(home, other):
    settings, store = other
    number = brought(other, written(home, 2)).comparison
    assert [str(one.run.status) for one in store.members(number)] == ["finished", *["stopped"] * 3]
    assert store.resume_all(number, by="you") == 3
    for one in store.members(number)[1:]:
        train_attempt(store, one.run.id, store.claim(one.run.id), settings, Control())
    assert shown(store, number)[0] == shown(home[1], 1)[0]


def test_several_runs_come_over_in_one_zip(home, other):
    settings, before = home
    out = io.BytesIO()
    write_runs(before, settings, [before.run(one) for one in (3, 1)], out)
    imported = brought(other, out.getvalue())
    assert imported.comparison is None
    names = [other[1].run(one).name for one in imported.runs]
    assert names == [before.run(one).name for one in (3, 1)]
    assert receive(other[0], io.BytesIO(written(home)), "you").comparison == 1


def inner(change):
    """A change inside the first run's bundle."""

    def changing(files):
        name = next(name for name in files if name.startswith("runs/"))
        files[name] = changed(files[name], change)

    return changing


def member(**values):
    """A change of the first member."""

    def change(files):
        facts = json.loads(files["comparison.json"])
        facts["members"][0] |= values
        files["comparison.json"] = json.dumps(facts).encode()

    return change


def designed(**values):
    def change(files):
        facts = json.loads(files["comparison.json"])
        facts["design"] |= values
        files["comparison.json"] = json.dumps(facts).encode()

    return change


def nested(files):
    for name in [name for name in files if name.startswith("runs/")][:1]:
        out = io.BytesIO()
        with zipfile.ZipFile(out, "w") as archive:
            archive.writestr(
                "manifest.json", json.dumps({"format": "trainscope-runs", "version": 1, "files": {}})
            )
            archive.writestr(name, files[name])
        files[name] = out.getvalue()


def without_runs(files):
    for name in [name for name in files if name.startswith("runs/")]:
        del files[name]


HOSTILE = {
    "another version": (edited("manifest.json", version=2), "reads version 1"),
    "a run of another version": (inner(edited("manifest.json", version=7)), "in version 7"),
    "a run that is none": (inner(edited("config.json", learning_rate=-1)), "learning_rate is -1"),
    "a run that is a bomb": (inner(lambda files: files.update({"results.json": b" " * 900_000 * 2})), "the limit is 1 MB"),
    "a run that is a collection": (nested, "this installation reads trainscope-run"),
    "a run that is noise": (lambda files: files.update({"runs/1.zip": b"PK" * 99}), "no whole zip"),
    "no runs": (without_runs, "has 0 runs"),
    "a comparison of nothing": (lambda files: files.update({"comparison.json": b"[]"}), "no JSON object"),
    "deep JSON": (lambda files: files.update({"comparison.json": b"[" * 100_000}), "not JSON"),
    "a book of notes": (lambda files: files.update({"comparison.json": b" " * 3_000_000}), "the limit is 2 MB"),
    "a title that is no text": (edited("comparison.json", title=["x"]), "must be text"),
    "a moment that is none": (edited("comparison.json", created="yesterday"), "no moment"),
    "tags that are no list": (edited("comparison.json", tags="x"), "must be a list of text"),
    "no design": (edited("comparison.json", design=None), "not possible here"),
    "an impossible design": (designed(seeds=[1, 1]), "Seed 1 is listed twice"),
    "members that are no list": (edited("comparison.json", members={}), "members do not fit"),
    "an arm that is not there": (member(arm=7), "no arm 7"),
    "an arm below zero": (member(arm=-1), "members do not fit"),
    "an arm that is true": (member(arm=True), "members do not fit"),
    "a run that is not there": (member(run="../../etc/passwd"), "no run '../../etc/passwd'"),
    "a run in another arm": (member(arm=1), "other knobs than its arm"),
    "a run of another seed": (member(replicate=1), "other knobs than its arm"),
    "a run without a place": (edited("comparison.json", members=[]), "a run without a place"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_zip_is_refused_with_a_sentence_and_leaves_nothing(name, home, other):
    change, sentence = HOSTILE[name]
    data = changed(written(home), change, compression=zipfile.ZIP_STORED)
    with pytest.raises(BundleError) as error:
        brought(other, data)
    assert sentence in str(error.value)
    assert len(str(error.value)) < 500
    assert "\n" not in str(error.value)
    assert is_untouched(other)


def test_zips_that_lie_about_themselves_are_refused(home, other, monkeypatch):
    good = written(home)
    for data, sentence in (
        (changed(good), "packed twice"),
        (
            changed(good, inner(edited("run.json", name="x")), sign=False, compression=zipfile.ZIP_STORED),
            "checksum",
        ),
        (good[: len(good) // 2], "no whole zip"),
    ):
        with pytest.raises(BundleError, match=sentence):
            brought(other, data)
    for limit, value, sentence in (("MAX_RUNS", 3, "1 to 3 runs"), ("MAX_BYTES", 10_000, "import fewer")):
        with monkeypatch.context() as patch:
            patch.setattr(f"trainer.export.imported_collection.{limit}", value)
            with pytest.raises(BundleError, match=sentence):
                brought(other, good)
    assert is_untouched(other)


def test_all_runs_together_count_against_the_quota(home, other, monkeypatch):
    store = other[1]
    monkeypatch.setenv("TRAINSCOPE_UPLOAD_QUOTA_MB", "1")
    one = brought(other, written(home), COMMAND_LINE)
    kept = store.usage(COMMAND_LINE, space=COMMAND_LINE).used.visitor_bytes
    store.delete_comparison(one.comparison, by=COMMAND_LINE)
    store.add_upload("you", "ab" * 32, "large.csv", "table", 1_000_000 - kept + 1)
    with pytest.raises(BundleError, match="you may keep 1 MB"):
        import_file(store, get_settings(), io.BytesIO(written(home)), "you")
    assert store.comparisons(archived=None) == []


def test_a_folder_that_cannot_be_moved_takes_all_of_it_back(home, other):
    settings, _ = other
    (settings.home / "runs").mkdir(parents=True)
    (settings.home / "runs" / "3").write_text("in the way")
    with pytest.raises(BundleError, match="could not be saved"):
        brought(other, written(home))
    (settings.home / "runs" / "3").unlink(missing_ok=True)
    (settings.home / "runs").rmdir()
    assert is_untouched(other)


def test_a_kill_half_way_leaves_nothing(home, other, tmp_path):
    """The third run of four is read when the process is killed; what lies on the disk is swept by the next import."""
    settings, store = other
    (tmp_path / "comparison.zip").write_bytes(written(home))
    die = (
        "import os, sys; from trainer.cli.main import main; from trainer.export import imported_collection as it\n"
        "read, seen = it.read_bundle, []\n"
        "def dying(file):\n"
        "    seen.append(1)\n"
        "    return os.kill(os.getpid(), 9) if len(seen) == 3 else read(file)\n"
        "it.read_bundle = dying\n"
        "main(['import', sys.argv[1]])"
    )
    done = subprocess.run([sys.executable, "-c", die, tmp_path / "comparison.zip"], check=False, timeout=300)
    assert done.returncode == -signal.SIGKILL
    assert list((settings.uploads / "incoming").iterdir())
    assert store.runs(archived=None) == []
    assert brought(other, written(home)).comparison == 1
    assert not list((settings.uploads / "incoming").iterdir())


def test_the_command_line_exports_and_imports(home, tmp_path, monkeypatch, capfd):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(home[0].home))
    monkeypatch.chdir(tmp_path)
    assert main(["export", "--comparison", "1"]) == 0
    assert main(["export", "2", "1", "2", "--format", "zip", "--out", "two.zip"]) == 0
    assert capfd.readouterr().out == "comparison-1.zip\ntwo.zip\n"
    for wrong, said in (
        (["export"], "Name what to export"),
        (["export", "1"], "Choose the format"),
        (["export", "1", "2", "--format", "csv"], "not as csv"),
        (["export", "1", "--comparison", "1"], "Name what to export"),
        (["export", "--comparison", "9"], "There is no comparison 9"),
        (["export", "1", "99", "--format", "zip"], "There is no run 99"),
    ):
        assert main(wrong) == 2
        error = capfd.readouterr().err
        assert said in error
        assert error.count("\n") == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["comparison-1.zip", "two.zip"]
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "new"))
    assert main(["import", "comparison-1.zip"]) == 0
    assert main(["import", "two.zip"]) == 0
    assert capfd.readouterr().out == "comparison 1\n5\n6\n"
