"""A PostgreSQL server of the tests' own: from the distribution's package, on a socket in a temporary folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg
from waiting import until

USER = "trainscope"
ACCOUNT = "postgres"  # the package's own; the server refuses to run as root
SETTINGS = {
    "listen_addresses": "",
    "fsync": "off",  # nobody keeps these data
    "max_connections": "200",
}


def find_binaries() -> Path | None:
    """The folder of initdb and postgres, which distributions keep off the path; None where they are not installed."""
    if on_path := shutil.which("postgres"):
        return Path(on_path).parent
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


@contextmanager
def running_server(binaries: Path) -> Iterator[str]:
    """Runs a fresh server for the time of the context; yields the folder of its socket."""
    with tempfile.TemporaryDirectory(prefix="trainscope-postgres-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        account = ACCOUNT if os.getuid() == 0 else None
        if account:
            shutil.chown(folder, account)
        data = folder / "data"
        subprocess.run(
            [binaries / "initdb", "-A", "trust", "-U", USER, "-N", data],
            user=account, cwd=folder, check=True, capture_output=True,
        )  # fmt: skip
        settings = [f"--{key}={value}" for key, value in SETTINGS.items()]
        with (folder / "log").open("wb") as log:
            server = subprocess.Popen(
                [binaries / "postgres", "-D", data, "-k", folder, *settings],
                user=account, cwd=folder, stdout=log, stderr=log,
            )  # fmt: skip
        try:
            _wait_until_ready(server, folder)
            yield name
        finally:
            server.terminate()
            server.wait(30)


def _wait_until_ready(server: subprocess.Popen[bytes], folder: Path) -> None:
    def answers() -> bool:
        try:
            psycopg.connect(host=str(folder), user=USER, dbname="postgres").close()
        except psycopg.OperationalError:
            assert server.poll() is None, f"PostgreSQL did not start:\n{log()}"
            return False
        return True

    def log() -> str:
        return (folder / "log").read_text()

    until(answers, lambda: f"PostgreSQL did not become ready:\n{log()}")


@contextmanager
def fresh_database(socket_folder: str, name: str) -> Iterator[str]:
    """An empty database for one test; yields its URL. It is dropped afterwards, whoever still uses it."""
    with psycopg.connect(host=socket_folder, user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'create database "{name}"')  # type: ignore[arg-type] # not from outside
        try:
            yield f"postgresql://{USER}@/{name}?host={socket_folder}"
        finally:
            connection.execute(f'drop database "{name}" with (force)')  # type: ignore[arg-type]
