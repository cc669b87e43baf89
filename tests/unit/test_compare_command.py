"""The command compare, through real processes: a supervisor of its own, verdicts on standard output, one line for bad input."""

import json
import signal

import pytest
from command_line import FAST, cli, started, wait_for_steps

from trainer.store import Store


def result(out):
    (line,) = out.splitlines()
    return json.loads(line)


def test_compare_trains_all_arms_says_the_verdict_and_takes_more_seeds(tmp_path):
    code, out, err = cli(tmp_path, "compare", "--set", *FAST, "--arm", "normalization=batch", "--seeds", "2")
    assert code == 0, err
    found = result(out)
    assert found["runs"] == {"finished": 4}
    assert [arm["name"] for arm in found["arms"]] == ["baseline", "Batch norm"]
    assert found["arms"][1]["verdict"]["claim"] == "open"
    assert "It takes at least 6 seeds" in err
    assert found["arms"][1]["sentence"] in err

    code, out, err = cli(tmp_path, "compare", "--resume", "1", "--seeds", "1", "--json")
    assert code == 0, err
    assert err == ""
    more = result(out)
    assert more["seeds"] == [0, 1, 2]
    assert [len(arm["values"]) for arm in more["arms"]] == [3, 3]
    trained = [one.run for one in Store(f"sqlite:///{tmp_path / 'trainscope.db'}").members(1)]
    assert all(run.progress["peak_memory"] > 0 for run in trained)
    assert more["arms"][0]["values"]["0"] == found["arms"][0]["values"]["0"]
    assert Store(f"sqlite:///{tmp_path / 'trainscope.db'}").supervisor_status() == "absent"


def test_ctrl_c_pauses_the_comparison_and_resume_ends_it_with_the_same_numbers(tmp_path):
    arguments = [
        "compare",
        "--set",
        *FAST,
        "epochs=40",
        "pace=100",
        "--arm",
        "dropout=0.5",
        "--seeds",
        "1",
        "--json",
    ]
    process = started(tmp_path, *arguments)
    wait_for_steps(tmp_path, 5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "finished" not in result(out)["runs"]
    code, out, err = cli(tmp_path, "compare", "--resume", "1", "--json")
    assert code == 0, err
    assert result(out)["runs"] == {"finished": 2}
    whole = tmp_path / "whole"
    code, again, err = cli(whole, *arguments)
    assert code == 0, err
    assert [arm["values"] for arm in result(again)["arms"]] == [arm["values"] for arm in result(out)["arms"]]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arm", "data=digits", "--set", "data=two_moons"], "differ in Data set"),
        ([], "at least two arms"),
        (["--arm", "dropout=0"], "Two arms are alike"),
        (["--arm", "dropuot=0.1"], "did you mean dropout"),
        (["--preset", "optimizers", "--arm", "dropout=0.1"], "leave out CONFIG.json and --arm"),
        (["--arm", "dropout=0.1", "--seeds", "0"], "0 seeds cannot be compared"),
        (["--resume", "7"], "There is no comparison 7"),
    ],
)
def test_bad_input_is_one_line_and_nothing_starts(tmp_path, command, arguments, said):
    code, out, err = command("compare", *arguments)
    assert code == 2
    assert out == ""
    assert said in err
    assert len(err.strip().splitlines()) == 1
    database = tmp_path / "trainscope.db"
    assert not database.exists() or Store(f"sqlite:///{database}").runs() == []
