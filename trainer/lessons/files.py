"""Lesson files: CommonMark with YAML front matter, read and validated. Each problem names its file and line."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.front_matter import front_matter_plugin
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from trainer.choice import short_repr, unknown
from trainer.lessons.lesson import SECTIONS, Bounds, Goal, Lesson, LessonError, NowYou
from trainer.lessons.problems import Place, problems
from trainer.lessons.questions import KINDS

MAX_LENGTH: Final = 100_000
"""Characters of a file."""


def read_lesson(path: Path) -> Lesson:
    """Returns the lesson of a file. Raises LessonError."""
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise LessonError(f"{path} cannot be read: {error.strerror}.") from None
    except UnicodeDecodeError:
        raise LessonError(f"{path} is not a text file in UTF-8. Save it as UTF-8.") from None
    return parse_lesson(text, path.stem, path.name)


def parse_lesson(text: str, name: str, file: str) -> Lesson:
    """Returns the lesson called `name` of a file's text. Raises LessonError, whose sentence names `file`."""
    if len(text) > MAX_LENGTH:
        raise LessonError(
            f"{file} has {len(text):,} characters; a lesson has at most {MAX_LENGTH:,}. Shorten it."
        )
    tokens = MarkdownIt("commonmark").use(front_matter_plugin).parse(text)
    if not tokens or tokens[0].type != "front_matter" or tokens[0].map is None:
        raise LessonError(
            f"{file}, line 1: there is no front matter. Begin the file with a line of three dashes, the lesson's keys in "
            "YAML, and another such line."
        )
    front = FrontMatter(tokens[0].content, tokens[0].map[0] + 1, file)
    values = front.values
    if "name" in values or "sections" in values:
        key = "name" if "name" in values else "sections"
        raise front.error((key,), f"`{key}` cannot be set: it comes from the file itself. Remove it.")
    try:
        lesson = Lesson.model_validate(
            {**values, "name": name, "sections": _sections(tokens[1:], text.splitlines(), file)}
        )
    except ValidationError as error:
        found = error.errors(include_url=False)
        # A key that is misspelled is missing, too; the misspelling says more.
        first = next((one for one in found if one["type"] == "extra_forbidden"), found[0])
        raise front.error(_place(first), _sentence(first)) from None
    for place, sentence in problems(lesson):
        raise front.error(place, sentence)
    return lesson


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # yaml has no types
    """Without anchors, which could make a short file endless."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        """Raises ComposerError at an alias."""
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.composer.ComposerError(None, None, "aliases are not used here", mark)
        return super().compose_node(parent, index)


class FrontMatter:
    """The front matter's values, and the line of each."""

    def __init__(self, text: str, before: int, file: str) -> None:
        """`before` is the number of lines before it. Raises LessonError where it is not YAML with unique keys."""
        self.file, self.before = file, before
        try:
            self.root = yaml.compose(text, _Loader)
            self.values: Any = yaml.load(text, _Loader)  # noqa: S506 - it is a safe one
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise LessonError(
                f"{file}, line {before + line}: this is not YAML: {error.problem}. Put a text that holds a colon or begins "
                "with a special character in quotes."
            ) from None
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            raise LessonError(f"{file}: the front matter is not YAML: {error}.") from None
        if not isinstance(self.values, dict):
            raise LessonError(
                f"{file}, line {before + 1}: the front matter has no keys. Begin with `title: …`."
            )
        self._require_unique_keys(self.root)

    def error(self, place: Place, sentence: str) -> LessonError:
        """Returns the problem of a value as an error that names its line."""
        return LessonError(f"{self.file}, line {self._line(place)}: {sentence}")

    def _line(self, place: Place) -> int:
        """Returns the line of the value at this path, or of the innermost one on the way that is there."""
        node, line = self.root, 1
        for part in place:
            if isinstance(node, yaml.MappingNode):
                found = next(((key, value) for key, value in node.value if key.value == str(part)), None)
                if found is not None:
                    line, node = found[0].start_mark.line + 1, found[1]
            elif isinstance(node, yaml.SequenceNode) and isinstance(part, int) and part < len(node.value):
                node = node.value[part]
                line = node.start_mark.line + 1
        return self.before + line

    def _require_unique_keys(self, node: Any) -> None:
        """YAML says nothing of which one counts where a key comes twice."""
        if isinstance(node, yaml.MappingNode):
            seen = set[str]()
            for key, value in node.value:
                if key.value in seen:
                    line = self.before + key.start_mark.line + 1
                    raise LessonError(
                        f"{self.file}, line {line}: the key {short_repr(key.value)} comes twice. Keep one of them."
                    )
                seen.add(key.value)
                self._require_unique_keys(value)
        elif isinstance(node, yaml.SequenceNode):
            for value in node.value:
                self._require_unique_keys(value)


def _sections(tokens: list[Token], lines: list[str], file: str) -> dict[str, str]:
    """Returns the text under each heading of the second level. Raises LessonError."""
    found: dict[str, tuple[int, int]] = {}
    for number, token in enumerate(tokens):
        if token.type != "heading_open" or token.tag != "h2" or token.level or token.map is None:
            continue
        title, line = tokens[number + 1].content, token.map[0] + 1
        if title not in SECTIONS:
            raise LessonError(f"{file}, line {line}: {unknown('section', title, SECTIONS)}")
        if title in found:
            raise LessonError(
                f"{file}, line {line}: the section “{title}” comes twice. Put its text in one place."
            )
        found[title] = (token.map[0], token.map[1])
    starts = sorted(begin for begin, _ in found.values())
    sections = {}
    for title, (begin, text) in found.items():
        end = next((start for start in starts if start > begin), len(lines))
        sections[title] = "\n".join(lines[text:end]).strip()
    for title in SECTIONS:
        if not sections.get(title):
            raise LessonError(
                f"{file}, line {len(lines)}: the section “{title}” is missing or empty. Add `## {title}` and its text."
            )
    return sections


def _place(error: ErrorDetails) -> Place:
    """Returns the path of a value without the names of question kinds, which pydantic adds."""
    return tuple(part for part in error["loc"] if part not in KINDS or error["loc"][-1] == part)


def _sentence(error: ErrorDetails) -> str:
    """Returns what is wrong with a value of the wrong form, and what to do."""
    place = _place(error)
    key = ".".join(str(part + 1) if isinstance(part, int) else part for part in place)
    match error["type"]:
        case "missing":
            return f"`{key}` is missing. Add it."
        case "extra_forbidden":
            return unknown("key", str(place[-1]), _keys_at(place[:-1]))
        case "union_tag_not_found" | "union_tag_invalid":
            return f"`{key}` says not how it is answered. Give it one of {', '.join(KINDS)}."
        case "value_error":
            return f"`{key}` {error['ctx']['error']}."
    reason = error["msg"].removeprefix("Input ")
    return f"`{key}` is {short_repr(error['input'])}, but {reason[0].lower()}{reason[1:]}. Change it."


def _keys_at(place: Place) -> list[str]:
    """Returns the keys that a lesson may have there."""
    forms: Mapping[str, Any] = {"now_you": NowYou, "goal": Goal, "where": Bounds}
    if not place:
        return [name for name in Lesson.model_fields if name not in ("name", "sections")]
    form = forms.get(str(place[-1]))
    if form is not None:
        return list(form.model_fields)
    if place[0] in ("predictions", "checkpoints"):
        return sorted({name for kind in KINDS.values() for name in kind.model_fields})
    return ["arm", "below", "above", "reading", "factor"]
