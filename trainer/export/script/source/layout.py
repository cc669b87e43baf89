"""Lines of a readable length: what fits on one line stands on one, what does not is spread over several.

Works on logical lines; one with a comment inside, or with a string over several lines, is left as it is.
"""

from __future__ import annotations

import io
import tokenize
from collections.abc import Iterator, Sequence
from typing import NamedTuple

OPENING, CLOSING = set("([{"), set(")]}")
BREAKING = ("for", "if", "and", "or", "else")  # words before which an expression may be broken
SKIPPED = (tokenize.INDENT, tokenize.DEDENT, tokenize.NL, tokenize.ENDMARKER)


class Piece(NamedTuple):
    """A token: its text, what stands before it on one line, and whether it began a line."""

    text: str
    gap: str
    first: bool


def laid_out(text: str, width: int) -> str:
    """The text with each logical line on as few lines as it needs."""
    rows, out, done = text.splitlines(), [], 0
    for tokens in _logical_lines(text):
        start, end = tokens[0].start[0] - 1, tokens[-1].end[0]
        out += rows[done:start]
        if _is_fixed(tokens) or (end - start == 1 and len(rows[start]) <= width):
            out += rows[start:end]
        else:
            indent = rows[start][: tokens[0].start[1]]
            out += _lines(list(_pieces(rows, tokens)), indent, "", width)
        done = end
    return "\n".join(out + rows[done:])


def _logical_lines(text: str) -> Iterator[list[tokenize.TokenInfo]]:
    """The tokens of each statement or header."""
    line: list[tokenize.TokenInfo] = []
    for token in tokenize.generate_tokens(io.StringIO(text + "\n").readline):
        if token.type == tokenize.NEWLINE:
            yield line
            line = []
        elif token.type not in SKIPPED and (line or token.type != tokenize.COMMENT):
            line.append(token)


def _is_fixed(tokens: Sequence[tokenize.TokenInfo]) -> bool:
    return any(
        token.type == tokenize.COMMENT or (token.type == tokenize.STRING and "\n" in token.string)
        for token in tokens
    )


def _pieces(rows: Sequence[str], tokens: Sequence[tokenize.TokenInfo]) -> Iterator[Piece]:
    """Tokens as they would stand on one line, without commas that only ended a spread-out list."""
    before = None
    for number, token in enumerate(tokens):
        last = token.string == "," and number + 1 < len(tokens) and tokens[number + 1].string in CLOSING
        if last and not _makes_a_tuple(tokens, number):
            continue
        first = before is not None and token.start[0] > before.end[0]
        if before is None or (first and (token.string in {*CLOSING, "."} or before.string in OPENING)):
            gap = ""
        elif first:
            gap = " "
        else:
            gap = rows[token.start[0] - 1][before.end[1] : token.start[1]]
            gap = gap.lstrip(",")  # of a comma that was left out
        yield Piece(token.string, gap, first)
        before = token


def _makes_a_tuple(tokens: Sequence[tokenize.TokenInfo], comma: int) -> bool:
    """Whether a last comma makes a tuple of one: it is the only one between parentheses that call nothing."""
    depth = 0
    for place in range(comma - 1, -1, -1):
        text = tokens[place].string
        depth += (text in CLOSING) - (text in OPENING)
        if depth < 0:
            before = tokens[place - 1] if place else None
            calls = before is not None and (before.type == tokenize.NAME or before.string in CLOSING)
            return text == "(" and not calls
        if text == "," and depth == 0:
            return False
    return False


def _joined(pieces: Sequence[Piece]) -> str:
    return "".join(one.gap * (number > 0) + one.text for number, one in enumerate(pieces))


def _lines(pieces: Sequence[Piece], indent: str, suffix: str, width: int) -> list[str]:
    """One line if the pieces fit; else what is in the longest brackets is indented below."""
    line = indent + _joined(pieces) + suffix
    brackets = max(_brackets(pieces), key=lambda pair: pair[1] - pair[0], default=None)
    if len(line) <= width or brackets is None:
        return [line]
    opening, closing = brackets
    body, deeper = pieces[opening + 1 : closing], indent + "    "
    if len(deeper + _joined(body)) <= width and not _is_grouped(list(_divided(body))):
        inner = [deeper + _joined(body)]
    else:
        inner = _elements(body, deeper, width)
    return [indent + _joined(pieces[: opening + 1]), *inner, indent + _joined(pieces[closing:]) + suffix]


def _elements(body: Sequence[Piece], indent: str, width: int) -> list[str]:
    """What stands between brackets, an element a line; what stood on one line stays on one, and literals fill lines."""
    elements = list(_divided(body))
    if len(elements) == 1 and body[-1].text != ",":
        parts = list(_broken(body))
        return (
            [line for part in parts for line in _lines(part, indent, "", width)]
            if len(parts) > 1
            else _lines(body, indent, "", width)
        )
    lines: list[str] = []
    fills = all(len(one) == 1 and not one[0].text.isidentifier() for one in elements)
    grouped = _is_grouped(elements)
    for number, element in enumerate(elements):
        text = _joined(element) + ","
        joins = fills or (grouped and not element[0].first)
        if number and joins and len(lines[-1]) + 1 + len(text) <= width:
            lines[-1] += " " + text
        else:
            lines += _lines(element, indent, ",", width)
    return lines


def _is_grouped(elements: Sequence[Sequence[Piece]]) -> bool:
    """Whether lines held several elements: they belong together, as the parts of a layer do."""
    return len({one[0].first for one in elements[1:]}) > 1


def _divided(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces between commas outside brackets."""
    part: list[Piece] = []
    comprehends = any(depth == 0 and one.text == "for" for depth, one in _depths(pieces))
    for depth, one in _depths(pieces):
        in_lambda = any(other.text == "lambda" for other in part) and all(other.text != ":" for other in part)
        if depth == 0 and one.text == "," and not (comprehends or in_lambda):
            yield part
            part = []
        else:
            part.append(one)
    if part:
        yield part


def _broken(pieces: Sequence[Piece]) -> Iterator[list[Piece]]:
    """Pieces up to each word before which a line may be broken."""
    part: list[Piece] = []
    for depth, one in _depths(pieces):
        strings = bool(part) and one.first and all(other.text[-1] in "\"'" for other in (part[-1], one))
        if depth == 0 and part and (strings or one.text in BREAKING):
            yield part
            part = []
        part.append(one)
    yield part


def _depths(pieces: Sequence[Piece]) -> Iterator[tuple[int, Piece]]:
    """Each piece with the number of brackets that it stands in; brackets stand outside themselves."""
    depth = 0
    for one in pieces:
        depth -= one.text in CLOSING
        yield depth, one
        depth += one.text in OPENING


def _brackets(pieces: Sequence[Piece]) -> Iterator[tuple[int, int]]:
    """Places of each outermost pair of brackets with something in them."""
    opened = 0
    for number, (depth, one) in enumerate(_depths(pieces)):
        if depth == 0 and one.text in OPENING:
            opened = number
        elif depth == 0 and one.text in CLOSING and number > opened + 1:
            yield opened, number
