"""The answer to an example's question, and how to find a table, a line or the pictures in it."""

import base64
import json

import numpy as np

from trainer.examples import question_of
from trainer.processes.inspection import answer as inspect
from trainer.registry import find

TOLERANCE = 1e-6  # relative, of float32 numbers


def example(settings, family, name, **knobs):
    """The answer, as it reaches a page: after a journey through JSON."""
    question = json.loads(json.dumps(question_of(find(family, name))))
    question["knobs"] |= knobs
    return json.loads(json.dumps(inspect("example", question, settings), allow_nan=False))


def table(found, number=0):
    return [part for part in found["parts"] if part["kind"] == "table"][number]["rows"]


def line(found, number=0, name=None):
    lines = [part for part in found["parts"] if part["kind"] == "plot"][number]["lines"]
    found = lines[0] if name is None else next(one for one in lines if one["name"] == name)
    return np.array(found["x"]), np.array(found["y"])


def columns(rows):
    return [list(values) for values in zip(*rows, strict=True)]


def near(one, other, rel=TOLERANCE, abs=1e-7):
    np.testing.assert_allclose(np.array(one, dtype=float), np.array(other, dtype=float), rtol=rel, atol=abs)


def images(found):

    (part,) = (part for part in found["parts"] if part["kind"] == "pictures")
    return [
        np.frombuffer(base64.b64decode(item["pixels"]), np.uint8).reshape(item["shape"]).astype(float) / 255
        for item in part["items"]
    ]
