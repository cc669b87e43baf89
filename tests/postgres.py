"""A PostgreSQL server of the tests' own: from the distribution's package, on a socket in a temporary folder."""

from __future__ import annotations

import os
import shutil
import signal
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


class Server:
    """A server with fresh data in `folder`, where its socket lies, too."""

    def __init__(self, binaries: Path, folder: Path) -> None:
        self.folder, self._binaries = folder, binaries
        self._account = ACCOUNT if os.getuid() == 0 else None
        if self._account:
            shutil.chown(folder, self._account)
        subprocess.run(
            [binaries / "initdb", "-A", "trust", "-U", USER, "-N", folder / "data"],
            user=self._account, cwd=folder, check=True, capture_output=True,
        )  # fmt: skip

    def start(self) -> None:
        """Starts it, and waits until it answers."""
        settings = [f"--{key}={value}" for key, value in SETTINGS.items()]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [self._binaries / "postgres", "-D", self.folder / "data", "-k", self.folder, *settings],
                user=self._account, cwd=self.folder, stdout=log, stderr=log,
            )  # fmt: skip
        until(self._answers, lambda: f"PostgreSQL did not become ready:\n{self._log()}")

    def stop(self) -> None:
        """Stops it as a restart of the service does: whoever is connected is cut off."""
        self._process.send_signal(signal.SIGINT)
        self._process.wait(30)

    def _answers(self) -> bool:
        try:
            psycopg.connect(host=str(self.folder), user=USER, dbname="postgres").close()
        except psycopg.OperationalError:
            assert self._process.poll() is None, f"PostgreSQL did not start:\n{self._log()}"
            return False
        return True

    def _log(self) -> str:
        return (self.folder / "log").read_text()


@contextmanager
def running_server(binaries: Path) -> Iterator[Server]:
    """A server that runs for the time of the context."""
    with tempfile.TemporaryDirectory(prefix="trainscope-postgres-", ignore_cleanup_errors=True) as name:
        server = Server(binaries, Path(name))
        server.start()
        try:
            yield server
        finally:
            server.stop()


@contextmanager
def fresh_database(socket_folder: str, name: str, like: str = "template1") -> Iterator[str]:
    """A copy of a database, by default of an empty one; yields its URL. It is dropped afterwards, whoever still uses it."""
    with psycopg.connect(host=socket_folder, user=USER, dbname="postgres", autocommit=True) as connection:
        connection.execute(f'create database "{name}" template "{like}"')  # type: ignore[arg-type] # not from outside
        try:
            yield f"postgresql://{USER}@/{name}?host={socket_folder}"
        finally:
            connection.execute(f'drop database "{name}" with (force)')  # type: ignore[arg-type]
