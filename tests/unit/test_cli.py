"""The command line through real processes: results on standard output, one clear line for bad input, exact resume."""

import json
import signal

import numpy as np
import pytest
from command_line import FAST, cli, executed, started, wait_for_steps
from waiting import PATIENCE, until

from trainer.metrics.registry import columns
from trainer.registry import families
from trainer.store import COMMAND_LINE, Batch, Store

STEP_COLUMNS = columns("step")


def measured(results):
    return {
        key: results[key] for key in ("train", "validation", "test", "best", "steps", "stopped_by", "epochs")
    }


def test_run_prints_one_line_of_json_and_nothing_else(tmp_path, command):
    (tmp_path / "config.json").write_text(
        json.dumps({"schedule": {"name": "cosine", "final_lr": 0.0001}, "seed": 3})
    )
    process = executed(tmp_path, "run", tmp_path / "config.json", "--set", *FAST, "--seed", 5, "--json")
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (0, "")
    results = json.loads(out)
    assert out.count("\n") == 1
    assert results["stopped_by"] == "epochs"
    assert results["weights"] == "final weights"
    assert results["config"]["seed"] == 5
    assert results["config"]["schedule"] == {"name": "cosine", "final_lr": 0.0001, "moves": "epoch"}
    assert results["config"]["dropout"]["rate"] == 0.2
    for part in ("train", "validation", "test"):
        assert results[part]["loss"] > 0
        assert 0 <= results[part]["metric"] <= 1
    assert results["steps"] > 0
    assert results["seconds"] > 0
    assert results["steps_per_second"] > 0
    assert results["parameters"] == 2 * 8 + 8 + 8 * 2 + 2
    again = json.loads(
        cli(tmp_path / "other", "run", tmp_path / "config.json", "--set", *FAST, "--seed", 5, "--json")[1]
    )
    assert measured(again) == measured(results)
    assert json.loads(command("runs", "--json")[1])["status"] == "finished"
    assert command("runs")[0] == 0


def test_ctrl_c_stops_in_order_and_resume_ends_like_a_run_that_never_stopped(tmp_path):
    values = [
        "--set",
        *FAST[:-3],
        "epochs=40",
        "device=cpu",
        "dropout=0.2",
        "optimizer=momentum",
        "precision=bf16",
    ]
    straight = json.loads(cli(tmp_path / "straight", "run", *values, "--json")[1])
    process = started(
        tmp_path / "home", "run", *values, "pace=10"
    )  # eight seconds, so that Ctrl-C comes in time
    wait_for_steps(tmp_path / "home", 20)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, err
    stopped = json.loads(out)
    assert stopped["status"] == "stopped"
    assert stopped["steps"] < straight["steps"]
    code, out, err = cli(tmp_path / "home", "resume", 1, "--json")
    assert code == 0, err
    resumed = json.loads(out)
    assert measured(resumed) == measured(straight)


def test_knobs_of_a_run_under_way_change(tmp_path, command):
    process = started(tmp_path, "run", "--set", *FAST, "epochs=100000", "--json")
    wait_for_steps(tmp_path, 50)
    code, out, err = command("change", 1, "--set", "learning_rate=0.05", "dropout.rate=0.25")
    said = "Dropout rate 0.2 → 0.25, Learning rate 0.001 → 0.05, between two of its next steps."
    assert (code, out, err) == (0, "", f"Run 1: {said}\n")
    store = Store(f"sqlite:///{tmp_path / 'trainscope.db'}")
    until(lambda: store.run(1).changes == 1)
    (change,) = store.knob_changes(1)
    wait_for_steps(tmp_path, change.step + 2)
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=PATIENCE)
    assert json.loads(out)["changes"] == [
        {"step": change.step, "values": {"dropout.rate": 0.25, "learning_rate": 0.05}}
    ]
    assert json.loads(out)["config"]["learning_rate"] == 0.001, "what it began with"
    rates = store.read_points(1, "step").column("lr")
    assert (rates[: change.step] == 0.001).all()
    assert (rates[change.step :] == 0.05).all()
    assert command("change", 1, "--set", "learning_rate=0.1")[2] == (
        "trainer: This run is stopped, so its knobs stay as they are. Start a new run with its knobs instead.\n"
    )
    assert "changed while training" in command("runs")[1]


def test_a_run_is_branched_in_the_terminal(tmp_path, command):
    assert cli(tmp_path, "run", "--set", *FAST, "--json")[0] == 0
    listed = json.loads(command("checkpoints", 1, "--json")[1].splitlines()[-1])
    assert (listed["epoch"], "last" in listed["kept"]) == (3, True)
    assert "last" in command("checkpoints", 1)[1]
    assert "Set epochs to more" in command("branch", 1)[2]
    assert command("mark", 1)[2] == "trainer: Only a run that is training can mark a step. Resume it first.\n"
    code, out, err = cli(
        tmp_path, "branch", 1, "--set", "epochs=5", "learning_rate=0.05", "--name", "b", "--json"
    )
    assert (code, err) == (0, "")
    results = json.loads(out)
    step = listed["step"]
    assert results["branched"] == {"run": 1, "step": step}
    assert results["changes"] == [{"step": step, "values": {"learning_rate": 0.05}}]
    assert (results["run"], results["epochs"], results["name"]) == (2, 5, "b")
    assert f"branched at step {step}" in command("runs")[1]


def test_a_killed_run_can_be_resumed_and_stopped_without_a_supervisor(tmp_path, command):
    process = started(tmp_path, "run", "--set", *FAST, "epochs=100000")
    wait_for_steps(tmp_path, 50)
    assert "another process" in command("resume", 1)[2]
    process.kill()
    process.communicate()
    assert command("stop", 1) == (0, "", "Run 1: stopped.\n")
    process = started(tmp_path, "resume", 1)
    wait_for_steps(tmp_path, Store(f"sqlite:///{tmp_path / 'trainscope.db'}").last_step(1, "step") + 1)
    process.kill()
    process.communicate()
    process = started(tmp_path, "resume", 1, "--json")
    wait_for_steps(tmp_path, Store(f"sqlite:///{tmp_path / 'trainscope.db'}").last_step(1, "step") + 1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, json.loads(out)["status"], err) == (0, "stopped", "")


def test_a_run_that_diverges_fails_with_its_sentence(tmp_path):
    code, out, err = cli(
        tmp_path, "run", "--json", "--set", "data=delivery_time", "data.samples=100", "optimizer=sgd", "learning_rate=10",
        "epochs=30", "device=cpu",
    )  # fmt: skip
    assert code == 1
    assert "learning rate 10 is too high" in err
    assert json.loads(out)["stopped_by"] == "non_finite_loss"
    assert "Traceback" not in err


BAD = {
    "unknown knob": (["run", "--set", "learning_rat=1"], "did you mean learning_rate"),
    "out of bounds": (["run", "--set", "dropout.rate=2"], "0.95"),
    "no value": (["run", "--set", "dropout"], "knob=value"),
    "no number": (["run", "--seed", "x"], "seed is 'x'"),
    "conflict": (["run", "--set", "normalization=batch", "batch_size=1"], "at least 2; got 1"),
    "no file": (["run", "nowhere.json"], "nowhere.json cannot be read"),
    "a folder": (["run", "."], "cannot be read"),
    "no data": (["run", "--set", "data=mnist"], "python -m trainer download mnist"),
    "no such download": (["download", "digits"], "mnist"),
    "no such run": (["stop", "77"], "77"),
    "no such run to resume": (["resume", "77"], "77"),
    "no run has so large a number": (["stop", "9" * 30], "There is no run 999"),
    "no such layers": (
        ["run", "--set", "model.layers=0"],
        "Invalid value '0' for model.layers. Up to 20 hidden sizes",
    ),
    "too large a model": (
        ["run", "--set", "model.layers=9999-9999-9999"],
        "parameters; the limit is 100,000,000",
    ),
    "too long a name": (["run", "--name", "x" * 121], "may have 120 characters, not 121"),
    "an underscore in a number": (
        ["run", "--set", "epochs=1_0"],
        "epochs is '1_0', which is no plain number",
    ),
    "a line break after a number": (["run", "--set", "seed=1\n"], "seed is '1\\n', which is no plain number"),
    "a space before a number": (["run", "--set", "learning_rate= 0.1"], "learning_rate is ' 0.1'"),
    "a line break after a name": (
        ["run", "--set", "schedule=cosine\n"],
        "There is no schedule called 'cosine\\n'",
    ),
    "an underscore in a run's number": (["stop", "1_0"], "'1_0' is not a whole number"),
    "no file of data": (["run", "--set", "data=csv", "data.file=nowhere.csv"], "nowhere.csv: No such file"),
    "no command": ([], "required"),
    "unknown command": (["fly"], "fly"),
    "no id": (["stop", "x"], "x"),
    "a change of nothing": (["change", "1"], "--set"),
    "a change of no run": (["change", "7", "--set", "learning_rate=1"], "There is no run 7"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_one_line_and_exit_code_2(case, tmp_path, command):
    arguments, words = BAD[case]
    code, out, err = command(*arguments)
    assert code == 2, err
    assert out == ""
    assert words in err
    assert err.count("\n") == 1
    assert not (tmp_path / "runs").exists()
    assert command("runs", "--json")[1] == ""


def test_a_gpu_that_is_not_there_leaves_no_run(command, monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    code, out, err = command("run", "--set", *FAST, "device=cuda")
    assert (code, out) == (2, "")
    assert "PyTorch finds no GPU here" in err
    assert command("runs", "--json")[1] == ""


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[1]",
        b"\xff\xfe",
        b'{"seed": NaN}',
        b'{"seed": 1, "seed": 2}',
        b'{"seed": "1_0"}',
        b"\x00" * 50,
        b"[" * 50_000,
    ],
)
def test_bad_files(content, tmp_path, command):
    path = tmp_path / "bad.json"
    path.write_bytes(content)
    code, out, err = command("run", path)
    assert (code, out) == (2, ""), err
    assert err.count("\n") == 1
    assert "Traceback" not in err


def test_a_process_exits_with_the_code_of_its_command(tmp_path):
    code, out, err = cli(tmp_path, "run", "--set", "dropout.rate=2")
    assert (code, out) == (2, "")
    assert err.count("\n") == 1


def test_a_file_that_is_no_database_is_one_sentence(tmp_path, command):
    (tmp_path / "trainscope.db").write_text("A shopping list, not a database. " * 20)
    code, out, err = command("runs")
    assert (code, out) == (1, "")
    assert f"{tmp_path}/trainscope.db cannot be used: file is not a database" in err
    assert err.count("\n") == 1


def test_a_home_that_cannot_be_made_is_one_sentence(tmp_path, command, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TRAINSCOPE_DATABASE_URL", f"sqlite:///{tmp_path}/file/trainscope.db")
    code, out, err = command("runs")
    assert (code, out) == (2, "")
    assert f"The folder {tmp_path}/file cannot be created" in err
    assert "TRAINSCOPE_HOME" in err


def test_a_reader_that_leaves_is_no_failure_to_talk_about(tmp_path):
    process = executed(tmp_path, "list-knobs")
    process.stdout.close()
    assert (process.wait(PATIENCE), process.stderr.read()) == (141, "")


def test_list_knobs_has_every_knob_of_the_registry(tmp_path, command):
    code, out, _ = cli(tmp_path, "list-knobs", "--json")
    assert code == 0
    entries = {(entry["knob"], entry.get("when")) for entry in json.loads(out)}
    for family in families().values():
        assert (family.name, None) in entries
        for item in family.techniques.values():
            for knob in item.knobs:
                assert (f"{family.name}.{knob}", f"{family.name}={item.name}") in entries
    code, table, _ = command("list-knobs")
    assert code == 0
    assert all(knob in table for knob, _ in entries)
    assert not (tmp_path / "trainscope.db").exists(), "reading the registry needs no store"


def test_inspect_tells_of_the_first_step_and_saves_nothing(tmp_path, command):
    code, out, err = cli(
        tmp_path, "inspect", "--set", *FAST, "initialization=too_small", "--seed", "4", "--json"
    )
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [row["layer"] for row in found["activations"]] == ["hidden1.linear", "output"]
    assert found["activations"][0]["std"] < 0.01
    assert list(tmp_path.iterdir()) == []
    code, out, err = command("inspect", "--set", *FAST)
    assert (code, err) == (0, "")
    assert "hidden1.linear" in out
    assert "float32 (chosen)" in out
    code, out, err = command("inspect", "--set", "data=mnist")
    assert (code, out) == (2, "")
    assert "python -m trainer download mnist" in err


def test_a_configuration_leaves_as_a_script(command, tmp_path):
    code, out, err = command("script", "--set", "normalization=batch", "learning_rate=0.5", "--seed", "7")
    assert (code, err) == (0, "")
    assert "LEARNING_RATE = 0.5" in out
    assert "SEED = 7" in out
    compile(out, "script", "exec")
    assert command("script", "--seed", 7, "--out", tmp_path / "run.py")[:2] == (0, "")
    assert "SEED = 7" in (tmp_path / "run.py").read_text(encoding="utf-8")
    code, _, err = command("script", "--set", "learning_rate=-1")
    assert code == 2
    assert err.count("\n") == 1
    assert "learning_rate is '-1'" in err


def test_diagnose_tells_what_went_wrong_and_the_fix(tmp_path, command):
    store = Store(f"sqlite:///{tmp_path / 'trainscope.db'}")
    run = store.create_run({"learning_rate": 1.0, "seed": 3}, "somebody", status="running")
    rows = np.array([[1, 0.1, 4.0, 1, 1, 0, 1], [2, 0.2, np.nan, 1, np.nan, 0, 1]])
    columns = ("step", "seconds", "loss", "lr", "grad_norm", "clipped", "loss_scale")
    store.record(run, 1, [Batch("step", columns, rows)])
    assert command("diagnose", run, "--json")[1].startswith('{"run":1,"status":"running","findings":[]}')
    store.finish(run, 1, "failed", error="No.", results={"stopped_by": "non_finite_loss"})
    code, out, err = command("diagnose", run)
    assert (code, err) == (0, "")
    assert out.startswith("Learning rate too high.")
    assert "Fix: Learning rate 1 → 0.001" in out
    (finding,) = json.loads(command("diagnose", run, "--json")[1])["findings"]
    assert finding["fix"] == {"learning_rate": 0.001}
    assert finding["evidence"][0]["series"] == "step/loss"
    probe = store.create_run({"schedule": "range_test"}, "somebody")
    assert "is not judged" in command("diagnose", probe)[1]
    assert command("diagnose", 99)[0] == 2
    store.close()


def test_the_command_line_changes_any_run(tmp_path, command):
    store = Store(f"sqlite:///{tmp_path / 'trainscope.db'}")
    (tmp_path / "runs" / "2").mkdir(parents=True)
    for owner in (COMMAND_LINE, "a visitor"):
        run = store.create_run({}, owner)
        assert command("rename", run, " better ")[0] == 0
        assert command("tag", run, "good", " old ", "good")[0] == 0
        assert command("tag", run, "old", "--undo")[0] == 0
        assert command("tag", run, "x" * 41)[0] == 2
        assert store.run(run).tags == ["good"]
        assert command("archive", run)[0] == 0
        assert (store.run(run).name, store.run(run).archived) == ("better", True)
        assert command("archive", run, "--undo")[0] == 0
        assert not store.run(run).archived
        assert command("delete", run) == (0, "", f"Run {run} is deleted.\n")
    assert store.runs() == []
    assert not (tmp_path / "runs" / "2").exists()
    assert command("delete", 2) == (2, "", "trainer: There is no run 2.\n")


def test_the_list_says_whose_turn_it_is(tmp_path, command, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_MAX_WORKERS", "1")
    store = Store(f"sqlite:///{tmp_path / 'trainscope.db'}")
    busy = store.create_run({}, "ann", status="running")
    store.record(busy, 1, progress={"step": 0, "total_steps": 100, "steps_per_s": 5.0})
    store.create_run({}, "bob")
    code, out, _ = command("runs")
    assert code == 0
    assert "queued (next in line, about 20 s)" in out
    assert "running  " in out
