"""A full disk, a locked database, a damaged checkpoint: training waits or goes back, and loses nothing."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest
from lab import Lab, Outcome

from trainer.store import COMMAND_LINE


@pytest.fixture
def small_disk(tmp_path: Path):
    """A file system of 8 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=8m", "trainscope", str(folder)]
    if shutil.which("mount") is None or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("a tmpfs cannot be mounted here (that takes root), so no disk can be filled")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(path: Path) -> None:
    """Write to the file until the disk is full."""
    with contextlib.suppress(OSError), path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


@pytest.fixture
def roomy_lab(tmp_path: Path):
    """A second lab, on a database and a disk without faults: its runs tell how far an undisturbed one gets meanwhile."""
    lab = Lab(tmp_path / "roomy")
    lab.start()
    yield lab
    lab.close()


def test_a_full_disk_makes_training_wait(small_disk: Path, roomy_lab: Lab, undisturbed: Outcome) -> None:
    full = Lab(small_disk)
    try:
        full.start()
        run_id = full.create()
        full.past(run_id, 150)
        ballast = small_disk / "ballast"
        fill(ballast)
        roomy_lab.end(roomy_lab.create())  # whoever does not wait is done before the like of it
        waiting_at = full.store.last_step(run_id, "step")
        roomy_lab.end(roomy_lab.create())
        assert full.store.last_step(run_id, "step") == waiting_at < 1200
        assert full.store.run(run_id).status == "running"
        assert full.worker(run_id) is not None  # it waits, it did not die
        ballast.unlink()
        assert full.end(run_id).status == "finished"
        full.assert_equal(run_id, undisturbed)
        assert any("nothing was lost" in notice for notice in full.store.run(run_id).notices)
    finally:
        full.close()


def test_a_database_locked_by_another_process(sqlite_lab: Lab, roomy_lab: Lab, undisturbed: Outcome) -> None:
    lab = sqlite_lab
    lab.start()
    run_id = lab.create()
    lab.past(run_id, 150)
    other = sqlite3.connect(lab.store.engine.url.database, isolation_level=None)
    other.execute("BEGIN EXCLUSIVE")
    roomy_lab.end(roomy_lab.create())
    other.execute("COMMIT")
    other.close()
    assert lab.end(run_id).status == "finished"
    assert lab.store.run(run_id).attempt == 1
    lab.assert_equal(run_id, undisturbed)


@pytest.mark.parametrize("damage", ["cut", "garbage", "both"])
def test_a_damaged_checkpoint_falls_back(sqlite_lab: Lab, damage: str, undisturbed: Outcome) -> None:
    lab = sqlite_lab
    lab.start()
    run_id = lab.create(
        pace=100
    )  # it must not end before it is paused, however late the second checkpoint is seen
    folder = lab.settings.run_folder(run_id)
    lab.until(lambda: (folder / "checkpoint.previous.pt").exists())
    lab.store.request(run_id, "pause", by=COMMAND_LINE)
    lab.until(lambda: lab.store.run(run_id).status == "paused")
    current, previous = folder / "checkpoint.pt", folder / "checkpoint.previous.pt"
    if damage == "cut":
        current.write_bytes(current.read_bytes()[: current.stat().st_size // 2])
    else:
        current.write_bytes(b"not a checkpoint")
    if damage == "both":
        previous.write_bytes(b"")
    lab.store.resume(run_id, by=COMMAND_LINE)
    assert lab.end(run_id).status == "finished"
    lab.assert_equal(run_id, undisturbed)
    assert any("damaged" in notice for notice in lab.store.run(run_id).notices)


def test_a_download_that_fails_says_why(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    job = lab.store.request_download("no such data set")
    lab.until(lambda: lab.store.download(job).status == "failed")
    assert "no such data set" in lab.store.download(job).message
    assert lab.store.request_download("no such data set") != job


def test_a_removed_database_is_said_in_the_supervisors_log(sqlite_lab: Lab) -> None:
    lab = sqlite_lab
    lab.start()
    path = Path(lab.store.engine.url.database)
    path.rename(path.with_suffix(".aside"))
    lab.until(lambda: "was removed or replaced" in lab.log())
    path.with_suffix(".aside").rename(path)
    lab.until(lambda: "answers again" in lab.log())
    assert "Traceback" not in lab.log()
    lab.end(lab.create(pace=0, epochs=1))
