"""The labelled runs of diagnosis_suite.py: healthy and sick by construction, in a development and a held-out half.

A sick run is a healthy one with one thing broken on purpose; `cure` undoes that, and the suite trains the cured twin to
confirm that the break really hurts. The halves differ in seeds, data, sizes and settings; thresholds were chosen by looking
at the first half alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainer.config import RunConfig

Values = dict[str, Any]

MOONS: Values = {"data": "two_moons", "epochs": 60}
CIRCLES: Values = {"data": "circles", "epochs": 60}
XOR: Values = {"data": "xor", "epochs": 40}
SPIRALS: Values = {"data": "spirals", "epochs": 80, "learning_rate": 0.003}
DIGITS: Values = {"data": "digits", "model.layers": "64-64", "epochs": 25}
CNN: Values = {"data": "digits", "model": "cnn", "model.channels": 8, "epochs": 8}
RESNET: Values = {
    "data": "digits", "model": "resnet", "model.channels": 8, "normalization": "batch", "epochs": 8, "learning_rate": 0.003,
}  # fmt: skip
DELIVERY: Values = {"data": "delivery_time", "model.layers": "64-32", "batch_size": 64, "epochs": 30}
ADDING: Values = {"data": "adding", "data.length": 20, "data.samples": 1000, "model.hidden": 32, "epochs": 40}
LSTM: Values = {**ADDING, "model": "lstm", "learning_rate": 0.005, "clipping": "by_norm"}
GRU: Values = {**ADDING, "model": "gru", "learning_rate": 0.005}
RNN: Values = {
    **ADDING, "model": "rnn", "initialization": "orthogonal", "optimizer": "momentum", "learning_rate": 0.03,
    "clipping": "by_norm", "schedule": "cosine",
}  # fmt: skip
REVIEWS: Values = {"data": "reviews", "data.samples": 800, "epochs": 15}
TEXT_LSTM: Values = {**REVIEWS, "model": "lstm", "model.hidden": 32, "learning_rate": 0.003}
TEXT_GRU: Values = {**REVIEWS, "model": "gru", "model.hidden": 32, "learning_rate": 0.003}
TEXT_TRANSFORMER: Values = {
    **REVIEWS, "data.samples": 1500, "model": "transformer", "model.blocks": 1, "epochs": 12, "schedule": "warmup_cosine",
    "dropout.attention_rate": 0.1, "dropout.feedforward_rate": 0.1, "learning_rate": 0.002,
}  # fmt: skip
DIGITS_TRANSFORMER: Values = {"data": "digits", "model": "transformer", "model.blocks": 1, "epochs": 6}
HELD_BACK: Values = {"validation_share": 0.3, "test_share": 0.3}  # of few samples a small part would tell little
SIGMOIDS: Values = {"activation": "sigmoid", "initialization": "xavier_normal"}


@dataclass(frozen=True)
class Case:
    """One run. `label` is the failure that it was built to have, "" for a healthy one; `also` may rightly be found too."""

    name: str
    values: Values
    half: str
    label: str = ""
    cure: Values = field(default_factory=dict)
    also: tuple[str, ...] = ()

    @property
    def config(self) -> RunConfig:
        """Its configuration."""
        return RunConfig.from_flat({**self.values, "device": "cpu"})

    @property
    def cured(self) -> RunConfig:
        """The configuration of its healthy twin."""
        return self.config.changed(self.cure)


def well(half: str, name: str, base: Values, **changes: Any) -> Case:
    """A healthy run."""
    return Case(name, {**base, **keys(changes)}, half)


def sick(half: str, label: str, name: str, base: Values, breaks: Values, also: str = "") -> Case:
    """A healthy run with something broken; its cure is the healthy run."""
    healthy = RunConfig.from_flat(base)
    back: Values = {key: healthy.flat().get(key) for key in breaks if key in healthy.flat()}
    return Case(name, {**base, **breaks}, half, label, back, tuple(also.split()))


def keys(changes: Mapping[str, Any]) -> Values:
    """Python names as flat keys: two underscores stand for the dot."""
    return {key.replace("__", "."): value for key, value in changes.items()}


def cases(half: str) -> list[Case]:
    """All runs of a half."""
    return [*healthy(half), *broken(half)]


def healthy(half: str) -> Iterator[Case]:
    """Runs that deserve no advice, hard ones among them."""
    yield from development_healthy() if half == "dev" else held_out_healthy()


def broken(half: str) -> Iterator[Case]:
    """Runs with a known failure."""
    yield from development_broken() if half == "dev" else held_out_broken()


def development_healthy() -> Iterator[Case]:
    """Healthy runs of the first half."""
    d = "dev"
    yield well(d, "moons", MOONS)
    yield well(d, "moons, noisy small batches", MOONS, batch_size=4, epochs=12)
    yield well(d, "moons, noisy labels", MOONS, data__noise=0.4)
    yield well(d, "moons, tiny data", MOONS, data__samples=100, early_stopping="patience", epochs=100)
    yield well(d, "moons, SGD", MOONS, optimizer="sgd", learning_rate=0.1)
    yield well(d, "moons, tanh", MOONS, activation="tanh", initialization="xavier_normal", learning_rate=0.01)
    yield well(d, "circles", CIRCLES)
    yield well(d, "circles, noisy", CIRCLES, data__noise=0.2)
    yield well(d, "xor", XOR)
    yield well(d, "spirals", SPIRALS)
    yield well(d, "spirals, cosine", SPIRALS, schedule="cosine", learning_rate=0.01)
    yield well(d, "digits", DIGITS)
    yield well(d, "digits, long past convergence", DIGITS, epochs=120)
    yield well(d, "digits, one cycle", DIGITS, schedule="one_cycle", learning_rate=0.01)
    yield well(d, "digits, dropout 0.5", DIGITS, model__layers="128-128", dropout__rate=0.5)
    yield well(d, "digits, AdamW with decay 0.1", DIGITS, optimizer="adamw", optimizer__weight_decay=0.1)
    yield well(d, "digits, batch norm and dropout", DIGITS, normalization="batch", dropout__rate=0.2)
    yield well(d, "digits, label smoothing", DIGITS, label_smoothing=0.1)
    yield well(d, "digits, sigmoid", DIGITS, **SIGMOIDS, learning_rate=0.003)
    yield well(d, "digits, large batches", DIGITS, batch_size=256, learning_rate=0.003)
    yield well(d, "digits, small initial weights", DIGITS, initialization="too_small", initialization__std=0.05)
    yield well(d, "digits, float16", DIGITS, precision="fp16", epochs=12)
    yield well(d, "cnn", CNN)
    yield well(d, "cnn, batch norm", CNN, normalization="batch")
    yield well(d, "cnn, rotation and mixup", CNN, rotation="rotate", mixing="mixup", epochs=12)
    yield well(d, "cnn, conv dropout", CNN, dropout__conv_rate=0.1, dropout__rate=0.3, epochs=12)
    yield well(d, "resnet", RESNET)
    yield well(d, "delivery", DELIVERY)
    yield well(d, "delivery, momentum", DELIVERY, optimizer="momentum", learning_rate=0.01)
    yield well(d, "delivery, full recipe", DELIVERY, normalization="batch", dropout__rate=0.2, optimizer="adamw",
               schedule="plateau", early_stopping="patience", epochs=60)  # fmt: skip
    yield well(d, "delivery, RMSprop and steps", DELIVERY, optimizer="rmsprop", schedule="step", schedule__size=10)
    yield well(d, "adding, LSTM", LSTM, schedule="cosine")
    yield well(d, "adding, clipped RNN", RNN)
    yield well(d, "reviews, LSTM", TEXT_LSTM)
    yield well(d, "reviews, Transformer", TEXT_TRANSFORMER)
    yield well(d, "digits, Transformer", DIGITS_TRANSFORMER)


def held_out_healthy() -> Iterator[Case]:
    """Healthy runs of the second half."""
    h = "held"
    yield well(h, "moons, other points", MOONS, seed=7, data__seed=5, data__noise=0.25)
    yield well(h, "circles, noisy small batches", CIRCLES, seed=3, batch_size=4, epochs=12)
    yield well(h, "circles, noisy labels", CIRCLES, seed=4, data__noise=0.25, learning_rate=0.002)
    yield well(h, "xor, noisy labels", XOR, seed=11, data__noise=0.4)
    yield well(h, "xor, tiny data", XOR, seed=5, data__samples=120, early_stopping="patience", epochs=120)
    yield well(h, "xor, Nesterov", XOR, seed=6, optimizer="nesterov", learning_rate=0.02)
    yield well(h, "spirals, layer norm", SPIRALS, seed=8, normalization="layer")
    yield well(h, "spirals, GELU and exponential", SPIRALS, seed=9, activation="gelu", schedule="exponential",
               schedule__gamma=0.97)  # fmt: skip
    yield well(h, "digits, narrower", DIGITS, seed=3, model__layers="32")
    yield well(h, "digits, long past convergence", DIGITS, seed=4, model__layers="48-48", epochs=150)
    yield well(h, "digits, SELU", DIGITS, seed=5, activation="selu", initialization="lecun_normal")
    yield well(h, "digits, strong decay", DIGITS, seed=6, optimizer="adamw", optimizer__weight_decay=0.2, schedule="cosine")
    yield well(h, "digits, dropout by place", DIGITS, seed=7, model__layers="128-64", dropout__rate=0.4,
               dropout__input_rate=0.2)  # fmt: skip
    yield well(h, "digits, batch norm, small batches", DIGITS, seed=8, normalization="batch", batch_size=16, epochs=12)
    yield well(h, "digits, leaky ReLU, one cycle", DIGITS, seed=9, activation="leaky_relu", schedule="one_cycle",
               learning_rate=0.005)  # fmt: skip
    yield well(h, "digits, restarts", DIGITS, seed=10, schedule="warm_restarts", schedule__period=5)
    yield well(h, "digits, bfloat16", DIGITS, seed=11, precision="bf16", epochs=12)
    yield well(h, "digits, deep tanh", DIGITS, seed=12, model__layers="48-48-48-48", activation="tanh",
               initialization="xavier_normal")  # fmt: skip
    yield well(h, "cnn, three blocks", CNN, seed=3, model__blocks=3, epochs=10)
    yield well(h, "cnn, group norm, batch of 8", CNN, seed=4, normalization="group", batch_size=8, epochs=4)
    yield well(h, "cnn, CutMix and affine", CNN, seed=5, mixing="cutmix", affine="shift_scale_shear", epochs=16)
    yield well(h, "cnn, warmup", CNN, seed=6, schedule="warmup_cosine", learning_rate=0.005)
    yield well(h, "resnet, augmented", RESNET, seed=3, rotation="rotate", epochs=10)
    yield well(h, "resnet, momentum", RESNET, seed=4, optimizer="momentum", learning_rate=0.03, schedule="cosine")
    yield well(h, "delivery, fewer samples", DELIVERY, seed=3, data__samples=800, epochs=60)
    yield well(h, "delivery, deeper", DELIVERY, seed=4, model__layers="64-64-32-16", learning_rate=0.002)
    yield well(h, "delivery, long", DELIVERY, seed=5, epochs=90, batch_size=128)
    yield well(h, "delivery, plateau schedule", DELIVERY, seed=6, schedule="plateau", schedule__patience=4, learning_rate=0.01)
    yield well(h, "delivery, SGD and clipping", DELIVERY, seed=7, optimizer="sgd", learning_rate=0.03, clipping="by_norm")
    yield well(h, "adding, GRU", GRU, seed=3, schedule="cosine")
    yield well(h, "adding, LSTM", LSTM, seed=4, data__length=15, schedule="one_cycle", learning_rate=0.01)
    yield well(h, "adding, clipped RNN", RNN, seed=5, data__length=15)
    yield well(h, "reviews, GRU", TEXT_GRU, seed=3)
    yield well(h, "reviews, LSTM, early stopping", TEXT_LSTM, seed=4, early_stopping="patience", epochs=30)
    yield well(h, "digits, GRU by rows", {"data": "digits", "model": "gru", "epochs": 12}, seed=6, learning_rate=0.003)
    yield well(h, "digits, Transformer", DIGITS_TRANSFORMER, seed=5, model__blocks=2)


def development_broken() -> Iterator[Case]:
    """Sick runs of the first half."""
    d = "dev"
    high, low = "lr_too_high", "lr_too_low"
    yield sick(d, high, "digits, Adam 0.3", DIGITS, {"learning_rate": 0.3}, "dead_relu")
    yield sick(d, high, "moons, Adam 0.3", MOONS, {"learning_rate": 0.3})
    yield sick(d, high, "delivery, Adam 1", DELIVERY, {"learning_rate": 1.0}, "dead_relu")
    yield sick(d, high, "delivery, momentum 0.5", DELIVERY, {"optimizer": "momentum", "learning_rate": 0.5})
    yield sick(d, high, "moons, momentum 1", MOONS, {"optimizer": "momentum", "learning_rate": 1.0})
    yield sick(d, high, "cnn, Adam 0.1", CNN, {"learning_rate": 0.1}, "dead_relu")
    yield sick(d, high, "reviews, LSTM 0.5", TEXT_LSTM, {"learning_rate": 0.5}, "exploding_gradients")
    yield sick(d, high, "digits, Transformer 0.1", DIGITS_TRANSFORMER, {"learning_rate": 0.1})
    yield sick(d, low, "digits, Adam 0.000005", DIGITS, {"learning_rate": 5e-6})
    yield sick(d, low, "delivery, SGD 0.0001", DELIVERY, {"optimizer": "sgd", "learning_rate": 1e-4})
    yield sick(d, low, "moons, SGD 0.0005", MOONS, {"optimizer": "sgd", "learning_rate": 5e-4})
    yield sick(d, low, "cnn, Adam 0.00001", CNN, {"learning_rate": 1e-5})
    yield sick(d, low, "reviews, LSTM 0.00001", TEXT_LSTM, {"learning_rate": 1e-5})
    yield sick(d, low, "spirals, SGD 0.001", SPIRALS, {"optimizer": "sgd", "learning_rate": 1e-3})
    big = {"model.layers": "256-256", "epochs": 250, "learning_rate": 0.003, **HELD_BACK}
    yield overfitted(d, "moons, 120 noisy points", {**MOONS, "data.noise": 0.4, "data.samples": 300, **big})
    yield overfitted(d, "circles, 160 noisy points", {**CIRCLES, "data.noise": 0.3, "data.samples": 400, **big})
    yield overfitted(d, "xor, 160 noisy points", {**XOR, "data.noise": 0.5, "data.samples": 400, **big})
    yield overfitted(d, "reviews, 250 texts", {**TEXT_LSTM, "data.samples": 250, "epochs": 80})
    yield overfitted(d, "reviews, 300 texts, Transformer", {**TEXT_TRANSFORMER, "data.samples": 300, "epochs": 60,
                     "schedule": "constant", "dropout.attention_rate": 0.0, "dropout.feedforward_rate": 0.0})  # fmt: skip
    tiny = "underfit"
    yield sick(d, tiny, "xor without hidden layers", XOR, {"model.depth": 0})
    yield sick(d, tiny, "spirals, two units", SPIRALS, {"model.layers": "2"})
    yield sick(d, tiny, "digits, two units", {**DIGITS, "epochs": 20}, {"model.layers": "2-2"}, "dead_relu")
    yield sick(d, tiny, "digits, decay 0.1", DIGITS, {"optimizer.weight_decay": 0.1})
    yield sick(d, tiny, "digits, dropout 0.9", DIGITS, {"dropout.rate": 0.9})
    yield sick(d, tiny, "cnn, conv dropout 0.8", CNN, {"dropout.conv_rate": 0.8})
    sigmoid = {"activation": "sigmoid", "initialization": "xavier_normal"}
    yield sick(d, "vanishing", "digits, ten sigmoid layers", {**DIGITS, "model.layers": "-".join(["48"] * 10)}, sigmoid)
    yield sick(d, "vanishing", "digits, six sigmoid layers, SGD",
               {**DIGITS, "model.layers": "-".join(["48"] * 6), "optimizer": "momentum", "learning_rate": 0.01}, sigmoid)  # fmt: skip
    yield sick(d, "vanishing", "circles, ten sigmoid layers", {**CIRCLES, "model.layers": "-".join(["32"] * 10)}, sigmoid)
    bursts = "exploding_gradients"
    yield sick(d, bursts, "adding, RNN without clipping", {**RNN, "schedule": "constant"}, {"clipping": "none"}, high)
    yield sick(d, bursts, "adding, RNN, longer", {**RNN, "data.length": 40, "schedule": "constant"}, {"clipping": "none"}, high)
    yield sick(d, bursts, "adding, RNN, Adam 0.01", {**RNN, "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant"},
               {"clipping": "none"}, high)  # fmt: skip
    yield Case("cnn, momentum 0.2", {**CNN, "optimizer": "momentum", "learning_rate": 0.2}, d, "dead_relu",
               {"activation": "leaky_relu"}, (high,))  # fmt: skip
    yield Case("digits, momentum 0.5", {**DIGITS, "optimizer": "momentum", "learning_rate": 0.5}, d, "dead_relu",
               {"learning_rate": 0.02}, (high,))  # fmt: skip
    yield plateaued(d, "circles, momentum 0.05", {**CIRCLES, "data.noise": 0.2, "batch_size": 8, "epochs": 20,
                                               "optimizer": "momentum", "learning_rate": 0.05})  # fmt: skip
    yield plateaued(d, "circles, Adam 0.03", {**CIRCLES, "data.noise": 0.2, "batch_size": 8, "epochs": 20, "learning_rate": 0.03})
    yield plateaued(d, "cnn, Adam 0.03", {**CNN, "epochs": 16, "learning_rate": 0.03})
    yield plateaued(d, "digits, tanh, Adam 0.03", {**DIGITS, "activation": "tanh", "initialization": "xavier_normal",
                                                "learning_rate": 0.03})  # fmt: skip
    norm, small = "batch_norm_tiny_batch", {"normalization": "batch"}
    yield sick(d, norm, "cnn, batches of 2", {**CNN, "normalization": "group", "batch_size": 2, "epochs": 4}, small)
    yield sick(d, norm, "delivery, batches of 2",
               {**DELIVERY, "data.samples": 800, "normalization": "layer", "batch_size": 2, "epochs": 6}, small)  # fmt: skip
    yield sick(d, norm, "moons, batches of 2",
               {**MOONS, "data.samples": 300, "normalization": "layer", "batch_size": 2, "epochs": 10}, small)  # fmt: skip
    before = "dropout_before_batch_norm"
    yield sick(d, before, "delivery, dropout 0.8", {**DELIVERY, "model.layers": "64-64-64-64", "normalization": "batch",
                                                 "learning_rate": 0.003}, {"dropout.rate": 0.8}, "underfit")  # fmt: skip
    yield sick(d, before, "moons, dropout 0.8", {**MOONS, "model.layers": "32-32-32-32-32", "normalization": "batch",
                                              "learning_rate": 0.003}, {"dropout.rate": 0.8}, "underfit")  # fmt: skip
    yield sick(d, "fp16_overflow", "digits, float16, six layers",
               {**DIGITS, "model.layers": "-".join(["96"] * 6), "initialization": "too_large", "epochs": 10},
               {"precision": "fp16"}, "wrong_init")  # fmt: skip
    yield sick(d, "fp16_overflow", "delivery, float16, raw inputs",
               {**DELIVERY, "input_scaling": "none", "normalization": "layer", "initialization": "too_large",
                "initialization.std": 100.0, "epochs": 10}, {"precision": "fp16"}, "wrong_init")  # fmt: skip
    init = "wrong_init"
    yield sick(d, init, "moons, zeros", MOONS, {"initialization": "zeros"})
    yield sick(d, init, "digits, constant", DIGITS, {"initialization": "constant"})
    yield sick(d, init, "delivery, too large", DELIVERY, {"initialization": "too_large"})
    yield sick(d, init, "cnn, too small", CNN, {"initialization": "too_small"})
    yield sick(d, init, "reviews, LSTM, constant", TEXT_LSTM, {"initialization": "constant"})
    yield sick(d, init, "resnet, zeros", RESNET, {"initialization": "zeros"})
    yield sick(d, init, "digits, six layers, too small", {**DIGITS, "model.layers": "-".join(["48"] * 6)},
               {"initialization": "too_small"}, "vanishing")  # fmt: skip


def overfitted(half: str, name: str, values: Values) -> Case:
    """A network too large for its few samples; early stopping would have kept a better one."""
    return Case(name, values, half, "overfit", {"early_stopping": "patience"})


def plateaued(half: str, name: str, values: Values) -> Case:
    """A constant rate a little too large to settle; the twin's falls along a cosine."""
    return Case(name, values, half, "plateau", {"schedule": "cosine"}, ("lr_too_high",))


def held_out_broken() -> Iterator[Case]:
    """Sick runs of the second half."""
    h = "held"
    high, low = "lr_too_high", "lr_too_low"
    yield sick(h, high, "digits, SGD 3", {**DIGITS, "seed": 5}, {"optimizer": "sgd", "learning_rate": 3.0}, "dead_relu")
    yield sick(h, high, "circles, Adam 1", {**CIRCLES, "seed": 3}, {"learning_rate": 1.0}, "dead_relu")
    yield sick(h, high, "xor, SGD 10", {**XOR, "seed": 4}, {"optimizer": "sgd", "learning_rate": 10.0})
    yield sick(h, high, "spirals, Adam 0.5", {**SPIRALS, "seed": 5}, {"learning_rate": 0.5}, "dead_relu")
    yield sick(h, high, "delivery, SGD 0.5", {**DELIVERY, "seed": 6}, {"optimizer": "sgd", "learning_rate": 0.5})
    yield sick(h, high, "delivery, tanh, RMSprop 0.5",
               {**DELIVERY, "seed": 7, "activation": "tanh", "initialization": "xavier_normal"},
               {"optimizer": "rmsprop", "learning_rate": 0.5})  # fmt: skip
    yield sick(h, high, "resnet, Adam 1", {**RESNET, "seed": 8}, {"learning_rate": 1.0})
    yield sick(h, high, "adding, LSTM 0.5", {**LSTM, "seed": 9}, {"learning_rate": 0.5})
    yield sick(h, high, "reviews, Transformer 0.05", {**TEXT_TRANSFORMER, "seed": 3}, {"learning_rate": 0.05})
    yield sick(h, low, "digits, SGD 0.0002", {**DIGITS, "seed": 6}, {"optimizer": "sgd", "learning_rate": 2e-4})
    yield sick(h, low, "delivery, Adam 0.00001", {**DELIVERY, "seed": 3}, {"learning_rate": 1e-5})
    yield sick(h, low, "circles, Adam 0.00001", {**CIRCLES, "seed": 4}, {"learning_rate": 1e-5})
    yield sick(h, low, "resnet, Adam 0.00001", {**RESNET, "seed": 5}, {"learning_rate": 1e-5})
    yield sick(h, low, "digits, Transformer 0.000005", {**DIGITS_TRANSFORMER, "seed": 6}, {"learning_rate": 5e-6})
    yield sick(h, low, "adding, GRU 0.00003", {**GRU, "seed": 7}, {"learning_rate": 3e-5})
    big = {"model.layers": "256-128", "epochs": 150, "learning_rate": 0.002, **HELD_BACK}
    yield overfitted(h, "moons, 140 noisy points", {**MOONS, "seed": 3, "data.noise": 0.5, "data.samples": 350, **big})
    yield overfitted(h, "spirals, 160 noisy points", {**SPIRALS, "seed": 4, "data.noise": 0.3, "data.samples": 400, **big})
    yield overfitted(h, "circles, 200 noisy points, batch norm",
                     {**CIRCLES, "seed": 5, "data.noise": 0.3, "data.samples": 500, "normalization": "batch", **big})  # fmt: skip
    yield overfitted(h, "xor, 160 noisy points, momentum",
                     {**XOR, "seed": 6, "data.noise": 0.6, "data.samples": 400, **big, "optimizer": "momentum", "epochs": 250,
                      "learning_rate": 0.05})  # fmt: skip
    yield overfitted(h, "reviews, 200 texts, GRU", {**TEXT_GRU, "seed": 7, "data.samples": 200, "epochs": 80})
    tiny = "underfit"
    yield sick(h, tiny, "circles without hidden layers", {**CIRCLES, "seed": 3}, {"model.depth": 0})
    yield sick(h, tiny, "digits, one unit", {**DIGITS, "seed": 4}, {"model.layers": "1"}, "dead_relu")
    yield sick(h, tiny, "spirals, three units", {**SPIRALS, "seed": 5}, {"model.layers": "3"})
    yield sick(h, tiny, "delivery, decay 0.3", {**DELIVERY, "seed": 6, "learning_rate": 0.003}, {"optimizer.weight_decay": 0.5})
    yield sick(h, tiny, "resnet, conv dropout 0.9", {**RESNET, "seed": 7, "normalization": "group"}, {"dropout.conv_rate": 0.9})
    yield sick(h, tiny, "digits, dropout 0.95", {**DIGITS, "seed": 8, "model.layers": "128-64"}, {"dropout.rate": 0.92})
    sigmoid = {"activation": "sigmoid", "initialization": "xavier_normal"}
    yield sick(h, "vanishing", "digits, eight sigmoid layers", {**DIGITS, "seed": 3, "model.layers": "-".join(["64"] * 8),
                                                              "optimizer": "momentum", "learning_rate": 0.01}, sigmoid)  # fmt: skip
    yield sick(h, "vanishing", "delivery, ten sigmoid layers", {**DELIVERY, "seed": 4, "model.layers": "-".join(["32"] * 10)},
               sigmoid)  # fmt: skip
    yield sick(h, "vanishing", "moons, twelve sigmoid layers", {**MOONS, "seed": 5, "model.layers": "-".join(["32"] * 12)},
               sigmoid)  # fmt: skip
    bursts = "exploding_gradients"
    yield sick(h, bursts, "adding, RNN without clipping", {**RNN, "seed": 2, "schedule": "constant"}, {"clipping": "none"}, high)
    yield sick(h, bursts, "adding, RNN, length 30", {**RNN, "seed": 3, "data.length": 30, "schedule": "constant"},
               {"clipping": "none"}, high)  # fmt: skip
    yield sick(h, bursts, "digits, RNN by rows", {"data": "digits", "model": "rnn", "epochs": 12, "seed": 1,
               "initialization": "orthogonal", "optimizer": "momentum", "learning_rate": 0.1, "clipping": "by_norm"},
               {"clipping": "none"}, high)  # fmt: skip
    yield Case("cnn, momentum 0.2, other seed", {**CNN, "seed": 3, "model.channels": 12, "optimizer": "momentum",
               "learning_rate": 0.2}, h, "dead_relu", {"learning_rate": 0.01}, (high,))  # fmt: skip
    yield Case("digits, Nesterov 0.4", {**DIGITS, "seed": 4, "optimizer": "nesterov", "learning_rate": 0.4}, h, "dead_relu",
               {"learning_rate": 0.02}, (high,))  # fmt: skip
    yield plateaued(h, "moons, momentum 0.05", {**MOONS, "seed": 3, "data.noise": 0.3, "batch_size": 4, "epochs": 14,
                                              "optimizer": "momentum", "learning_rate": 0.05})  # fmt: skip
    yield plateaued(h, "circles, RMSprop 0.02", {**CIRCLES, "seed": 4, "data.noise": 0.2, "batch_size": 8, "epochs": 25,
                                               "optimizer": "rmsprop", "learning_rate": 0.02})  # fmt: skip
    yield plateaued(h, "cnn, Adam 0.03", {**CNN, "seed": 5, "epochs": 16, "model.channels": 12, "learning_rate": 0.03})
    yield plateaued(h, "digits, tanh, Adam 0.03", {**DIGITS, "seed": 6, "activation": "tanh", "initialization": "xavier_normal",
                                                 "learning_rate": 0.03})  # fmt: skip
    norm, small = "batch_norm_tiny_batch", {"normalization": "batch"}
    yield sick(h, norm, "digits, batches of 2", {**DIGITS, "seed": 3, "normalization": "layer", "batch_size": 2, "epochs": 4}, small)
    yield sick(h, norm, "circles, batches of 2",
               {**CIRCLES, "seed": 4, "data.samples": 400, "normalization": "layer", "batch_size": 2, "epochs": 10}, small)  # fmt: skip
    yield sick(h, norm, "delivery, batches of 3",
               {**DELIVERY, "seed": 5, "data.samples": 900, "normalization": "layer", "batch_size": 3, "epochs": 8}, small)  # fmt: skip
    before = "dropout_before_batch_norm"
    yield sick(h, before, "delivery, dropout 0.85", {**DELIVERY, "seed": 3, "model.layers": "64-64-64", "normalization": "batch",
                                                  "learning_rate": 0.003}, {"dropout.rate": 0.85}, "underfit")  # fmt: skip
    yield sick(h, before, "circles, dropout 0.8", {**CIRCLES, "seed": 4, "model.layers": "32-32-32-32-32", "normalization": "batch",
                                                "learning_rate": 0.003}, {"dropout.rate": 0.8}, "underfit")  # fmt: skip
    yield sick(h, "fp16_overflow", "moons, float16, nine layers",
               {**MOONS, "seed": 3, "model.layers": "-".join(["64"] * 9), "initialization": "too_large", "epochs": 10},
               {"precision": "fp16"}, "wrong_init")  # fmt: skip
    yield sick(h, "fp16_overflow", "delivery, float16, raw inputs, batch norm",
               {**DELIVERY, "seed": 4, "input_scaling": "none", "normalization": "batch", "initialization": "too_large",
                "initialization.std": 80.0, "epochs": 10}, {"precision": "fp16"}, "wrong_init")  # fmt: skip
    init = "wrong_init"
    yield sick(h, init, "circles, constant", {**CIRCLES, "seed": 3}, {"initialization": "constant", "initialization.value": 0.3})
    yield sick(h, init, "digits, zeros", {**DIGITS, "seed": 4}, {"initialization": "zeros"})
    yield sick(h, init, "cnn, too large", {**CNN, "seed": 5}, {"initialization": "too_large"})
    yield sick(h, init, "delivery, six layers, too small", {**DELIVERY, "seed": 6, "model.layers": "-".join(["48"] * 6)},
               {"initialization": "too_small"}, "vanishing")  # fmt: skip
    yield sick(h, init, "adding, GRU, zeros", {**GRU, "seed": 7}, {"initialization": "zeros"})
    yield sick(h, init, "digits, tanh, too large", {**DIGITS, "seed": 8, "activation": "tanh", "initialization": "xavier_normal"},
               {"initialization": "too_large", "initialization.std": 3.0})  # fmt: skip
