"""Reads uploads that nobody has checked: this module, run with FOLDER, does it in a process of its own.

Parsing a hostile file may take unlimited memory and time, and even an honest one keeps Python's interpreter busy for seconds.
So the web server writes the bytes to a folder and this module's child process reads them there, with limits that the
operating system sets on memory, CPU time and file size. It needs neither torch nor a supervisor and starts in under a second.
"""

from __future__ import annotations

import hashlib
import json
import os
import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Final

from trainer.data.images import MAX_BYTES as MAX_ARCHIVE_BYTES
from trainer.data.samples import DataError, silent
from trainer.data.tables import MAX_BYTES as MAX_TABLE_BYTES
from trainer.data.uploads import MANIFEST_VERSION, find_manifest, upload_folder
from trainer.formatting import format_bytes
from trainer.processes.incoming import staged
from trainer.processes.turns import CancelledError, Turns
from trainer.settings import Settings

MAX_MEMORY: Final = 3 * 1024**3  # bytes of address space; NumPy and pandas alone reserve about a third of it
MAX_CPU_SECONDS: Final = 120
MAX_SECONDS: Final = 1800.0  # by the clock: for a check that hangs. On a busy machine an honest one takes long, at low priority
MAX_CHECKS: Final = 2  # files that are checked at the same time, when a whole class uploads together
MAX_FILE_SIZE: Final = 1024**3
MIN_FREE: Final = 300_000_000  # bytes that stay free on the disk
CHUNK: Final = 1 << 20
ROOT: Final = Path(__file__).parents[2]

Progress = Callable[[float, str], None]
_turns = Turns(MAX_CHECKS)


def receive_file(
    source: BinaryIO,
    settings: Settings,
    report: Progress = silent,
    cancelled: Callable[[], bool] = lambda: False,
    owner: str = "",
) -> str:
    """Stores a file after checking it, and returns its digest. `report` gets the share that is done and what is being done.
    Files of one `owner` are checked one after another.

    Raises DataError with one sentence for a file that cannot be used, and CancelledError once `cancelled` returns True.
    """
    report(0.0, "Saving")
    try:
        with staged(settings) as folder:
            digest = _save(source, folder / "original", cancelled)
            if find_manifest(digest) is None:
                _check(folder, owner, report, cancelled)
                _finish(folder, digest)
            return digest
    except OSError as error:
        raise DataError(
            f"The file could not be saved: {error.strerror or error}. Check that the disk has space."
        ) from error


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
    if shutil.disk_usage(path.parent).free < 2 * size + MIN_FREE:
        raise DataError("There is too little space on this machine's disk to keep the file.")
    return digest.hexdigest()


def _check(folder: Path, owner: str, report: Progress, cancelled: Callable[[], bool]) -> None:
    """Runs the child. Raises DataError with its sentence, or when it had to be killed."""
    result = run_bounded("trainer.processes.sandboxed_reader", folder, owner, report, cancelled)
    if cancelled():
        raise CancelledError
    if "problem" in result:
        raise DataError(result["problem"])
    if not result.get("done"):
        raise DataError(
            "The file could not be checked within the limits on memory and time. Upload a smaller part of it."
        )


def run_bounded(
    module: str,
    folder: Path,
    owner: str,
    report: Progress = silent,
    cancelled: Callable[[], bool] = lambda: False,
) -> dict[str, Any]:
    """Runs `python -m module FOLDER`, whose `main` calls `limit_itself`, when it is the owner's turn. Returns its last line
    of output, a JSON object; an empty one when the child had to be killed."""
    with _turns.taken(owner, lambda: report(0.0, "Waiting for other files to be checked"), cancelled):
        return _run(module, folder, report, cancelled)


def _run(module: str, folder: Path, report: Progress, cancelled: Callable[[], bool]) -> dict[str, Any]:
    child = subprocess.Popen(  # noqa: S603 - our own module on a path of our own making
        [sys.executable, "-m", module, str(folder)],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    watchdog = threading.Thread(target=_kill_when_due, args=(child, cancelled), daemon=True)
    watchdog.start()
    result: dict[str, Any] = {}
    try:
        assert child.stdout is not None
        for line in child.stdout:
            result = json.loads(line)
            if "share" in result:
                report(result["share"], result["words"])
    except ValueError:  # it was killed in the middle of a line
        result = {}
    finally:
        child.kill()
        child.wait()
        watchdog.join()
    return result


def _kill_when_due(child: subprocess.Popen[str], cancelled: Callable[[], bool]) -> None:
    """Kills the child when it is cancelled or takes too long."""
    deadline = time.monotonic() + MAX_SECONDS
    while child.poll() is None:
        if cancelled() or time.monotonic() > deadline:
            child.kill()
        time.sleep(0.05)


def _finish(folder: Path, digest: str) -> None:
    """Renames the folder to its digest. A damaged one of that name is replaced, a good one stays."""
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
    """Reads `folder`/original, writes what it holds beside it, and reports progress on standard output."""
    limit_itself()
    try:
        manifest = read_upload(folder, lambda share, words: emit(share=round(share, 3), words=words))
        (folder / "manifest.json").write_text(json.dumps(manifest, ensure_ascii=True, allow_nan=False))
        emit(done=True)
    except DataError as error:
        emit(problem=str(error))
    except MemoryError:
        emit(problem="The file needs more memory than a check may take. Upload a smaller part of it.")
    except Exception as error:  # no traceback for a person who uploaded a strange file
        emit(
            problem=f"The file cannot be read ({type(error).__name__}). Save it again in a plain form and retry."
        )
    return 0


def limit_itself(memory: int = MAX_MEMORY, file_size: int = MAX_FILE_SIZE) -> None:
    """Limits this process's memory, CPU time and files, and lowers its priority."""
    os.nice(10)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (MAX_CPU_SECONDS, MAX_CPU_SECONDS))
    resource.setrlimit(resource.RLIMIT_FSIZE, (file_size, file_size))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def read_upload(folder: Path, report: Progress) -> dict[str, Any]:
    """Checks and converts one file, and returns its manifest. Raises DataError."""
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


def emit(**facts: Any) -> None:
    """Writes a line for the parent process."""
    print(json.dumps(facts), flush=True)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
