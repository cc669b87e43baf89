"""What is on the chart goes into the address and comes back, and nonsense in an address does no harm."""

import pytest

from pages.widgets.chart_address import ChartOptions, chart_parameters, options_in, runs_in, to_parameters


@pytest.mark.parametrize("runs", [None, {}, {3: True}, {3: True, 12: False, 40: True}])
@pytest.mark.parametrize(
    "options", [ChartOptions(), ChartOptions(x="time", log=True, smooth=0.85, full=True)]
)
def test_what_is_written_is_read(runs, options):
    parameters = to_parameters(runs, options)
    assert chart_parameters({**parameters, "dropout.rate": "0.3"}) == parameters
    assert runs_in(parameters) == runs
    assert options_in(parameters) == options


def test_the_address_is_short_and_readable():
    assert to_parameters(None, ChartOptions()) == {}
    parameters = to_parameters({3: True, 5: False}, ChartOptions(x="epoch", smooth=0))
    assert parameters == {
        "chart.runs": "3-5",
        "chart.hidden": "5",
        "chart.x": "epoch",
        "chart.smooth": "0.0",
    }


@pytest.mark.parametrize("smooth", ["2", "nan", "-1", "<b>", ""])
def test_an_invalid_option_is_at_its_default_and_the_others_count(smooth):
    assert options_in({"chart.smooth": smooth, "chart.log": "true"}) == ChartOptions(log=True)


def test_words_that_are_no_runs_are_left_out():
    assert runs_in({"chart.runs": "3-x--7-²-" + "9" * 400}) == {3: True, 7: True}
    assert runs_in({"chart.hidden": "3"}) is None
