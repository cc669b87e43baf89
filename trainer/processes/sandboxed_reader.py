"""Taking in a file that nobody has checked: this module, run with FOLDER, reads it in a process of its own.

Parsing a hostile file may take memory and time without end, and even an honest one holds Python's interpreter for
seconds. So the web server writes the bytes to a folder and this module's child process reads them there, with limits set by the
operating system on memory, CPU time and file size. It needs neither torch nor a supervisor and starts in under a second.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import resource
import secrets
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

from trainer.data.images import MAX_BYTES as MAX_ARCHIVE_BYTES
from trainer.data.samples import DataError
from trainer.data.tables import MAX_BYTES as MAX_TABLE_BYTES
from trainer.data.uploads import MANIFEST_VERSION, find_manifest, upload_folder
from trainer.formatting import format_bytes
from trainer.settings import Settings

MEMORY: Final = 3 * 1024**3  # bytes of address space; NumPy and pandas alone reserve about one
CPU_SECONDS: Final = 120
WALL_SECONDS: Final = 180.0
AT_ONCE: Final = 2  # files in checking; a class that uploads together waits its turn
SPARE: Final = 300_000_000  # bytes that stay free on the disk
STALE: Final = 3600.0  # seconds after which a folder that was never finished is swept away
CHUNK: Final = 1 << 20
ROOT: Final = Path(__file__).parents[2]

Progress = Callable[[float, str], None]
_turns = threading.BoundedSemaphore(AT_ONCE)


def silent(share: float, words: str) -> None:
    """The progress of something that nobody watches."""


class CancelledError(Exception):
    """The person does not want the file any more."""


def take_in(
    source: BinaryIO,
    settings: Settings,
    report: Progress = silent,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """Stores a file after checking it, and returns its digest. `report` gets a share of 1 and a word on what is done.

    Raises DataError with one sentence for a file that cannot be used, CancelledError when `cancelled` says so.
    """
    report(0.0, "Saving")
    folder = _staging(settings)
    try:
        digest = _save(source, folder / "original", cancelled)
        if find_manifest(digest) is None:
            with _turn(report, cancelled):
                _check(folder, report, cancelled)
            _finish(folder, digest)
        return digest
    except OSError as error:
        raise DataError(
            f"The file could not be kept: {error.strerror or error}. Check that the disk has space."
        ) from error
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _staging(settings: Settings) -> Path:
    """A new folder beside the finished ones, swept of what earlier processes left unfinished."""
    place = settings.uploads / "incoming"
    place.mkdir(parents=True, exist_ok=True)
    for old in place.iterdir():
        with contextlib.suppress(OSError):
            if time.time() - old.stat().st_mtime > STALE:
                shutil.rmtree(old, ignore_errors=True)
    folder = place / secrets.token_hex(8)
    folder.mkdir()
    return folder


def _save(source: BinaryIO, path: Path, cancelled: Callable[[], bool]) -> str:
    """Copies the bytes and returns their SHA-256."""
    digest, size = hashlib.sha256(), 0
    with path.open("xb") as file:
        while chunk := source.read(CHUNK):
            size += len(chunk)
            if size > max(MAX_TABLE_BYTES, MAX_ARCHIVE_BYTES):
                raise DataError(f"The file is larger than {format_bytes(MAX_ARCHIVE_BYTES)}, the limit.")
            if cancelled():
                raise CancelledError
            digest.update(chunk)
            file.write(chunk)
    if not size:
        raise DataError("The file is empty.")
    if shutil.disk_usage(path.parent).free < 2 * size + SPARE:
        raise DataError("There is too little space on this machine's disk to keep the file.")
    return digest.hexdigest()


@contextlib.contextmanager
def _turn(report: Progress, cancelled: Callable[[], bool]) -> Iterator[None]:
    while not _turns.acquire(timeout=0.2):
        report(0.0, "Waiting for other files to be checked")
        if cancelled():
            raise CancelledError
    try:
        yield
    finally:
        _turns.release()


def _check(folder: Path, report: Progress, cancelled: Callable[[], bool]) -> None:
    """Runs the child and passes on what it says. Raises DataError with its sentence, or when it had to be ended."""
    said = bounded("trainer.processes.sandboxed_reader", folder, report, cancelled)
    if cancelled():
        raise CancelledError
    if "problem" in said:
        raise DataError(said["problem"])
    if not said.get("done"):
        raise DataError(
            "The file could not be checked within the limits on memory and time. Upload a smaller part of it."
        )


def bounded(
    module: str, folder: Path, report: Progress = silent, cancelled: Callable[[], bool] = lambda: False
) -> dict[str, Any]:
    """Runs `python -m module FOLDER`, whose `main` calls `limit_itself`, and returns the last thing it said: a JSON object
    on a line of its own. Empty when the child had to be ended."""
    child = subprocess.Popen(  # noqa: S603 - our own module on a path of our own making
        [sys.executable, "-m", module, str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watchdog = threading.Thread(target=_watch, args=(child, cancelled), daemon=True)
    watchdog.start()
    said: dict[str, Any] = {}
    try:
        assert child.stdout is not None
        for line in child.stdout:
            said = json.loads(line)
            if "share" in said:
                report(said["share"], said["words"])
    except ValueError:  # it was ended in the middle of a line
        said = {}
    finally:
        child.kill()
        child.wait()
        watchdog.join()
    return said


def _watch(child: subprocess.Popen[str], cancelled: Callable[[], bool]) -> None:
    """Ends the child when nobody wants its answer any more, or it takes too long."""
    deadline = time.monotonic() + WALL_SECONDS
    while child.poll() is None:
        if cancelled() or time.monotonic() > deadline:
            child.kill()
        time.sleep(0.05)


def _finish(folder: Path, digest: str) -> None:
    """Gives the folder its name; one that came first, or is damaged, makes room."""
    target = upload_folder(digest)
    if target.exists() and find_manifest(digest) is None:
        shutil.rmtree(target, ignore_errors=True)
    try:
        folder.rename(target)
    except OSError:
        if find_manifest(digest) is None:
            raise


# -- the child --------------------------------------------------------------------------------------------------


def main(folder: Path) -> int:
    """Reads `folder`/original, writes what it holds beside it, and says on standard output how far it is."""
    limit_itself()
    try:
        manifest = inspect(folder, lambda share, words: say(share=round(share, 3), words=words))
        (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=True, allow_nan=False))
        say(done=True)
    except DataError as error:
        say(problem=str(error))
    except MemoryError:
        say(problem="The file needs more memory than a check may take. Upload a smaller part of it.")
    except Exception as error:  # no traceback for a person who uploaded a strange file
        say(
            problem=f"The file cannot be read ({type(error).__name__}). Save it again in a plain form and retry."
        )
    return 0


def limit_itself() -> None:
    """Sets this process's bounds, and lets everybody else go first."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_SECONDS, CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024**3, 1024**3))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def inspect(folder: Path, report: Progress) -> dict[str, Any]:
    """Checks and converts one file; returns its manifest. Raises DataError."""
    import numpy as np

    path = folder / "original"
    with path.open("rb") as file:
        start = file.read(4)
    facts = {"version": MANIFEST_VERSION, "bytes": path.stat().st_size}
    if start[:2] == b"PK":
        from trainer.data.images import read_archive

        return {
            **facts,
            "kind": "images",
            **read_archive(path, folder, lambda share: report(share, "Reading images")),
        }
    from trainer.data.tables import read_table

    table = read_table(path.read_bytes(), lambda share: report(share, "Reading rows"))
    np.save(folder / "values.npy", table.values, allow_pickle=False)
    return {
        **facts,
        "kind": "table",
        "rows": table.rows,
        "columns": [column.facts() for column in table.columns],
        "preview": table.preview,
        "said": table.notices,
    }


def say(**facts: Any) -> None:
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
