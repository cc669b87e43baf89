"""The command compare, through real processes: a supervisor of its own, verdicts on standard output, one line for bad input."""

import argparse
import json
import signal

import pytest
from command_line import FAST, cli, started, wait_for_steps
from waiting import PATIENCE
from warm_process import warm_supervisor

from trainer.cli.comparing import read_design, register
from trainer.settings import Settings
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
    assert Store(f"sqlite:///{tmp_path / 'trainscope.db'}").supervisor_status() == "absent"

    with warm_supervisor(tmp_path):
        code, out, err = cli(tmp_path, "compare", "--resume", "1", "--seeds", "1", "--json")
    assert (code, err) == (0, "")
    more = result(out)
    assert more["seeds"] == [0, 1, 2]
    assert [len(arm["values"]) for arm in more["arms"]] == [3, 3]
    trained = [one.run for one in Store(f"sqlite:///{tmp_path / 'trainscope.db'}").members(1)]
    assert all(run.progress["peak_memory"] > 0 for run in trained)
    assert more["arms"][0]["values"]["0"] == found["arms"][0]["values"]["0"]


def test_techniques_are_combined_and_their_effects_said(tmp_path, supervised):
    arms = ("--arm", "normalization=batch", "--arm", "dropout.rate=0.4", "--layout", "factorial")
    code, out, err = cli(tmp_path, "compare", "--set", *FAST, *arms, "--seeds", "1")
    assert code == 0, err
    assert "4 runs, " in err.splitlines()[0]  # how long they will take
    assert "Batch norm × Dropout rate 0.4" in err
    found = result(out)
    assert found["title"] == "Batch norm / Dropout rate 0.4"
    assert [one["techniques"] for one in found["effects"]] == [
        [["Batch norm"]],
        [["Dropout rate 0.4"]],
        [["Batch norm", "Dropout rate 0.4"]],
    ]
    value = [arm["values"]["0"] for arm in found["arms"]]
    effect = (value[1] + value[3] - value[0] - value[2]) / 2
    assert found["effects"][0]["verdict"]["effect"] == pytest.approx(effect)


def test_compare_over_one_source_of_noise_says_so(tmp_path, supervised):
    arguments = ["compare", "--set", *FAST, "seed=4", "--arm", "normalization=batch", "--seeds", "2"]
    code, out, err = cli(tmp_path, *arguments, "--vary", "weights")
    assert code == 0, err
    found = result(out)
    assert found["vary"] == "weights"
    assert "over 2 seeds of the initial weights, one split." in found["arms"][1]["sentence"]
    configs = [one.run.config for one in Store(f"sqlite:///{tmp_path / 'trainscope.db'}").members(1)]
    assert [(one["seed"], one["seed.weights"]) for one in configs] == [(4, 4), (4, 4), (4, 5), (4, 5)]


def test_the_noise_of_a_configuration_is_split_among_its_sources(tmp_path, supervised):
    code, out, err = cli(tmp_path, "compare", "--noise", "--set", *FAST, "--seeds", "2")
    assert code == 0, err
    found = result(out)
    assert found["runs"] == {"finished": 10}
    assert [arm["name"] for arm in found["arms"]] == [
        "everything",
        "split",
        "initial weights",
        "batch order",
        "dropout",
    ]
    assert all(arm["spread"]["deviation"] > 0 for arm in found["arms"])
    assert "It takes at least 5 runs" in found["sentence"]
    code, out, err = cli(tmp_path, "compare", "--resume", "1", "--seeds", "1")
    assert code == 0, err
    more = result(out)
    assert [arm["spread"]["count"] for arm in more["arms"]] == [3] * 5
    assert "need not add up to the whole" in err
    assert more["sentence"] in err


def test_ctrl_c_pauses_the_comparison_and_resume_ends_it_with_the_same_numbers(tmp_path):
    arguments = ["compare", "--arm", "dropout=0.5", "--seeds", "1", "--json", "--set", *FAST, "epochs=40"]
    with warm_supervisor(tmp_path):
        process = started(tmp_path, *arguments, "pace=10")  # some eight seconds, so that Ctrl-C comes in time
        wait_for_steps(tmp_path, 5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
        assert process.returncode == 130, err
        assert "finished" not in result(out)["runs"]
        code, out, err = cli(tmp_path, "compare", "--resume", "1", "--json")
    assert code == 0, err
    assert result(out)["runs"] == {"finished": 2}
    whole = tmp_path / "whole"
    with warm_supervisor(whole):
        code, again, err = cli(whole, *arguments)
    assert code == 0, err
    assert [arm["values"] for arm in result(again)["arms"]] == [arm["values"] for arm in result(out)["arms"]]


@pytest.mark.parametrize(
    ("arguments", "rate", "titled"),
    [
        (["--arm", "dropout=0.1"], 0.1, "Where the noise comes from"),
        (["--preset", "dropout", "--arm", "dropout 0.5"], 0.5, ", dropout 0.5"),
    ],
)
def test_the_noise_of_one_arm(tmp_path, arguments, rate, titled):
    parser = argparse.ArgumentParser()
    register(parser.add_subparsers())
    options = parser.parse_args(["compare", "--noise", *arguments])
    design, title = read_design(options, Settings(home=tmp_path))
    assert {arm.config.dropout.knobs["rate"] for arm in design.arms} == {rate}
    assert design.studies_noise
    assert title.endswith(titled)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--arm", "data=digits", "--set", "data=two_moons"], "differ in Data set"),
        ([], "at least two arms"),
        (["--arm", "dropout=0.2", "--layout", "factorial"], "It takes two techniques or more"),
        (["--arm", "dropout=0"], "Two arms are alike"),
        (["--arm", "dropuot=0.1"], "did you mean dropout"),
        (["--preset", "optimizers", "--arm", "dropout=0.1"], "leave out CONFIG.json and --arm"),
        (["--arm", "dropout=0.1", "--seeds", "0"], "0 seeds cannot be compared"),
        (["--noise", "--arm", "dropout=0.1", "--arm", "dropout=0.2"], "give at most one --arm"),
        (["--noise", "--arm", "dropuot=0.1"], "did you mean dropout"),
        (["--noise", "--preset", "dropout", "--arm", "dropout 0.6"], "no arm called 'dropout 0.6'"),
        (["--noise", "--vary", "order"], "leave out --vary"),
        (["--vary", "dropout", "--arm", "normalization=batch"], "Dropout is off in all arms"),
        (["--arm", "seed.split=3"], "differ in Split seed"),
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
