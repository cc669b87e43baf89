"""Importing runs for the web server: read in a process with limits of its own, like every file from a visitor."""

from __future__ import annotations

import json
import resource
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import IO

from trainer.export.bundle import BundleError
from trainer.export.imported_collection import import_file
from trainer.processes.incoming import staged
from trainer.processes.sandboxed_reader import emit, limit_itself, run_bounded
from trainer.settings import Settings
from trainer.store import Imported, Limits, Store, StoreError

MAX_MEMORY = 1_500_000_000  # bytes of address space; half of it is taken before a zip is read
TOO_MUCH = (
    "The zip could not be read within the limits on memory and time of this page. "
    "Use python -m trainer import on the machine itself."
)


def receive(
    settings: Settings, file: IO[bytes], owner: str, space: str | None = None, address: str = ""
) -> Imported:
    """Adds what a zip holds to a space from a child process; see `Store.acting_for`. Raises BundleError with a sentence."""
    try:
        with staged(settings) as folder:
            with (folder / "run.zip").open("wb") as copy:
                shutil.copyfileobj(file, copy)
            # By a file and not as arguments, which every process on the machine may read.
            order = {
                "settings": settings.model_dump(mode="json") | {"database_url": settings.url},
                "owner": owner,
                "space": space,
                "address": address,
            }
            (folder / "order.json").write_text(json.dumps(order))
            result = run_bounded("trainer.export.sandboxed_import", folder, owner)
    except OSError as error:
        raise BundleError(f"The zip could not be kept: {error.strerror}. Free some space.") from error
    if "runs" in result:
        return Imported(**result)
    raise BundleError(str(result.get("problem", TOO_MUCH)))


def main(folder: Path) -> int:
    """The child: takes the runs in and says their ids, or what is wrong."""
    # No limit on files: the database is one, and may be of any size.
    limit_itself(memory=MAX_MEMORY, file_size=resource.RLIM_INFINITY)
    order = json.loads((folder / "order.json").read_text())
    settings = Settings(**order["settings"])
    try:
        with (folder / "run.zip").open("rb") as file:
            whole = Store(settings.url, limits=Limits.of(settings))
            store = whole.acting_for(order["owner"], order["space"], address=order["address"])
            emit(**asdict(import_file(store, settings, file, order["owner"])))
    except (BundleError, StoreError) as error:
        emit(problem=str(error))
    except MemoryError:
        emit(problem=TOO_MUCH)
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
