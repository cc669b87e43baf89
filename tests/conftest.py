"""What all tests share: one thread per process, as a worker has, one profile for hypothesis, a PostgreSQL server."""

import itertools
import os
import signal
import sys

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before anything imports torch; processes that tests start inherit it

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings
from migrated_schema import migrated_once
from postgres import find_binaries, fresh_database, running_server

from trainer.store import Store

# A shell that runs the tests in the background has Ctrl-C ignored, by them and by what they start.
signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile(
    "trainscope",
    deadline=None,  # a busy machine is no failure
    derandomize="TRAINSCOPE_TEST_SEARCH" not in os.environ,  # the same way each time, unless asked to search
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("trainscope")


@pytest.fixture(autouse=True)
def torch_draws_the_same_whatever_ran_before():
    """Tests run in random order. pytest-randomly seeds the streams of Python and NumPy before each one, but not torch's."""
    if torch := sys.modules.get("torch"):
        torch.manual_seed(0)


@pytest.fixture(scope="session", autouse=True)
def new_databases_are_migrated_once():
    """Each test has its own; test_migrations.py migrates step by step."""
    with migrated_once():
        yield


@pytest.fixture(scope="session")
def postgres_binaries():
    """The folder of PostgreSQL's programs."""
    if (binaries := find_binaries()) is None:
        pytest.skip("PostgreSQL is not installed (on Debian and Ubuntu: apt-get install postgresql)")
    return binaries


@pytest.fixture(scope="session")
def postgres_socket(postgres_binaries):
    """The folder of a running PostgreSQL server's socket. It starts with the first test that needs it."""
    with running_server(postgres_binaries) as server:
        yield str(server.folder)


_numbers = itertools.count(1)


@pytest.fixture
def empty_postgres_url(postgres_socket):
    """The URL of an empty database of this test's own."""
    with fresh_database(postgres_socket, f"test{next(_numbers)}") as url:
        yield url


@pytest.fixture(scope="session")
def migrated_postgres(postgres_socket):
    """The name of a database with the schema and nothing else."""
    with fresh_database(postgres_socket, "migrated") as url:
        Store(url).close()
        yield "migrated"


@pytest.fixture
def postgres_url(postgres_socket, migrated_postgres):
    """The URL of a database of this test's own, with nothing but the schema."""
    with fresh_database(postgres_socket, f"test{next(_numbers)}", migrated_postgres) as url:
        yield url


@pytest.fixture(autouse=True)
def signals_as_before() -> Iterator[None]:
    """Commands that run in the tests' own process take Ctrl-C for themselves; the next test has it back."""
    before = {one: signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)}
    yield
    for one, handler in before.items():
        signal.signal(one, handler)
