"""What is wrong with a lesson whose parts have the right form: names that do not exist, configurations that cannot run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from trainer.choice import unknown
from trainer.config import ConfigError, RunConfig
from trainer.lessons.claims import Claim
from trainer.lessons.lesson import RECIPE, Lesson
from trainer.lessons.questions import Answers, Draw, Question, Read, Which
from trainer.lessons.readings import COLUMNS, FIGURES
from trainer.presets import PRESETS
from trainer.registry import families

Place = tuple[str | int, ...]
"""A path in the front matter, such as ("predictions", 0, "arm")."""
Problems = Iterator[tuple[Place, str]]


def problems(lesson: Lesson) -> Problems:
    """Yields each problem, as its place and a sentence. Later parts are only looked at where the configurations are right."""
    if lesson.family not in families() and lesson.family != RECIPE:
        yield ("family",), unknown("family", lesson.family, [*families(), RECIPE])
    found = list(_arms(lesson))
    yield from found
    if found:
        return
    yield from _named("measure", lesson.reading, FIGURES, ("measure",))
    for number, claim in enumerate(lesson.promise):
        yield from _claim(lesson, claim, ("promise", number))
    if not lesson.claims:
        yield (
            ("promise",),
            "The lesson promises nothing. Say in `promise` what its runs show, so that tests can hold it.",
        )
    for key, questions in (("predictions", lesson.predictions), ("checkpoints", lesson.checkpoints)):
        for number, question in enumerate(questions):
            yield from _question(lesson, question, (key, number))
    for number, question in enumerate(lesson.checkpoints):
        if isinstance(question, Draw):
            yield (
                ("checkpoints", number),
                "A checkpoint cannot be drawn: it is answered from the curves. Ask `which`, `answers` or `read`.",
            )
    for number, name in enumerate(lesson.examples):
        yield from _named("technique", name, _techniques(), ("examples", number))
    yield from _now_you(lesson)


def _arms(lesson: Lesson) -> Problems:
    if lesson.preset:
        yield from _named("preset", lesson.preset, PRESETS, ("preset",))
        for key in ("data", "shared", "arms"):
            if getattr(lesson, key):
                yield (
                    (key,),
                    f"`{key}` is set, but the preset {lesson.preset!r} has its own. Leave out one of the two.",
                )
        return
    if len(lesson.arms) < 2:
        yield (
            ("arms",),
            f"The lesson has {len(lesson.arms)} arms; it compares at least two. Add `arms`, or name a `preset`.",
        )
        return
    if not lesson.data:
        yield ("title",), "`data` is missing. Name the data set, such as `data: digits`."
        return
    known: dict[str, Any] = {"data": lesson.data, **lesson.shared}
    steps: list[tuple[Place, dict[str, Any]]] = [(("data",), {"data": lesson.data}), (("shared",), known)]
    steps += [(("arms", name), {**known, **changes}) for name, changes in lesson.arms.items()]
    for place, values in steps:
        try:
            RunConfig.from_flat(values)
        except ConfigError as error:
            yield place, str(error)
            return
    try:
        lesson.design()
    except ConfigError as error:
        yield ("arms",), str(error)


def _claim(lesson: Lesson, claim: Claim, place: Place) -> Problems:
    yield from _named("arm", claim.arm, lesson.configs, (*place, "arm"))
    if isinstance(claim.bound, str):
        key = "below" if claim.below is not None else "above"
        yield from _named("arm", claim.bound, lesson.configs, (*place, key))
    if claim.reading is not None:
        yield from _named("reading", claim.reading, FIGURES, (*place, "reading"))


def _question(lesson: Lesson, question: Question, place: Place) -> Problems:
    if isinstance(question, Draw | Read):
        yield from _named("arm", question.arm, lesson.configs, (*place, "arm"))
    if isinstance(question, Draw):
        yield from _named("curve", question.draw, COLUMNS, (*place, "draw"))
        if not question.bottom < question.top:
            yield (
                (*place, "top"),
                f"The axis ends at {question.top:g}, which is not above its bottom {question.bottom:g}.",
            )
    elif isinstance(question, Read):
        yield from _named("reading", question.read, FIGURES, (*place, "read"))
    elif isinstance(question, Which) and question.reading is not None:
        yield from _named("reading", question.reading, FIGURES, (*place, "reading"))
    elif isinstance(question, Answers):
        yield from _answers(lesson, question, place)


def _answers(lesson: Lesson, question: Answers, place: Place) -> Problems:
    for number, answer in enumerate(question.answers):
        for which, claim in enumerate(answer.when):
            yield from _claim(lesson, claim, (*place, "answers", number, "when", which))
        if not answer.when and number < len(question.answers) - 1:
            yield (
                (*place, "answers", number),
                "Only the last answer may do without `when`: it is right if no other is. Say when this one is right.",
            )
    texts = [answer.text for answer in question.answers]
    if len(set(texts)) < len(texts):
        yield (*place, "answers"), "Two answers have the same text. Give each its own."


def _now_you(lesson: Lesson) -> Problems:
    mine, place = lesson.now_you, ("now_you",)
    unknown_arm = list(_named("arm", mine.start, lesson.configs, (*place, "start")))
    yield from unknown_arm
    yield from _named("reading", mine.goal.reading, FIGURES, (*place, "goal", "reading"))
    if (mine.goal.at_least is None) == (mine.goal.at_most is None):
        yield (*place, "goal"), "The goal needs either `at_least` or `at_most`."
    if mine.goal.of is not None:
        yield from _named("arm", mine.goal.of, lesson.configs, (*place, "goal", "of"))
    if unknown_arm:
        return
    flat = lesson.start.flat()
    for number, key in enumerate(mine.knobs):
        yield from _named("knob", key, flat, (*place, "knobs", number))
    try:
        solved = lesson.start.changed(mine.solution)
    except ConfigError as error:
        yield (*place, "solution"), str(error)
        return
    for key in mine.solution:
        if not any(key == knob or key.startswith(f"{knob}.") for knob in mine.knobs):
            yield (
                (*place, "solution", key),
                f"The solution changes {key}, which is not among `knobs`. Add it there.",
            )
    for key in mine.goal.where:
        yield from _named("knob", key, solved.flat(), (*place, "goal", "where", key))
    if missing := list(mine.goal.missed(solved)):
        yield (*place, "solution"), f"The solution misses what the goal asks for: {', '.join(missing)}."


def _techniques() -> list[str]:
    return [f"{family}.{name}" for family in families() for name in families()[family].techniques]


def _named(kind: str, name: str, known: Iterable[str], place: Place) -> Problems:
    """Yields a problem where a name is not known."""
    names = list(known)
    if name not in names:
        yield place, unknown(kind, name, names)
