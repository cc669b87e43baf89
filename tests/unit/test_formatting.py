"""Sizes, durations and numbers as people read them."""

import pytest

from trainer.formatting import format_bytes, format_duration, format_number


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1 kB"),
        (104_488, "104 kB"),
        (999_600, "1 MB"),
        (1_234_567, "1.2 MB"),
        (3e13, "30000 GB"),
    ],
)
def test_bytes(count, text):
    assert format_bytes(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0.0 s"), (9.96, "10 s"), (59.6, "1 min 0 s"), (125, "2 min 5 s"), (12_000, "3 h 20 min")],
)
def test_durations(seconds, text):
    assert format_duration(seconds) == text


@pytest.mark.parametrize("unknown", [None, -1, float("nan"), float("inf")])
def test_an_unknown_duration_is_a_dash(unknown):
    assert format_duration(unknown) == "–"


def test_numbers():
    assert [format_number(value) for value in (0.123456, 1234567, None, True)] == [
        "0.1235",
        "1.235e+06",
        "–",
        "–",
    ]
