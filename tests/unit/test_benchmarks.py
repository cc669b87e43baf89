"""Benchmarks are run by hand and seldom: what they import must still be there when somebody does."""

import importlib
from pathlib import Path

import pytest

NAMES = [path.stem for path in Path(__file__).parents[1].joinpath("bench").glob("*.py")]


@pytest.mark.parametrize("name", sorted(NAMES))
def test_a_benchmark_finds_what_it_imports(name):
    importlib.import_module(name)
