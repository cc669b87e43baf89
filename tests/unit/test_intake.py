"""Files on their way in: bounded in memory and time, whole or not there at all, and listed for whom they belong to."""

import io
import json
import subprocess
import sys
import threading
from pathlib import Path

import own_files
import pytest
from waiting import until

from trainer.cli.main import main
from trainer.config import RunConfig
from trainer.data.samples import DataError
from trainer.data.uploads import disk_bytes, find_manifest, upload_folder
from trainer.processes import incoming
from trainer.processes import sandboxed_reader as intake
from trainer.processes.sandboxed_reader import receive_file
from trainer.processes.turns import CancelledError, Turns
from trainer.settings import get_settings
from trainer.store import COMMAND_LINE, Store, StoreError


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def leftovers():
    return list((get_settings().uploads / "incoming").iterdir())


def test_progress_is_told_and_nothing_is_left_over():
    said = []
    digest = receive_file(io.BytesIO(own_files.csv_bytes()), get_settings(), lambda *step: said.append(step))
    assert said[0] == (0.0, "Saving")
    assert said[-1] == (1.0, "Reading rows")
    assert (upload_folder(digest) / "original").read_bytes() == own_files.csv_bytes()
    assert disk_bytes(digest) > len(own_files.csv_bytes())
    assert leftovers() == []


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"just words", "single column"),
        (b"PK\x03\x04nothing", "damaged"),
        (b"\0" * 100, "null bytes"),
    ],
)
def test_a_refused_file_leaves_nothing(data, words):
    with pytest.raises(DataError, match=words):
        own_files.added(data)
    assert leftovers() == []
    assert [path.name for path in get_settings().uploads.iterdir()] == ["incoming"]


def test_a_check_that_takes_too_long_is_ended(monkeypatch):
    monkeypatch.setattr(intake, "MAX_SECONDS", 0.0)
    with pytest.raises(DataError, match="within the limits on memory and time"):
        own_files.added(own_files.csv_bytes(5000))
    assert leftovers() == []


def test_memory_is_bounded_by_the_operating_system(tmp_path):
    look = (
        "import numpy as np\nfrom trainer.processes import sandboxed_reader as intake\nfrom pathlib import Path\n"
        "def greedy(folder, report):\n    return np.ones(2 * intake.MAX_MEMORY // 8).tolist()\n"
        "intake.read_upload = greedy\nintake.main(Path('.'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, timeout=60, check=True
    )
    assert "more memory" in json.loads(done.stdout)["problem"]


def test_a_cancelled_file_leaves_nothing():
    with pytest.raises(CancelledError):
        receive_file(io.BytesIO(own_files.csv_bytes()), get_settings(), cancelled=lambda: True)
    assert leftovers() == []


def test_no_more_than_a_few_are_checked_at_once(monkeypatch):
    turns = Turns(1)
    monkeypatch.setattr(intake, "_turns", turns)
    said, digests = [], []

    def work():
        digests.append(
            receive_file(io.BytesIO(own_files.csv_bytes()), get_settings(), lambda *step: said.append(step))
        )

    thread = threading.Thread(target=work)
    with turns.taken("somebody", lambda: None, lambda: False):
        thread.start()
        until(lambda: (0.0, "Waiting for other files to be checked") in said)
        assert digests == []
    thread.join()
    assert find_manifest(digests[0]) is not None


def test_one_visitor_cannot_hold_every_slot():
    turns = Turns(2)
    order, waits = [], threading.Event()

    def check(owner):
        with turns.taken(owner, waits.set, lambda: False):
            order.append(owner)

    with turns.taken("ann", lambda: None, lambda: False):
        second = threading.Thread(target=check, args=("ann",))
        second.start()
        assert waits.wait(60)
        check("bob")  # comes later, and has the other slot
        assert order == ["bob"]
    second.join()
    assert order == ["bob", "ann"]


def test_cpu_time_ends_a_check_and_a_busy_machine_does_not():
    burn = (
        "from trainer.processes import sandboxed_reader as intake\n"
        "intake.MAX_CPU_SECONDS = 1\nintake.limit_itself()\nwhile True: pass"
    )
    assert subprocess.run([sys.executable, "-c", burn], timeout=300).returncode < 0
    assert intake.MAX_SECONDS >= 10 * intake.MAX_CPU_SECONDS


def test_too_large_or_no_space(monkeypatch):
    monkeypatch.setattr(intake, "MAX_ARCHIVE_BYTES", 1000)
    monkeypatch.setattr(intake, "MAX_TABLE_BYTES", 1000)
    with pytest.raises(DataError, match="larger than"):
        own_files.added(own_files.csv_bytes())
    monkeypatch.undo()


def test_unfinished_folders_are_swept_away_in_time(home, monkeypatch):
    old = home / "uploads" / "incoming" / "old"
    old.mkdir(parents=True)
    own_files.added(own_files.csv_bytes())
    assert old.exists()
    monkeypatch.setattr(incoming, "STALE", -1.0)
    own_files.added(own_files.csv_bytes(70))
    assert not old.exists()


def test_what_a_killed_process_left_is_swept_at_once_and_what_another_fills_is_not(home):
    fill = (
        "from trainer.processes.incoming import staged; from trainer.settings import get_settings\n"
        "with staged(get_settings()) as folder:\n    print(folder, flush=True); input()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", fill], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        folder = Path(other.stdout.readline().strip())
        incoming.sweep(get_settings())
        assert folder.is_dir()
        other.kill()
        other.wait()
    assert folder.is_dir()
    incoming.sweep(get_settings())
    assert leftovers() == []


# -- whose they are ---------------------------------------------------------------------------------------------


def test_lists_share_content_and_runs_keep_it():
    store = Store(get_settings().url)
    digest = own_files.added(own_files.csv_bytes())
    for owner in ("ann", "bob"):
        store.add_upload(owner, digest, f"{owner}.csv", "table", 100)
    store.add_upload("ann", digest, "again.csv", "table", 100)
    assert [upload.name for upload in store.uploads(("ann",))] == ["again.csv"]
    config = RunConfig.from_flat({"data": "csv", "data.file": digest, "data.target": "member"})
    run = store.create_run(config, "ann")
    assert store.runs_using(digest) == store.runs_using(digest, "ann") == [run]
    with pytest.raises(StoreError, match=f"Run {run} trained on this file"):
        store.remove_upload(digest, by="ann")
    assert store.remove_upload(digest, by="bob") is False, "ann's list and run still need it"
    store.request(run, "stop", by=COMMAND_LINE)
    store.delete(run, by=COMMAND_LINE)
    assert store.remove_upload(digest, by="ann") is True
    assert store.uploads(("ann", "bob")) == []


# -- the command line -------------------------------------------------------------------------------------------


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "people.csv"
    path.write_bytes(own_files.csv_bytes())
    return path


def test_add_data_prints_a_configuration_that_runs(file, tmp_path, capsys):
    assert main(["add-data", str(file), "--target", "income"]) == 0
    printed = capsys.readouterr()
    config = RunConfig.from_json(printed.out)
    assert config.data.knobs["target"] == "income"
    assert config.data.knobs["task"] == "regression"
    assert config.data.knobs["leave_out"] == "1"
    assert "60 rows" in printed.err
    (tmp_path / "config.json").write_text(printed.out)
    assert main(["run", str(tmp_path / "config.json"), "--set", "epochs=1", "--json"]) == 0
    outcome = json.loads(capsys.readouterr().out)
    assert outcome["unit"] == "income"
    assert any("'age' were missing" in notice for notice in outcome["notices"])
    (upload,) = Store(get_settings().url).uploads((COMMAND_LINE,))
    assert (upload.name, upload.kind) == ("people.csv", "table")


def test_a_path_in_set_is_taken_in_and_the_rest_is_guessed(file, capsys):
    assert main(["run", "--set", f"data.file={file}", "data.task=classification", "epochs=1", "--json"]) == 0
    config = json.loads(capsys.readouterr().out)["config"]
    assert config["data"]["name"] == "csv"
    assert config["data"]["target"] == "member"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["run", "--set", "data=csv"], "No file is chosen yet"),
        (["run", "--set", "data=csv", "data.file=nowhere.csv"], "nowhere.csv: No such file"),
        (["run", "--set", "data=csv", f"data.file={'ab' * 32}", "data.target=y"], "not on this machine"),
        (["run", "--set", "data=csv", "data.leave_out=one"], "Invalid value 'one' for data.leave_out"),
        (["add-data", "nowhere.csv"], "nowhere.csv: No such file"),
    ],
)
def test_mistakes_are_one_line_and_code_2(arguments, words, capsys):
    assert main(arguments) == 2
    said = capsys.readouterr().err
    assert words in said
    assert len(said.strip().splitlines()) == 1
