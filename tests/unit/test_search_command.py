"""The command search: the best on standard output, one line for bad input."""

import json
import signal

import pytest
from command_line import FAST, cli, started, wait_for_steps
from waiting import PATIENCE

from trainer.store import Store

SPACE = ["--space", "learning_rate=0.001..0.1 log", "--space", "dropout=0,0.4"]


def test_ctrl_c_stops_a_search_and_resume_ends_it(tmp_path, supervised):
    asked = ["search", *SPACE, "--trials", "9", "--at-once", "2", "--json"]
    process = started(tmp_path, *asked, "--set", *FAST, "epochs=6", "pace=60")
    wait_for_steps(tmp_path, 3)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, err
    assert json.loads(out)["state"] == "stopped"
    code, out, err = cli(tmp_path, "search", "--resume", "1")
    assert code == 0, err
    found = json.loads(out)
    assert found["state"] == "finished"
    assert [one["trial"] for one in found["trials"]] == [*range(1, 10)]
    assert found["best"]["value"] == min(one["value"] for one in found["trials"])
    assert set(found["importance"]) == {"learning_rate", "dropout.rate"}
    assert "partly luck" in err
    assert "python -m trainer compare" in err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "at least one knob"),
        (["--space", "learning_rate=a..b"], "learning_rate is 'a'"),
        (["--space", "epochs=1..5"], "stays the same"),
        (["--space", "dropout=0,0.4", "--trials", "0"], "trials is 0"),
        (["--space", "dropout=0,0.4", "--measure", "test_loss"], "invalid choice"),
        (["--resume", "7"], "There is no comparison 7"),
    ],
)
def test_bad_input_is_one_line_and_nothing_starts(tmp_path, command, arguments, said):
    code, out, err = command("search", *arguments)
    assert code == 2
    assert out == ""
    assert said in err
    assert len(err.strip().splitlines()) == 1
    database = tmp_path / "trainscope.db"
    assert not database.exists() or Store(f"sqlite:///{database}").comparisons() == []
