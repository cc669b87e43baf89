"""What unit tests share."""

from collections.abc import Iterator

import pytest
import torch
from command_line import ROOT
from script_process import Runner
from waiting import PATIENCE
from warm_process import warm_supervisor

from trainer.cli.main import main


@pytest.fixture
def in_float64() -> Iterator[None]:
    """Builds networks and draws numbers in float64, in which two ways to compute one thing agree on every CPU."""
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.fixture(scope="session")
def runner() -> Iterator[Runner]:
    """A process for exported scripts, shared by all tests."""
    runner = Runner()
    yield runner
    runner.process.stdin.close()
    runner.process.wait(PATIENCE)


@pytest.fixture
def supervised(tmp_path) -> Iterator[None]:
    """A supervisor of the test's home, which is its folder."""
    with warm_supervisor(tmp_path):
        yield


@pytest.fixture
def command(tmp_path, monkeypatch, capfd):
    """The command line without a process of its own, where nothing is trained: a process costs seconds."""

    def call(*arguments):
        monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))
        monkeypatch.chdir(ROOT)
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        return code, *capfd.readouterr()

    return call
