"""The development half of the labelled runs: thresholds were chosen by looking at these."""

from __future__ import annotations

from collections.abc import Iterator

from diagnosis_cases import (
    CIRCLES,
    CNN,
    DELIVERY,
    DIGITS,
    DIGITS_TRANSFORMER,
    HELD_BACK,
    LSTM,
    MOMENTUM,
    MOONS,
    RESNET,
    RNN,
    SIGMOIDS,
    SPIRALS,
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
    """Healthy runs of the first half."""
    d = "dev"
    yield well(d, "moons, four units", MOONS, model__layers="4-4", learning_rate=0.01)
    yield well(d, "xor, narrow and deep", XOR, model__layers="6-6-6-6", learning_rate=0.005)
    yield well(d, "digits, eight layers", DIGITS, model__layers="-".join(["48"] * 8), normalization="layer")
    yield well(d, "delivery, six layers", DELIVERY, model__layers="-".join(["32"] * 6))
    yield well(d, "digits, Transformer, warmup to 0.003", DIGITS_TRANSFORMER, learning_rate=0.003,
               schedule="warmup_cosine")  # fmt: skip
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
    yield well(
        d, "digits, small initial weights", DIGITS, initialization="too_small", initialization__std=0.05
    )
    yield well(d, "digits, float16", DIGITS, precision="fp16", epochs=12)
    yield well(d, "cnn", CNN)
    yield well(d, "cnn, batch norm", CNN, normalization="batch")
    yield well(d, "cnn, rotation and mixup", CNN, rotation="rotate", mixing="mixup", epochs=12)
    yield well(d, "cnn, conv dropout", CNN, dropout__conv_rate=0.1, dropout__rate=0.3, epochs=12)
    yield well(d, "resnet", RESNET)
    yield well(d, "delivery", DELIVERY)
    yield well(d, "delivery, momentum", DELIVERY, optimizer="momentum", learning_rate=0.01)
    yield well(
        d,
        "delivery, full recipe",
        DELIVERY,
        normalization="batch",
        dropout__rate=0.2,
        optimizer="adamw",
        schedule="plateau",
        early_stopping="patience",
        epochs=60,
    )
    yield well(
        d, "delivery, RMSprop and steps", DELIVERY, optimizer="rmsprop", schedule="step", schedule__size=10
    )
    yield well(d, "adding, LSTM", LSTM, schedule="cosine")
    yield well(d, "adding, clipped RNN", RNN)
    yield well(d, "reviews, LSTM", TEXT_LSTM)
    yield well(d, "reviews, Transformer", TEXT_TRANSFORMER)
    yield well(d, "digits, Transformer", DIGITS_TRANSFORMER)


def broken() -> Iterator[Case]:
    """Sick runs of the first half."""
    yield from over_trained()
    yield from narrow()
    yield from mild_rates()
    yield from first_causes()
    yield from born_dead()
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
    yield overfitted(
        d, "circles, 160 noisy points", {**CIRCLES, "data.noise": 0.3, "data.samples": 400, **big}
    )
    yield overfitted(d, "xor, 160 noisy points", {**XOR, "data.noise": 0.5, "data.samples": 400, **big})
    yield overfitted(d, "reviews, 250 texts", {**TEXT_LSTM, "data.samples": 250, "epochs": 80})
    yield overfitted(
        d,
        "reviews, 300 texts, Transformer",
        {
            **TEXT_TRANSFORMER,
            "data.samples": 300,
            "epochs": 60,
            "schedule": "constant",
            "dropout.attention_rate": 0.0,
            "dropout.feedforward_rate": 0.0,
        },
    )
    tiny = "underfit"
    yield sick(d, tiny, "xor without hidden layers", XOR, {"model.depth": 0})
    yield sick(d, tiny, "spirals, two units", SPIRALS, {"model.layers": "2"})
    yield sick(d, tiny, "digits, two units", {**DIGITS, "epochs": 20}, {"model.layers": "2-2"}, "dead_relu")
    yield sick(d, tiny, "digits, decay 0.1", DIGITS, {"optimizer.weight_decay": 0.1})
    yield sick(d, tiny, "digits, dropout 0.9", DIGITS, {"dropout.rate": 0.9})
    yield sick(d, tiny, "cnn, conv dropout 0.8", CNN, {"dropout.conv_rate": 0.8})
    sigmoid = {"activation": "sigmoid", "initialization": "xavier_normal"}
    yield sick(
        d,
        "vanishing",
        "digits, ten sigmoid layers",
        {**DIGITS, "model.layers": "-".join(["48"] * 10)},
        sigmoid,
    )
    yield sick(
        d,
        "vanishing",
        "digits, six sigmoid layers, SGD",
        {**DIGITS, "model.layers": "-".join(["48"] * 6), "optimizer": "momentum", "learning_rate": 0.01},
        sigmoid,
    )
    yield sick(
        d,
        "vanishing",
        "circles, ten sigmoid layers",
        {**CIRCLES, "model.layers": "-".join(["32"] * 10)},
        sigmoid,
    )
    bursts = "exploding_gradients"
    yield sick(
        d, bursts, "adding, RNN without clipping", {**RNN, "schedule": "constant"}, {"clipping": "none"}, high
    )
    yield sick(
        d,
        bursts,
        "adding, RNN, longer",
        {**RNN, "data.length": 40, "schedule": "constant"},
        {"clipping": "none"},
        high,
    )
    yield sick(
        d,
        bursts,
        "adding, RNN, Adam 0.01",
        {**RNN, "optimizer": "adam", "learning_rate": 0.01, "schedule": "constant"},
        {"clipping": "none"},
        high,
    )
    yield plateaued(
        d,
        "circles, momentum 0.05",
        {
            **CIRCLES,
            "data.noise": 0.2,
            "batch_size": 8,
            "epochs": 20,
            "optimizer": "momentum",
            "learning_rate": 0.05,
        },
    )
    yield plateaued(
        d,
        "circles, Adam 0.03",
        {**CIRCLES, "data.noise": 0.2, "batch_size": 8, "epochs": 20, "learning_rate": 0.03},
    )
    norm, small = "batch_norm_tiny_batch", {"normalization": "batch"}
    yield sick(
        d, norm, "cnn, batches of 2", {**CNN, "normalization": "group", "batch_size": 2, "epochs": 4}, small
    )
    yield sick(
        d,
        norm,
        "delivery, batches of 2",
        {**DELIVERY, "data.samples": 800, "normalization": "layer", "batch_size": 2, "epochs": 6},
        small,
    )
    yield sick(
        d,
        norm,
        "moons, batches of 2",
        {**MOONS, "data.samples": 300, "normalization": "layer", "batch_size": 2, "epochs": 10},
        small,
    )
    before = "dropout_before_batch_norm"
    yield sick(
        d,
        before,
        "delivery, dropout 0.8",
        {**DELIVERY, "model.layers": "64-64-64-64", "normalization": "batch", "learning_rate": 0.003},
        {"dropout.rate": 0.8},
        "underfit",
    )
    yield sick(
        d,
        before,
        "moons, dropout 0.8",
        {**MOONS, "model.layers": "32-32-32-32-32", "normalization": "batch", "learning_rate": 0.003},
        {"dropout.rate": 0.8},
        "underfit",
    )
    init = "wrong_init"
    yield sick(d, init, "moons, zeros", MOONS, {"initialization": "zeros"})
    yield sick(d, init, "digits, constant", DIGITS, {"initialization": "constant"})
    yield sick(d, init, "delivery, too large", DELIVERY, {"initialization": "too_large"})
    yield sick(d, init, "cnn, too small", CNN, {"initialization": "too_small"})
    yield sick(d, init, "reviews, LSTM, constant", TEXT_LSTM, {"initialization": "constant"})
    yield sick(d, init, "resnet, zeros", RESNET, {"initialization": "zeros"})
    yield sick(
        d,
        init,
        "digits, six layers, too small",
        {**DIGITS, "model.layers": "-".join(["48"] * 6)},
        {"initialization": "too_small"},
        "vanishing",
    )


def over_trained() -> Iterator[Case]:
    """Long past their best epoch, on data that they fit well."""
    for seed in range(3):
        yield overfitted("dev", f"digits, the default run, seed {seed}", {"seed": seed})
    yield overfitted("dev", "cnn, 40 epochs", {**CNN, "epochs": 40})


def narrow() -> Iterator[Case]:
    """Networks that are too narrow, at rates above the usual one: another rate does not widen them."""
    for seed in range(3):
        yield sick(
            "dev",
            "underfit",
            f"spirals, two units, Adam 0.01, seed {seed}",
            {**SPIRALS, "learning_rate": 0.01, "seed": seed},
            {"model.layers": "2"},
        )
    yield sick(
        "dev",
        "underfit",
        "digits, two units, Adam 0.01",
        {**DIGITS, "learning_rate": 0.01},
        {"model.layers": "2"},
    )
    yield sick(
        "dev",
        "underfit",
        "circles, two units, momentum 0.1",
        {**CIRCLES, "optimizer": "momentum", "learning_rate": 0.1},
        {"model.layers": "2-2"},
    )
    yield sick(
        "dev", "lr_too_high", "moons, three units, Adam 1", {**MOONS, "model.layers": "3"}, {"learning_rate": 1.0},
        "underfit",
    )  # fmt: skip


def mild_rates() -> Iterator[Case]:
    """Rates that are not absurd: the loss falls, but not as far as it could; or units died of the first steps."""
    d, high = "dev", "lr_too_high"
    for seed in range(2):
        yield sick(
            d,
            high,
            f"digits, Transformer 0.03, seed {seed}",
            {**DIGITS_TRANSFORMER, "seed": seed},
            {"learning_rate": 0.03},
        )
    yield sick(d, high, "reviews, Transformer 0.03", {**TEXT_TRANSFORMER, "schedule": "constant", "learning_rate": 0.001},
               {"learning_rate": 0.03})  # fmt: skip
    yield plateaued(d, "digits, Adam 0.02", {**DIGITS, "learning_rate": 0.02})
    yield plateaued(d, "delivery, Adam 0.02", {**DELIVERY, "learning_rate": 0.02})
    yield plateaued(d, "spirals, Adam 0.03", {**SPIRALS, "learning_rate": 0.03})
    yield plateaued(
        d, "digits, Transformer 0.005", {**DIGITS_TRANSFORMER, "epochs": 12, "learning_rate": 0.005}
    )
    for base, name, values in (
        (MOONS, "moons, noisy labels, tanh, Adam 0.01", {"data.noise": 0.4, "learning_rate": 0.01}),
        (
            CIRCLES,
            "circles, tanh, momentum 0.1",
            {"data.noise": 0.2, "optimizer": "momentum", "learning_rate": 0.1},
        ),
    ):
        yield plateaued(d, name, {**base, "activation": "tanh", "initialization": "xavier_normal", **values})
    tanh = {**DIGITS, "activation": "tanh", "initialization": "xavier_normal"}
    yield sick(d, high, "digits, tanh, Adam 0.03", tanh, {"learning_rate": 0.03})
    yield sick(d, high, "cnn, Adam 0.03", {**CNN, "epochs": 16}, {"learning_rate": 0.03})
    yield sick(d, high, "cnn, momentum 0.2", {**CNN, **MOMENTUM}, {"learning_rate": 0.2})
    yield sick(d, high, "digits, momentum 0.5", {**DIGITS, **MOMENTUM}, {"learning_rate": 0.5})
    yield sick(
        d, high, "delivery, RMSprop 0.02",
        {**DELIVERY, "data.samples": 1500, "batch_size": 16, "epochs": 20, "optimizer": "rmsprop"},
        {"learning_rate": 0.02},
    )  # fmt: skip
    yield sick(d, high, "digits, RMSprop 0.02", {**DIGITS, "optimizer": "rmsprop"}, {"learning_rate": 0.02})
    yield sick(
        d,
        high,
        "resnet, Adam 0.05",
        {**RESNET, "learning_rate": 0.001, "epochs": 10},
        {"learning_rate": 0.05},
    )
    yield sick(
        d,
        high,
        "digits, float16, Adam 1",
        {**DIGITS, "precision": "fp16", "epochs": 10},
        {"learning_rate": 1.0},
    )
    yield sick(d, high, "digits, Adam 0.05", DIGITS, {"learning_rate": 0.05})
    yield sick(d, high, "moons, momentum 0.5", MOONS, {"optimizer": "momentum", "learning_rate": 0.5})
    yield sick(d, high, "cnn, momentum 0.3", CNN, {"optimizer": "momentum", "learning_rate": 0.3})


def first_causes() -> Iterator[Case]:
    """What a float16 overflow or underfitting only follows from."""
    d, init, before = "dev", "wrong_init", "dropout_before_batch_norm"
    half = {**DIGITS, "precision": "fp16", "epochs": 10}
    large = {"initialization": "too_large", "initialization.std": 20.0}
    for seed in range(2):
        yield sick(d, init, f"digits, float16, initial std 20, seed {seed}", {**half, "seed": seed}, large)
    yield sick(
        d, init, "delivery, float16, initial std 20", {**DELIVERY, "precision": "fp16", "epochs": 10}, large
    )
    deep = {**DIGITS, "precision": "fp16", "epochs": 10, "model.layers": "-".join(["96"] * 6)}
    yield sick(d, init, "digits, float16, six layers", deep, {"initialization": "too_large"})
    raw = {**DELIVERY, "precision": "fp16", "epochs": 10, "input_scaling": "none", "normalization": "layer"}
    yield sick(
        d,
        init,
        "delivery, float16, raw inputs",
        raw,
        {"initialization": "too_large", "initialization.std": 100.0},
    )
    batch = {"normalization": "batch", "learning_rate": 0.003}
    for base, name, layers, rate in (
        (DIGITS, "digits, dropout 0.7", "64-64-64-64", 0.7),
        (SPIRALS, "spirals, dropout 0.5", "48-48-48-48", 0.5),
    ):
        yield sick(
            d, "underfit", f"{name} and batch norm", {**base, **batch, "model.layers": layers},
            {"dropout.rate": rate}, before,
        )  # fmt: skip


def born_dead() -> Iterator[Case]:
    """Deep and so narrow that whole layers are dead before the first step; for which seeds, is chance."""
    for base, data, layers, seeds in (
        (MOONS, "moons", ["6"] * 18, (1, 2)),
        (DIGITS, "digits", ["8"] * 20, (0,)),
    ):
        for seed in seeds:
            yield Case(
                f"{data}, {len(layers)} layers of {layers[0]}, seed {seed}",
                {**base, "model.layers": "-".join(layers), "seed": seed, "epochs": 20},
                "dev",
                "dead_relu",
                {"activation": "leaky_relu"},
                ("vanishing",),
            )
