"""Residual, recurrent and attention networks against torch.nn and against the same thing written out by hand."""

import math

import pytest
import torch
from engine_runs import CPU, go, small
from torch import nn

from trainer import layers
from trainer.config import RunConfig
from trainer.engine.network import build_model
from trainer.registry import find

WORDS, SIZE = 30, 64


def network(shape, outputs=3, vocabulary=0, **values):
    config = RunConfig.from_flat({key.replace("__", "."): value for key, value in values.items()})
    return build_model(config, shape, outputs, CPU, vocabulary).eval()


def noise(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def near(one, other):
    """In float64: sums of at most a few hundred terms, a few layers deep, differ by thousands of roundings of 2e-16."""
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


def shaken(net):
    """Norms and biases off their identities, so that a forgotten one shows."""
    with torch.no_grad():
        for number, parameter in enumerate(net.parameters()):
            if parameter.ndim == 1:
                parameter.add_(0.3 * noise(*parameter.shape, seed=number))
        for number, buffer in enumerate(net.buffers()):
            if buffer.is_floating_point():
                buffer.add_(noise(*buffer.shape, seed=number).abs())
    return net


# --- ResNet


def plain_block(state, images, name, stride):
    """conv, batch norm, ReLU, conv, batch norm, plus the input or its 1×1 convolution, ReLU; in evaluation mode."""

    def conv(inputs, key, **options):
        return nn.functional.conv2d(
            inputs, state[f"{name}.{key}.weight"], state[f"{name}.{key}.bias"], **options
        )

    def norm(inputs, key):
        part = {
            item: state[f"{name}.{key}.{item}"][:, None, None]
            for item in ("running_mean", "running_var", "weight", "bias")
        }
        scaled = (inputs - part["running_mean"]) / (part["running_var"] + 1e-5).sqrt()
        return scaled * part["weight"] + part["bias"]

    out = norm(conv(images, "body.first.conv", stride=stride, padding=1), "body.first.norm").relu()
    out = norm(conv(out, "body.second.conv", padding=1), "body.second.norm")
    skip = conv(images, "skip", stride=stride) if f"{name}.skip.weight" in state else images
    return (out + skip).relu()


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize(
    ("block", "planes", "stride"), [("stage1_block1", 4, 1), ("stage2_block1", 4, 2), ("stage2_block2", 8, 1)]
)
def test_a_residual_block_by_hand(block, planes, stride):
    net = shaken(
        network((3, 9, 9), model="resnet", model__channels=4, model__blocks=2, normalization="batch")
    )
    images = noise(5, planes, 9, 9)
    near(getattr(net, block)(images), plain_block(net.state_dict(), images, block, stride))


@pytest.mark.usefixtures("in_float64")
def test_a_resnet_is_stem_blocks_average_and_one_layer():
    net = shaken(
        network((3, 8, 8), model="resnet", model__channels=4, model__stages=3, normalization="batch")
    )
    images, state = noise(2, 3, 8, 8), net.state_dict()
    out = net.stem(images)
    for stage in (1, 2, 3):
        out = plain_block(state, out, f"stage{stage}_block1", 1 if stage == 1 else 2)
        assert out.shape == (2, 4 * 2 ** (stage - 1), 8 // 2 ** (stage - 1), 8 // 2 ** (stage - 1))
    near(net(images), nn.functional.linear(out.mean((2, 3)), state["output.weight"], state["output.bias"]))


def test_with_silent_convolutions_a_block_is_its_skip():
    net = network((4, 8, 8), model="resnet", model__channels=4, initialization="zeros")
    images = noise(2, 4, 8, 8).abs()
    assert torch.equal(net.stage1_block1(images), images)


@pytest.mark.parametrize("side", [1, 2, 3, 5, 8, 28])
def test_a_resnet_fits_any_image(side):
    net = network((1, side, side), model="resnet", model__stages=4, model__channels=2)
    assert net(torch.zeros(2, 1, side, side)).shape == (2, 3)


# --- Recurrent networks

KINDS = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def same_module(net, model, features, hidden, depth):
    """torch's own stacked module with our weights."""
    reference = KINDS[model](features, hidden, num_layers=depth, batch_first=True)
    state = {
        name.replace("_l0", f"_l{number}"): value
        for number, layer in enumerate(net.recurrent.layers)
        for name, value in layer.state_dict().items()
    }
    reference.load_state_dict(state)
    return reference


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("depth", [1, 3])
@pytest.mark.parametrize("model", KINDS)
def test_recurrent_networks_as_in_torch(model, depth):
    net = shaken(network((7, 5), model=model, model__hidden=6, model__depth=depth))
    reference, sequence = same_module(net, model, 5, 6, depth), noise(4, 7, 5)
    near(net(sequence), net.output(reference(sequence)[0][:, -1]))


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("model", KINDS)
def test_an_image_is_read_row_by_row_from_the_top(model):
    net = shaken(network((2, 4, 3), model=model, model__hidden=6))
    images = noise(5, 2, 4, 3)
    rows = torch.stack([torch.cat([images[:, 0, row], images[:, 1, row]], 1) for row in range(4)], 1)
    near(net(images), net.output(same_module(net, model, 6, 6, 1)(rows)[0][:, -1]))


@pytest.mark.usefixtures("in_float64")
def test_an_rnn_step_by_hand():
    net = shaken(network((3, 2), model="rnn", model__hidden=4))
    layer, sequence = net.recurrent.layers[0], noise(1, 3, 2)
    hidden = torch.zeros(1, 4)
    for step in range(3):
        hidden = torch.tanh(
            sequence[:, step] @ layer.weight_ih_l0.T
            + layer.bias_ih_l0
            + hidden @ layer.weight_hh_l0.T
            + layer.bias_hh_l0
        )
    near(net(sequence), net.output(hidden))


@pytest.mark.parametrize("model", KINDS)
def test_recurrent_dropout_stands_between_layers_only(model):
    def rates(depth):
        net = network((7, 5), model=model, model__depth=depth, dropout__recurrent_rate=0.3)
        return [
            any(isinstance(module, nn.Dropout) for module in part.modules()) for part in net.recurrent.between
        ]

    assert rates(1) == [False]
    assert rates(3) == [True, True, False]


# --- Transformer


def reference_block(block, norm):
    """torch's own encoder layer with our weights."""
    attention = block.attention
    layer = nn.TransformerEncoderLayer(
        SIZE, 4, 4 * SIZE, dropout=0.0, activation="relu", batch_first=True, norm_first=norm == "pre"
    )
    own, parts = block.state_dict(), ("query", "key", "value")
    layer.load_state_dict(
        {
            "self_attn.in_proj_weight": torch.cat([getattr(attention, part).weight for part in parts]),
            "self_attn.in_proj_bias": torch.cat([getattr(attention, part).bias for part in parts]),
            "self_attn.out_proj.weight": own["attention.output.weight"],
            "self_attn.out_proj.bias": own["attention.output.bias"],
            "linear1.weight": own["feedforward.expand.weight"],
            "linear1.bias": own["feedforward.expand.bias"],
            "linear2.weight": own["feedforward.contract.weight"],
            "linear2.bias": own["feedforward.contract.bias"],
            **{f"norm{n}.{part}": own[f"norm{n}.{part}"] for n in (1, 2) for part in ("weight", "bias")},
        }
    )
    return layer.train()  # evaluation may take torch's fused path; without dropout both are the same


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("masked", [False, True])
def test_a_block_as_torchs_encoder_layer(norm, masked):
    net = shaken(network((9, 5), model="transformer", model__norm=norm))
    block, sequence = net.encoder.blocks[0], noise(3, 9, SIZE)
    real = torch.arange(9) >= torch.tensor([[0], [4], [8]]) if masked else None
    expected = reference_block(block, norm)(sequence, src_key_padding_mask=None if real is None else ~real)
    found = block(sequence, real)
    if real is not None:
        found, expected = found[real], expected[real]
    near(found, expected)


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("norm", ["pre", "post"])
def test_a_transformer_is_embedding_positions_blocks_norm_and_average(norm):
    net = shaken(network((9, 5), model="transformer", model__norm=norm, model__blocks=3))
    inputs = noise(2, 9, 5)
    sequence = net.encoder.embed.project(inputs)
    place = torch.arange(9.0)[:, None]
    for column in range(SIZE):
        angle = place / 10_000 ** (2 * (column // 2) / SIZE)
        wave = angle.cos() if column % 2 else angle.sin()
        sequence = sequence + torch.nn.functional.one_hot(torch.tensor(column), SIZE) * wave
    for block in net.encoder.blocks:
        sequence = reference_block(block, norm)(sequence)
    if norm == "pre":
        sequence = net.encoder.final(sequence)
        assert isinstance(net.encoder.final, nn.LayerNorm)
    near(net(inputs), net.output(sequence.mean(1)))


@pytest.mark.usefixtures("in_float64")
@pytest.mark.parametrize("model", ["transformer", "mlp"])
@pytest.mark.parametrize("where", ["front", "end"])
def test_padding_changes_nothing(model, where):
    net = shaken(network((6,), vocabulary=WORDS, model=model))
    words = torch.randint(1, WORDS, (4, 6), generator=torch.Generator().manual_seed(0))
    expected = net(words)
    for count in (1, 5):
        padding = torch.zeros(4, count, dtype=torch.int64)
        longer = torch.cat([padding, words] if where == "front" else [words, padding], dim=1)
        near(net(longer), expected)
    one = torch.cat(
        [torch.zeros(1, 5, dtype=torch.int64), words[:1, :1]], 1
    )  # the rest of a batch plays no part
    both = torch.cat([one, words[1:2]])
    near(net(both)[1:], expected[1:2])


@pytest.mark.usefixtures("in_float64")
def test_word_order_matters_to_a_transformer_and_not_to_a_bag_of_words():
    words = torch.tensor([[3, 7, 9, 12]])
    for model, matters in (("transformer", True), ("gru", True), ("mlp", False)):
        net = network((4,), vocabulary=WORDS, model=model)
        assert torch.allclose(net(words), net(words.flip(1)), atol=1e-5) != matters


@pytest.mark.parametrize("model", ["transformer", "mlp", "lstm"])
def test_a_text_of_padding_alone_gives_finite_numbers_and_gradients(model):
    net = network((6,), vocabulary=WORDS, model=model).train()
    out = net(torch.tensor([[0] * 6, [1, 2, 3, 4, 5, 6]]))
    out.sum().backward()
    assert torch.isfinite(out).all()
    assert all(
        torch.isfinite(parameter.grad).all() for parameter in net.parameters() if parameter.grad is not None
    )


def test_attention_dropout_falls_on_the_weights():
    attention = layers.Attention(8, 2, 0.5)
    sequence = noise(2, 5, 8)
    assert torch.equal(attention.eval()(sequence, None), attention(sequence, None))
    torch.manual_seed(0)
    with torch.no_grad():
        mean = torch.stack([attention.train()(sequence, None) for _ in range(6000)]).mean(0)
        torch.testing.assert_close(mean, attention.eval()(sequence, None), rtol=0, atol=0.05)


def test_feedforward_dropout_falls_on_what_each_sublayer_adds():
    net = network((9, 5), model="transformer", dropout__feedforward_rate=0.1).train()
    block = net.encoder.blocks[0]
    assert isinstance(block.drop, nn.Dropout)
    assert block.drop.p == 0.1
    with torch.no_grad():
        block.drop.p = 1.0
        sequence = noise(2, 9, SIZE)
        assert torch.equal(block(sequence, None), sequence)


def test_odd_sizes_are_fine():
    net = network((3, 2), model="transformer", model__heads=1, model__head_size=2, model__blocks=1)
    assert net(noise(2, 3, 2)).shape == (2, 3)
    positions = layers.Positions()(torch.zeros(1, 4, 7), None)
    assert positions.shape == (1, 4, 7)
    assert float(positions[0, 2, 6]) == pytest.approx(math.sin(2 / 10_000 ** (6 / 7)), abs=1e-6)


# --- All of them


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
@pytest.mark.parametrize("model", ["resnet", "rnn", "lstm", "gru", "transformer"])
def test_sixteen_bits(model, precision):
    values = {"data": "digits", "batch_size": 512, "epochs": 1, "model": model, "precision": precision}
    values |= {"model__channels": 2} if model == "resnet" else {}  # CPUs convolve slowly in float16
    results, log = go(small(**values))
    assert results.stopped_by == "epochs"
    assert all(math.isfinite(loss) for loss in log.losses)


@pytest.mark.parametrize(
    ("model", "better"), [("resnet", 0.9), ("lstm", 0.7), ("gru", 0.8), ("rnn", 0.7), ("transformer", 0.75)]
)
def test_each_learns_digits(model, better):
    results, _ = go(small(data="digits", model=model, batch_size=32, learning_rate=0.003, epochs=4))
    assert results.validation["metric"] > better
    assert find("model", model).facts["accepts"]
