"""How often the diagnosis is right: `python tests/bench/diagnosis_suite.py [--half held] [--home FOLDER] [--fixes]`.

Trains the labelled runs of diagnosis_development.py and diagnosis_held_out.py through the real worker and store, asks
`diagnose` about each, and prints one line of JSON: precision (findings that are right of all findings), recall (sick runs whose
failure was found; counting causes, also those of which its cause was, such as the rate that killed the units), both by failure,
confusions and what was missed. Labels come from how a run was built, and are confirmed by what no rule looks at: the test part.
A sick run counts if its cured twin has a clearly lower test loss; a healthy one if its test loss holds against a scikit-learn
model of the same split. Runs that fail this are listed as unconfirmed and left out.

With --fixes each finding's one-click fix is trained too: how often the failure is gone, and how often validation loss, which
it promises to lower, and test loss are lower.
With --home, runs that are in that folder already are not trained again; --seconds ends early, to go on with the next call.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import diagnosis_development
import diagnosis_held_out
import numpy as np
import torch
from diagnosis_cases import Case
from sklearn.calibration import CalibratedClassifierCV
from sklearn.linear_model import LinearRegression
from sklearn.metrics import log_loss
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from trainer.config import RunConfig
from trainer.diagnosis import Finding, diagnose, gather, rules
from trainer.engine.build import load_data
from trainer.processes.control import Control
from trainer.processes.worker import train_attempt
from trainer.settings import Settings
from trainer.store import Run, Store

BETTER = 0.85  # of the sick run's test loss: what the cured twin must reach at most
SEQUENCES = {
    "adding": 0.3,
    "reviews": 0.35,
}  # largest test loss of a healthy run where scikit-learn has no counterpart


HALVES = {"dev": diagnosis_development, "held": diagnosis_held_out}


def cases(half: str, shift: int = 0) -> list[Case]:
    """All runs of a half, their seeds raised by `shift`."""
    found = [*HALVES[half].healthy(), *HALVES[half].broken()]
    return [
        replace(case, values={**case.values, "seed": case.values.get("seed", 0) + shift}) for case in found
    ]


def main() -> None:
    """Runs what was asked for and prints the line."""
    options = arguments()
    asked = [case for half in options.halves for case in cases(half, options.shift)]
    with tempfile.TemporaryDirectory() as scratch:
        home = Path(options.home or scratch)
        home.mkdir(parents=True, exist_ok=True)
        deadline = time.monotonic() + options.seconds
        done = train_all(home, [config for case in asked for config in (case.config, case.cured)], deadline)
        store = Store(Settings(home=home).url)
        if done and options.fixes:
            runs = runs_of(store)
            fixed = [
                config for case in asked for config in twins(store, runs[case.config.to_json()]).values()
            ]
            done = train_all(home, fixed, deadline)
        if not done:
            print("Not all trained yet: call again with the same --home.", file=sys.stderr)
            return
        report = judge(store, asked, say=options.verbose)
        if options.fixes:
            report["fixes"] = fixes(store, asked)
        print(json.dumps(report))


def arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--half", dest="halves", nargs="+", default=["dev", "held"], choices=list(HALVES))
    parser.add_argument(
        "--shift", type=int, default=0, help="add this to every seed: other runs of the same kind"
    )
    parser.add_argument("--home", help="keep the runs in this folder")
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--fixes", action="store_true")
    parser.add_argument("--verbose", action="store_true", help="one line for each run on standard error")
    return parser.parse_args()


# -- training ------------------------------------------------------------------------------------------------


def train_all(home: Path, configs: Iterable[RunConfig], deadline: float) -> bool:
    """Trains the configurations that are not in the store yet, one by one. False if time ran out before the end."""
    known = runs_of(Store(Settings(home=home).url))
    missing = [text for text in dict.fromkeys(config.to_json() for config in configs) if text not in known]
    return all(train_one(home, deadline, text) for text in missing)


def train_one(home: Path, deadline: float, text: str) -> bool:
    """Trains one configuration as a worker does."""
    if time.monotonic() > deadline:
        return False
    settings = Settings(home=home)
    store = Store(settings.url)
    run_id = store.create_run(RunConfig.from_json(text), "suite", status="running")
    train_attempt(store, run_id, 1, settings, Control())
    settings.remove_run_folder(run_id)
    store.close()
    return True


def runs_of(store: Store) -> dict[str, Run]:
    """The finished runs by their configuration's JSON."""
    return {RunConfig.parse(run.config).to_json(): run for run in store.runs("suite") if run.is_over}


# -- judging -------------------------------------------------------------------------------------------------


def found_in(store: Store, run: Run) -> list[Finding]:
    """What the product says of a run."""
    evidence = gather(store, run)
    assert evidence is not None
    return diagnose(evidence)


def judge(store: Store, asked: Sequence[Case], *, say: bool) -> dict[str, Any]:
    """Precision and recall over the confirmed cases, and where they were lost."""
    runs = runs_of(store)
    right, wrong, hits, sick = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    missed, false_alarms, unconfirmed = [], [], []
    healthy = quiet = caused = 0
    for case in asked:
        run, cured = runs[case.config.to_json()], runs[case.cured.to_json()]
        names = [finding.name for finding in found_in(store, run)]
        why = doubt(case, run, cured)
        if say:
            print(
                f"{case.half:4} {case.label or '-':26} {case.name:40} {' '.join(names):40} {why}",
                file=sys.stderr,
            )
        if why:
            unconfirmed.append(f"{case.half}: {case.name}: {why}")
            continue
        for name in names:
            (right if name == case.label or name in case.also else wrong)[name] += 1
        bad = [name for name in names if name != case.label and name not in case.also]
        if bad:
            false_alarms.append(
                f"{case.half}: {case.name}: {', '.join(bad)} instead of {case.label or 'healthy'}"
            )
        if case.label:
            sick[case.label] += 1
            hits[case.label] += case.label in names
            caused += any(case.label in rules()[name].hides for name in names if name in case.also)
            if case.label not in names:
                missed.append(f"{case.half}: {case.name}: {case.label}, said {', '.join(names) or 'nothing'}")
        else:
            healthy, quiet = healthy + 1, quiet + (not names)
    said = sum(right.values()) + sum(wrong.values())
    return {
        "runs": healthy + sum(sick.values()),
        "healthy": healthy,
        "healthy_without_advice": quiet,
        "sick": sum(sick.values()),
        "precision": round(sum(right.values()) / max(1, said), 4),
        "recall": round(sum(hits.values()) / max(1, sum(sick.values())), 4),
        "recall_counting_causes": round((sum(hits.values()) + caused) / max(1, sum(sick.values())), 4),
        "by_failure": {
            name: {
                "runs": sick[name],
                "found": hits[name],
                "precision": round(right[name] / max(1, right[name] + wrong[name]), 3),
            }
            for name in sorted(sick)
        },
        "missed": missed,
        "false_alarms": false_alarms,
        "unconfirmed": unconfirmed,
    }


def doubt(case: Case, run: Run, cured: Run) -> str:
    """Why the label cannot be held, judged by the test part alone; empty where it can."""
    loss = test_loss(run)
    if case.label:
        healed = test_loss(cured)
        guess = guess_loss(run)
        if case.label == "dead_relu" and loss < 0.9 * guess:
            return f"test loss {loss:.3g}: not dead"
        worst = loss if np.isfinite(loss) else guess  # a cure of a run that failed must learn something, too
        return "" if healed <= BETTER * worst else f"cured {healed:.3g} against {loss:.3g}"
    return reference(case.config, loss, run.results["test"]["metric"])


def guess_loss(run: Run) -> float:
    """The loss of a network that has learned nothing."""
    data = RunConfig.parse(run.config).data_facts()
    return 1.0 if data["task"] == "regression" else float(np.log(data["outputs"]))


def test_loss(run: Run) -> float:
    """The loss on the test part, infinite for a run that failed."""
    loss = ((run.results or {}).get("test") or {}).get("loss")
    return float("inf") if loss is None or not np.isfinite(loss) else float(loss)


def validation_loss(run: Run) -> float:
    """The validation loss of the weights that the run kept, infinite for a run that failed."""
    found = run.results or {}
    values = found.get("best") if found.get("restored_best") else found.get("validation")
    loss = None if found.get("error") else (values or {}).get("val_loss", (values or {}).get("loss"))
    return float("inf") if loss is None or not np.isfinite(loss) else float(loss)


def reference(config: RunConfig, loss: float, metric: float) -> str:
    """Empty if a healthy run's test loss holds against a scikit-learn model on the same split, else both numbers."""
    if limit := SEQUENCES.get(config.data.name):
        return "" if loss <= limit else f"test loss {loss:.3g} above {limit}"
    data = load_data(
        config.changed({"rotation": "none", "affine": "none", "mixing": "none"}),
        Path("none"),
        torch.device("cpu"),
    )
    (x, y), (tx, ty) = (
        (part.inputs.flatten(1).numpy(), part.targets.numpy()) for part in (data.train, data.test)
    )
    if data.task == "regression":
        best = float(np.mean((LinearRegression().fit(x, y).predict(tx) - ty) ** 2))
        return "" if loss <= 1.3 * best else f"test loss {loss:.3g} against {best:.3g}"
    models = CalibratedClassifierCV(SVC(), ensemble=False), KNeighborsClassifier(15)
    fitted = [model.fit(x, y) for model in models]
    best = min(log_loss(ty, model.predict_proba(tx)) for model in fitted)
    score = max(model.score(tx, ty) for model in fitted)
    worst = 1.5 * best + 0.08 * np.log(data.outputs)
    holds = loss <= worst and metric >= score - 0.05
    return (
        ""
        if holds
        else f"test loss {loss:.3g} (at most {worst:.3g}), accuracy {metric:.3g} against {score:.3g}"
    )


# -- the fixes -----------------------------------------------------------------------------------------------


def twins(store: Store, run: Run) -> dict[str, RunConfig]:
    """The configuration that each finding's button would start, by the failure's name."""
    config = RunConfig.parse(run.config)
    return {finding.name: config.changed(finding.fix) for finding in found_in(store, run)}


def fixes(store: Store, asked: Sequence[Case]) -> dict[str, Any]:
    """How often a fix made its finding go away, and how often it lowered validation and test loss, by failure and in all."""
    runs = runs_of(store)
    tried, gone, kept, better, worse = Counter[str](), Counter[str](), Counter[str](), Counter[str](), []
    for case in asked:
        before = runs[case.config.to_json()]
        for name, config in twins(store, before).items():
            after = runs[config.to_json()]
            tried[name] += 1
            gone[name] += name not in [finding.name for finding in found_in(store, after)]
            better[name] += test_loss(after) < test_loss(before)
            losses = validation_loss(before), validation_loss(after)
            kept[name] += losses[1] < losses[0]
            if losses[1] >= losses[0]:
                worse.append(f"{case.half}: {case.name}: {name}, {losses[0]:.3g} → {losses[1]:.3g}")
    total = max(1, sum(tried.values()))
    return {
        "tried": sum(tried.values()),
        "finding_gone": round(sum(gone.values()) / total, 3),
        "validation_loss_lower": round(sum(kept.values()) / total, 3),
        "test_loss_lower": round(sum(better.values()) / total, 3),
        "by_failure": {
            name: {"tried": tried[name], "gone": gone[name], "lower": kept[name]} for name in sorted(tried)
        },
        "validation_loss_not_lower": worse,
    }


if __name__ == "__main__":
    main()
