"""The held-out half of the labelled runs: other seeds, data, sizes and settings, which no threshold has seen."""

from __future__ import annotations

from collections.abc import Iterator

from diagnosis_cases import (
    CIRCLES,
    CNN,
    DELIVERY,
    DIGITS,
    DIGITS_TRANSFORMER,
    GRU,
    HELD_BACK,
    LSTM,
    MOMENTUM,
    MOONS,
    RESNET,
    RNN,
    SPIRALS,
    TEXT_GRU,
    TEXT_LSTM,
    TEXT_TRANSFORMER,
    XOR,
    Case,
    overfitted,
    plateaued,
    sick,
    well,
)


def healthy() -> Iterator[Case]:
    """Healthy runs of the second half."""
    yield from healthy_extremes()
    h = "held"
    yield well(h, "moons, other points", MOONS, seed=7, data__seed=5, data__noise=0.25)
    yield well(h, "circles, noisy small batches", CIRCLES, seed=3, batch_size=4, epochs=12)
    yield well(h, "circles, noisy labels", CIRCLES, seed=4, data__noise=0.25, learning_rate=0.002)
    yield well(h, "xor, noisy labels", XOR, seed=11, data__noise=0.4)
    yield well(h, "xor, tiny data", XOR, seed=5, data__samples=120, early_stopping="patience", epochs=120)
    yield well(h, "xor, Nesterov", XOR, seed=6, optimizer="nesterov", learning_rate=0.02)
    yield well(h, "spirals, layer norm", SPIRALS, seed=8, normalization="layer")
    yield well(
        h,
        "spirals, GELU and exponential",
        SPIRALS,
        seed=9,
        activation="gelu",
        schedule="exponential",
        schedule__gamma=0.97,
    )
    yield well(h, "digits, narrower", DIGITS, seed=3, model__layers="32")
    yield well(h, "digits, long past convergence", DIGITS, seed=4, model__layers="48-48", epochs=150)
    yield well(h, "digits, SELU", DIGITS, seed=5, activation="selu", initialization="lecun_normal")
    yield well(
        h,
        "digits, strong decay",
        DIGITS,
        seed=6,
        optimizer="adamw",
        optimizer__weight_decay=0.2,
        schedule="cosine",
    )
    yield well(
        h,
        "digits, dropout by place",
        DIGITS,
        seed=7,
        model__layers="128-64",
        dropout__rate=0.4,
        dropout__input_rate=0.2,
    )
    yield well(
        h,
        "digits, batch norm, small batches",
        DIGITS,
        seed=8,
        normalization="batch",
        batch_size=16,
        epochs=12,
    )
    yield well(
        h,
        "digits, leaky ReLU, one cycle",
        DIGITS,
        seed=9,
        activation="leaky_relu",
        schedule="one_cycle",
        learning_rate=0.005,
    )
    yield well(h, "digits, restarts", DIGITS, seed=10, schedule="warm_restarts", schedule__period=5)
    yield well(h, "digits, bfloat16", DIGITS, seed=11, precision="bf16", epochs=12)
    yield well(
        h,
        "digits, deep tanh",
        DIGITS,
        seed=12,
        model__layers="48-48-48-48",
        activation="tanh",
        initialization="xavier_normal",
    )
    yield well(h, "cnn, three blocks", CNN, seed=3, model__blocks=3, epochs=10)
    yield well(h, "cnn, group norm, batch of 8", CNN, seed=4, normalization="group", batch_size=8, epochs=4)
    yield well(
        h, "cnn, CutMix and affine", CNN, seed=5, mixing="cutmix", affine="shift_scale_shear", epochs=16
    )
    yield well(h, "cnn, warmup", CNN, seed=6, schedule="warmup_cosine", learning_rate=0.005)
    yield well(h, "resnet, augmented", RESNET, seed=3, rotation="rotate", epochs=10)
    yield well(
        h, "resnet, momentum", RESNET, seed=4, optimizer="momentum", learning_rate=0.03, schedule="cosine"
    )
    yield well(h, "delivery, fewer samples", DELIVERY, seed=3, data__samples=800, epochs=60)
    yield well(h, "delivery, deeper", DELIVERY, seed=4, model__layers="64-64-32-16", learning_rate=0.002)
    yield well(h, "delivery, long", DELIVERY, seed=5, epochs=90, batch_size=128)
    yield well(
        h,
        "delivery, plateau schedule",
        DELIVERY,
        seed=6,
        schedule="plateau",
        schedule__patience=4,
        learning_rate=0.01,
    )
    yield well(
        h,
        "delivery, SGD and clipping",
        DELIVERY,
        seed=7,
        optimizer="sgd",
        learning_rate=0.03,
        clipping="by_norm",
    )
    yield well(h, "adding, GRU", GRU, seed=3, schedule="cosine")
    yield well(h, "adding, LSTM", LSTM, seed=4, data__length=15, schedule="one_cycle", learning_rate=0.01)
    yield well(h, "adding, clipped RNN", RNN, seed=5, data__length=15)
    yield well(h, "reviews, GRU", TEXT_GRU, seed=3)
    yield well(h, "reviews, LSTM, early stopping", TEXT_LSTM, seed=4, early_stopping="patience", epochs=30)
    yield well(
        h,
        "digits, GRU by rows",
        {"data": "digits", "model": "gru", "epochs": 12},
        seed=6,
        learning_rate=0.003,
    )
    yield well(h, "digits, Transformer", DIGITS_TRANSFORMER, seed=5, model__blocks=2)


def broken() -> Iterator[Case]:
    """Sick runs of the second half."""
    yield from over_trained()
    yield from narrow()
    yield from mild_rates()
    yield from first_causes()
    yield from born_dead()
    h = "held"
    high, low = "lr_too_high", "lr_too_low"
    yield sick(
        h,
        high,
        "digits, SGD 3",
        {**DIGITS, "seed": 5},
        {"optimizer": "sgd", "learning_rate": 3.0},
        "dead_relu",
    )
    yield sick(h, high, "circles, Adam 1", {**CIRCLES, "seed": 3}, {"learning_rate": 1.0}, "dead_relu")
    yield sick(h, high, "xor, SGD 10", {**XOR, "seed": 4}, {"optimizer": "sgd", "learning_rate": 10.0})
    yield sick(h, high, "spirals, Adam 0.5", {**SPIRALS, "seed": 5}, {"learning_rate": 0.5}, "dead_relu")
    yield sick(
        h, high, "delivery, SGD 0.5", {**DELIVERY, "seed": 6}, {"optimizer": "sgd", "learning_rate": 0.5}
    )
    yield sick(
        h,
        high,
        "delivery, tanh, RMSprop 0.5",
        {**DELIVERY, "seed": 7, "activation": "tanh", "initialization": "xavier_normal"},
        {"optimizer": "rmsprop", "learning_rate": 0.5},
    )
    yield sick(h, high, "resnet, Adam 1", {**RESNET, "seed": 8}, {"learning_rate": 1.0})
    yield sick(h, high, "adding, LSTM 0.5", {**LSTM, "seed": 9}, {"learning_rate": 0.5})
    yield sick(h, high, "reviews, Transformer 0.05", {**TEXT_TRANSFORMER, "seed": 3}, {"learning_rate": 0.05})
    yield sick(
        h, low, "digits, SGD 0.0002", {**DIGITS, "seed": 6}, {"optimizer": "sgd", "learning_rate": 2e-4}
    )
    yield sick(h, low, "delivery, Adam 0.00001", {**DELIVERY, "seed": 3}, {"learning_rate": 1e-5})
    yield sick(h, low, "circles, Adam 0.00001", {**CIRCLES, "seed": 4}, {"learning_rate": 1e-5})
    yield sick(h, low, "resnet, Adam 0.00001", {**RESNET, "seed": 5}, {"learning_rate": 1e-5})
    yield sick(
        h, low, "digits, Transformer 0.000005", {**DIGITS_TRANSFORMER, "seed": 6}, {"learning_rate": 5e-6}
    )
    yield sick(h, low, "adding, GRU 0.00003", {**GRU, "seed": 7}, {"learning_rate": 3e-5})
    big = {"model.layers": "256-128", "epochs": 150, "learning_rate": 0.002, **HELD_BACK}
    yield overfitted(
        h, "moons, 140 noisy points", {**MOONS, "seed": 3, "data.noise": 0.5, "data.samples": 350, **big}
    )
    yield overfitted(
        h, "spirals, 160 noisy points", {**SPIRALS, "seed": 4, "data.noise": 0.3, "data.samples": 400, **big}
    )
    yield overfitted(
        h,
        "circles, 200 noisy points, batch norm",
        {**CIRCLES, "seed": 5, "data.noise": 0.3, "data.samples": 500, "normalization": "batch", **big},
    )
    yield overfitted(
        h,
        "xor, 160 noisy points, momentum",
        {
            **XOR,
            "seed": 6,
            "data.noise": 0.6,
            "data.samples": 400,
            **big,
            "optimizer": "momentum",
            "epochs": 250,
            "learning_rate": 0.05,
        },
    )
    yield overfitted(h, "reviews, 200 texts, GRU", {**TEXT_GRU, "seed": 7, "data.samples": 200, "epochs": 80})
    tiny = "underfit"
    yield sick(h, tiny, "circles without hidden layers", {**CIRCLES, "seed": 3}, {"model.depth": 0})
    yield sick(h, tiny, "digits, one unit", {**DIGITS, "seed": 4}, {"model.layers": "1"}, "dead_relu")
    yield sick(h, tiny, "spirals, three units", {**SPIRALS, "seed": 5}, {"model.layers": "3"})
    yield sick(
        h,
        tiny,
        "delivery, decay 0.3",
        {**DELIVERY, "seed": 6, "learning_rate": 0.003},
        {"optimizer.weight_decay": 0.5},
    )
    yield sick(
        h,
        tiny,
        "resnet, conv dropout 0.9",
        {**RESNET, "seed": 7, "normalization": "group"},
        {"dropout.conv_rate": 0.9},
    )
    yield sick(
        h,
        tiny,
        "digits, dropout 0.95",
        {**DIGITS, "seed": 8, "model.layers": "128-64"},
        {"dropout.rate": 0.92},
    )
    sigmoid = {"activation": "sigmoid", "initialization": "xavier_normal"}
    yield sick(
        h,
        "vanishing",
        "digits, eight sigmoid layers",
        {
            **DIGITS,
            "seed": 3,
            "model.layers": "-".join(["64"] * 8),
            "optimizer": "momentum",
            "learning_rate": 0.01,
        },
        sigmoid,
    )
    yield sick(
        h,
        "vanishing",
        "delivery, ten sigmoid layers",
        {**DELIVERY, "seed": 4, "model.layers": "-".join(["32"] * 10)},
        sigmoid,
    )
    yield sick(
        h,
        "vanishing",
        "moons, twelve sigmoid layers",
        {**MOONS, "seed": 5, "model.layers": "-".join(["32"] * 12)},
        sigmoid,
    )
    bursts = "exploding_gradients"
    yield sick(
        h,
        bursts,
        "adding, RNN without clipping",
        {**RNN, "seed": 2, "schedule": "constant"},
        {"clipping": "none"},
        high,
    )
    yield sick(
        h,
        bursts,
        "adding, RNN, length 30",
        {**RNN, "seed": 3, "data.length": 30, "schedule": "constant"},
        {"clipping": "none"},
        high,
    )
    yield sick(
        h,
        bursts,
        "digits, RNN by rows",
        {
            "data": "digits",
            "model": "rnn",
            "epochs": 12,
            "seed": 1,
            "initialization": "orthogonal",
            "optimizer": "momentum",
            "learning_rate": 0.1,
            "clipping": "by_norm",
        },
        {"clipping": "none"},
        high,
    )
    yield plateaued(
        h,
        "moons, momentum 0.05",
        {
            **MOONS,
            "seed": 3,
            "data.noise": 0.3,
            "batch_size": 4,
            "epochs": 14,
            "optimizer": "momentum",
            "learning_rate": 0.05,
        },
    )
    yield plateaued(
        h,
        "circles, RMSprop 0.02",
        {
            **CIRCLES,
            "seed": 4,
            "data.noise": 0.2,
            "batch_size": 8,
            "epochs": 25,
            "optimizer": "rmsprop",
            "learning_rate": 0.02,
        },
    )
    norm, small = "batch_norm_tiny_batch", {"normalization": "batch"}
    yield sick(
        h,
        norm,
        "digits, batches of 2",
        {**DIGITS, "seed": 3, "normalization": "layer", "batch_size": 2, "epochs": 4},
        small,
    )
    yield sick(
        h,
        norm,
        "circles, batches of 2",
        {**CIRCLES, "seed": 4, "data.samples": 400, "normalization": "layer", "batch_size": 2, "epochs": 10},
        small,
    )
    yield sick(
        h,
        norm,
        "delivery, batches of 3",
        {**DELIVERY, "seed": 5, "data.samples": 900, "normalization": "layer", "batch_size": 3, "epochs": 8},
        small,
    )
    before = "dropout_before_batch_norm"
    yield sick(
        h,
        before,
        "delivery, dropout 0.85",
        {**DELIVERY, "seed": 3, "model.layers": "64-64-64", "normalization": "batch", "learning_rate": 0.003},
        {"dropout.rate": 0.85},
        "underfit",
    )
    yield sick(
        h,
        before,
        "circles, dropout 0.8",
        {
            **CIRCLES,
            "seed": 4,
            "model.layers": "32-32-32-32-32",
            "normalization": "batch",
            "learning_rate": 0.003,
        },
        {"dropout.rate": 0.8},
        "underfit",
    )
    init = "wrong_init"
    yield sick(
        h,
        init,
        "circles, constant",
        {**CIRCLES, "seed": 3},
        {"initialization": "constant", "initialization.value": 0.3},
    )
    yield sick(h, init, "digits, zeros", {**DIGITS, "seed": 4}, {"initialization": "zeros"})
    yield sick(h, init, "cnn, too large", {**CNN, "seed": 5}, {"initialization": "too_large"})
    yield sick(
        h,
        init,
        "delivery, six layers, too small",
        {**DELIVERY, "seed": 6, "model.layers": "-".join(["48"] * 6)},
        {"initialization": "too_small"},
        "vanishing",
    )
    yield sick(h, init, "adding, GRU, zeros", {**GRU, "seed": 7}, {"initialization": "zeros"})
    yield sick(
        h,
        init,
        "digits, tanh, too large",
        {**DIGITS, "seed": 8, "activation": "tanh", "initialization": "xavier_normal"},
        {"initialization": "too_large", "initialization.std": 3.0},
    )


def healthy_extremes() -> Iterator[Case]:
    """Narrow, deep and long runs that do well."""
    h = "held"
    yield well(h, "circles, five units", CIRCLES, seed=21, model__layers="5-5", learning_rate=0.01)
    yield well(h, "delivery, four units", DELIVERY, seed=22, model__layers="4", learning_rate=0.01)
    yield well(
        h,
        "moons, eight narrow layers",
        MOONS,
        seed=23,
        model__layers="-".join(["8"] * 8),
        normalization="layer",
    )
    yield well(
        h, "digits, ten layers", DIGITS, seed=24, model__layers="-".join(["64"] * 10), normalization="layer"
    )
    yield well(h, "delivery, ten layers", DELIVERY, seed=25, model__layers="-".join(["24"] * 10))
    yield well(
        h, "digits, 150 epochs, early stopping", DIGITS, seed=26, model__layers="96-96", epochs=150,
        early_stopping="patience",
    )  # fmt: skip
    yield well(h, "circles, very long", CIRCLES, seed=27, model__layers="16-16", epochs=150)
    yield well(h, "digits, Transformer, warmup to 0.002", DIGITS_TRANSFORMER, seed=28, learning_rate=0.002,
               schedule="warmup_cosine")  # fmt: skip


def over_trained() -> Iterator[Case]:
    """Long past their best epoch, on data that they fit well."""
    h = "held"
    yield overfitted(h, "digits, 256 units, 100 epochs", {"seed": 21, "model.width": 256, "epochs": 100})
    yield overfitted(
        h, "digits, AdamW, three layers, 150 epochs",
        {"seed": 22, "model.layers": "48-48-48", "optimizer": "adamw", "epochs": 150},
    )  # fmt: skip
    yield overfitted(
        h, "cnn, 12 channels, 45 epochs", {**CNN, "seed": 23, "model.channels": 12, "epochs": 45}
    )
    yield overfitted(
        h, "reviews, LSTM, 600 texts", {**TEXT_LSTM, "seed": 24, "data.samples": 600, "epochs": 40}
    )


def narrow() -> Iterator[Case]:
    """Networks that are too narrow, at rates above the usual one."""
    h = "held"
    for name, base, rate, breaks in (
        ("circles, two units, Adam 0.02", CIRCLES, {"learning_rate": 0.02}, {"model.layers": "2"}),
        ("spirals, three units, RMSprop 0.01", SPIRALS, {"optimizer": "rmsprop", "learning_rate": 0.01},
         {"model.layers": "3-3"}),
        ("digits, two units, momentum 0.08", DIGITS, {"optimizer": "momentum", "learning_rate": 0.08},
         {"model.layers": "2"}),
        ("moons, five layers of two, Adam 0.01", MOONS, {"learning_rate": 0.01}, {"model.layers": "2-2-2-2-2"}),
    ):  # fmt: skip
        yield sick(h, "underfit", name, {**base, "seed": 31, **rate}, breaks, "dead_relu")
    yield sick(
        h, "lr_too_high", "circles, four units, Adam 1", {**CIRCLES, "seed": 32, "model.layers": "4"},
        {"learning_rate": 1.0}, "underfit",
    )  # fmt: skip


def mild_rates() -> Iterator[Case]:
    """Rates that are not absurd: the loss falls, but not as far as it could; or units died of the first steps."""
    h, high = "held", "lr_too_high"
    yield sick(
        h, high, "digits, Transformer, AdamW 0.04", {**DIGITS_TRANSFORMER, "seed": 41, "optimizer": "adamw"},
        {"learning_rate": 0.04},
    )  # fmt: skip
    yield sick(
        h, high, "reviews, Transformer 0.025",
        {**TEXT_TRANSFORMER, "seed": 42, "schedule": "constant", "learning_rate": 0.001}, {"learning_rate": 0.025},
    )  # fmt: skip
    yield plateaued(
        h, "digits, GELU, Adam 0.02", {**DIGITS, "seed": 43, "activation": "gelu", "learning_rate": 0.02}
    )
    yield plateaued(
        h, "delivery, RMSprop 0.02", {**DELIVERY, "seed": 44, "optimizer": "rmsprop", "learning_rate": 0.02}
    )
    yield plateaued(
        h, "spirals, momentum 0.1", {**SPIRALS, "seed": 45, "optimizer": "momentum", "learning_rate": 0.1}
    )
    yield plateaued(h, "resnet, Adam 0.03", {**RESNET, "seed": 46, "epochs": 10, "learning_rate": 0.03})
    tanh = {**DIGITS, "seed": 6, "activation": "tanh", "initialization": "xavier_normal"}
    yield sick(h, high, "digits, tanh, Adam 0.03", tanh, {"learning_rate": 0.03})
    yield sick(
        h,
        high,
        "cnn, Adam 0.03",
        {**CNN, "seed": 5, "epochs": 16, "model.channels": 12},
        {"learning_rate": 0.03},
    )
    yield sick(
        h, high, "cnn, momentum 0.2, other seed", {**CNN, **MOMENTUM, "seed": 3, "model.channels": 12},
        {"learning_rate": 0.2},
    )  # fmt: skip
    yield sick(
        h, high, "digits, Nesterov 0.4", {**DIGITS, "seed": 4, "optimizer": "nesterov", "learning_rate": 0.02},
        {"learning_rate": 0.4},
    )  # fmt: skip
    yield sick(h, high, "circles, Adam 0.1", {**CIRCLES, "seed": 47}, {"learning_rate": 0.1})
    yield sick(h, high, "digits, three layers, Adam 0.06", {**DIGITS, "seed": 48, "model.layers": "64-64-64"},
               {"learning_rate": 0.06})  # fmt: skip
    yield sick(h, high, "delivery, Nesterov 0.3", {**DELIVERY, "seed": 49},
               {"optimizer": "nesterov", "learning_rate": 0.3})  # fmt: skip


def first_causes() -> Iterator[Case]:
    """What a float16 overflow or underfitting only follows from."""
    h, init, before = "held", "wrong_init", "dropout_before_batch_norm"
    for base, name, std in (
        (CIRCLES, "circles", 30.0),
        ({**DIGITS, "model.layers": "32-32-32"}, "digits", 25.0),
        (CNN, "cnn", 15.0),
    ):
        yield sick(
            h, init, f"{name}, float16, initial std {std:g}", {**base, "seed": 51, "precision": "fp16", "epochs": 6},
            {"initialization": "too_large", "initialization.std": std},
        )  # fmt: skip
    deep = {**MOONS, "seed": 3, "precision": "fp16", "epochs": 10, "model.layers": "-".join(["64"] * 9)}
    yield sick(h, init, "moons, float16, nine layers", deep, {"initialization": "too_large"})
    raw = {
        **DELIVERY,
        "seed": 4,
        "precision": "fp16",
        "epochs": 10,
        "input_scaling": "none",
        "normalization": "batch",
    }
    yield sick(
        h, init, "delivery, float16, raw inputs, batch norm", raw,
        {"initialization": "too_large", "initialization.std": 80.0},
    )  # fmt: skip
    batch = {"normalization": "batch", "learning_rate": 0.002, "seed": 52}
    for base, name, layers, rate in (
        (DIGITS, "digits, dropout 0.75", "96-96-96", 0.75),
        (DELIVERY, "delivery, dropout 0.5", "48-48-48-48-48", 0.5),
        (MOONS, "moons, dropout 0.6", "64-64-64-64", 0.6),
    ):
        yield sick(
            h, "underfit", f"{name} and batch norm", {**base, **batch, "model.layers": layers},
            {"dropout.rate": rate}, before,
        )  # fmt: skip


def born_dead() -> Iterator[Case]:
    """Deep and so narrow that whole layers are dead before the first step; for which seeds, is chance."""
    for base, data, layers in ((CIRCLES, "circles", ["5"] * 16), (DIGITS, "digits", ["10"] * 20)):
        for seed in range(61, 65):
            yield Case(
                f"{data}, {len(layers)} layers of {layers[0]}, seed {seed}",
                {**base, "model.layers": "-".join(layers), "seed": seed, "epochs": 20},
                "held",
                "dead_relu",
                {"activation": "leaky_relu"},
                ("vanishing",),
            )
