"""Does a lesson keep its word? Trains its arms over several seeds, and holds its promise and its goal against the results."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from trainer.config import RunConfig
from trainer.engine.loop import training
from trainer.engine.observer import NoObserver
from trainer.engine.stack.together import train_together
from trainer.lessons.claims import Arms
from trainer.lessons.lesson import Lesson
from trainer.lessons.questions import Answers, Which
from trainer.lessons.readings import Trained
from trainer.lifecycle.requests import Request
from trainer.metrics.registry import Point, metrics

SEEDS: Final = 6
MAX_SECONDS: Final = 30
"""How long a lesson's runs may take together, on `CORES` cores."""
CORES: Final = 2
ALIKE: Final = 2 / 3
"""Share of seeds in which a prediction must come out alike, and in which the solution must reach the goal."""


@dataclass(frozen=True)
class Finding:
    """One thing that was checked, and whether it holds."""

    holds: bool
    sentence: str


class _Memory:
    """A recorder that keeps the curves."""

    def __init__(self) -> None:
        self.points: Mapping[str, list[Point]] = {"step": [], "epoch": []}

    def step(self, point: Point) -> None:
        self.points["step"].append(point)

    def epoch(self, point: Point) -> None:
        self.points["epoch"].append(point)

    def curves(self, kind: str) -> dict[str, Any]:
        """Returns each metric's values as an array."""
        points = self.points[kind]
        return {
            name: np.array([float(getattr(point, name)) for point in points])
            for name in metrics(kind)
            if not points or getattr(points[0], name, None) is not None
        }

    def progress(self, facts: dict[str, Any]) -> None:
        """Nobody asks."""

    def notice(self, text: str) -> None:
        """Nobody reads it."""

    def handled(self, request: Request) -> None:
        """Nobody requests anything."""

    def flush(self) -> None:
        """All is in memory."""


def trained(config: RunConfig, seeds: int, data_folder: Path) -> tuple[Trained, ...]:
    """Returns the runs of a configuration with the seeds from 0 on. The first is trained alone, for the time that it takes."""
    return tuple(
        run
        for group in ((0,), tuple(range(1, seeds)))
        if group
        for run in _trained(config.to_json(), group, data_folder)
    )


@cache
def _trained(config_json: str, seeds: tuple[int, ...], data_folder: Path) -> tuple[Trained, ...]:
    """Trains one configuration with several seeds at once. Arms and solutions that are alike share the runs."""
    config, recorders = RunConfig.from_json(config_json), [_Memory() for _ in seeds]
    first, *others = [
        training(
            config.changed({"seed": seed, "health": False, "device": "cpu"}),
            data_folder=data_folder,
            run_folder=None,
            recorder=recorder,
            control=lambda: None,
            observe=NoObserver,
        )
        for seed, recorder in zip(seeds, recorders, strict=True)
    ]
    results = train_together(first, lambda _: others)
    return tuple(
        Trained(result.to_dict(), recorder.curves("epoch"), recorder.curves("step"))
        for result, recorder in zip(results, recorders, strict=True)
    )


@dataclass(frozen=True)
class Checked:
    """What came of a check. `seconds` is about how long a visitor waits for the runs, on two cores like this machine's."""

    findings: Sequence[Finding]
    seconds: float = field(compare=False)

    @property
    def holds(self) -> bool:
        """Whether the lesson keeps its word."""
        return all(one.holds for one in self.findings)

    @property
    def is_slow(self) -> bool:
        """Whether the runs take too long on this machine."""
        return self.seconds > MAX_SECONDS


def check(lesson: Lesson, seeds: int, data_folder: Path) -> Checked:
    """Trains every arm, and the solution of "now you", with the seeds from 0 on."""
    runs = {arm: trained(config, seeds, data_folder) for arm, config in lesson.configs.items()}
    seconds = sum(float(ended[0].results["seconds"]) for ended in runs.values()) / CORES
    return Checked(findings(lesson, runs, trained(solution_of(lesson), seeds, data_folder)), seconds)


def solution_of(lesson: Lesson) -> RunConfig:
    """Returns the configuration that reaches the goal of "now you"."""
    return lesson.start.changed(lesson.now_you.solution)


def findings(
    lesson: Lesson, runs: Mapping[str, Sequence[Trained]], solved: Sequence[Trained]
) -> list[Finding]:
    """Returns what the runs of each arm, and those of the solution, one a seed, say to the lesson."""
    seeds: list[Arms] = [{arm: ended[number] for arm, ended in runs.items()} for number in range(len(solved))]
    return [*_promises(lesson, seeds), *_predictions(lesson, seeds), *_goal(lesson, seeds, solved)]


def _promises(lesson: Lesson, seeds: Sequence[Arms]) -> Iterable[Finding]:
    for claim in lesson.claims:
        count = sum(claim.holds(arms, lesson.reading) for arms in seeds)
        words = claim.words(lesson.reading, classifies=lesson.classifies)
        yield Finding(
            claim.holds_over(seeds, lesson.reading), f"Promise: {words} (in {count} of {len(seeds)} seeds)."
        )


def _predictions(lesson: Lesson, seeds: Sequence[Arms]) -> Iterable[Finding]:
    """A question whose answer differs from seed to seed teaches chance."""
    questions = [*lesson.predictions, *lesson.checkpoints]
    for question in questions:
        if isinstance(question, Which | Answers):
            truths = Counter(question.truth(arms, lesson.setting) for arms in seeds)
            truth, count = truths.most_common(1)[0]
            yield Finding(
                count >= ALIKE * len(seeds),
                f"Question: “{question.ask}” – “{truth}” (in {count} of {len(seeds)} seeds).",
            )


def _goal(lesson: Lesson, seeds: Sequence[Arms], solved: Sequence[Trained]) -> Iterable[Finding]:
    goal, mine = lesson.now_you.goal, lesson.now_you
    pairs = zip(solved, seeds, strict=True)
    reached = sum(goal.is_reached(run, solution_of(lesson), arms) for run, arms in pairs)
    yield Finding(
        reached >= ALIKE * len(solved),
        f"Goal: “{goal.text}” – the solution reaches it (in {reached} of {len(solved)} seeds).",
    )
    already = sum(goal.is_reached(arms[mine.start], lesson.start, arms) for arms in seeds)
    yield Finding(
        already <= (1 - ALIKE) * len(solved),
        f"Goal: “{goal.text}” – “{mine.start}” does not reach it yet (it does in {already} of {len(solved)} seeds).",
    )
