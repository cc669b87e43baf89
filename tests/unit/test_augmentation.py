"""Augmentation: against torchvision and by hand, a change of its own for each image, in the training part only."""

import math

import pytest
import torch
from engine_runs import exact, go, same_weights, small, trainer_of, weights_of
from torchvision.transforms.v2 import functional as vision

from trainer.engine.augment import chosen_changes
from trainer.registry import families, find
from trainer.techniques import augmentation

BILINEAR = vision.InterpolationMode.BILINEAR
KINDS = [name for name, family in families().items() if family.group == "augmentation" and name != "mixing"]
ALL_ON = {
    "random_crop": "resized",
    "horizontal_flip": "flip",
    "rotation": "rotate",
    "affine": "shift_scale_shear",
}
ALL_ON |= {"color_jitter": "jitter", "random_erasing": "erase"}
SIZES = [(3, 12, 12), (3, 10, 16), (1, 8, 8)]
DIGITS = {
    "data": "digits",
    "model": "cnn",
    "model__channels": 2,
    "model__head": 8,
    "batch_size": 512,
    "epochs": 2,
}


def pictures(count, shape, seed=0):
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(seed))


def stream(seed=1):
    return torch.Generator().manual_seed(seed)


def change(name, **knobs):
    """The function of a family's only technique besides "none"."""
    return lambda images, generator: find(name, ALL_ON[name]).function(images, generator, **knobs)


def fixed(monkeypatch, *rows):
    """Replaces the random numbers: a row for each image."""
    monkeypatch.setattr(augmentation, "uniform", lambda images, generator, columns: torch.tensor(rows))


def near(one, other, atol=2e-5):
    """A place in an image of 32 pixels is known to 32 × 1.2e-7; what is interpolated there, between 0 and 1, to twice that."""
    torch.testing.assert_close(one, other, rtol=0, atol=atol)


def test_all_six_are_here():
    assert set(ALL_ON) == set(KINDS)
    for name in KINDS:
        assert families()[name].default == "none"
        assert set(families()[name].techniques) == {"none", ALL_ON[name]}


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(("draw", "degrees"), [(1.0, 30), (0.0, 30), (0.75, 90), (1.0, 45), (0.5, 30)])
def test_rotation_turns_counterclockwise_about_the_centre(monkeypatch, shape, draw, degrees):
    images, angle = pictures(2, shape), (2 * draw - 1) * degrees
    fixed(monkeypatch, [draw], [draw])
    turned = change("rotation", degrees=float(degrees))(images, None)
    near(turned, vision.rotate(images, angle, interpolation=BILINEAR))


@pytest.mark.parametrize("shape", SIZES)
@pytest.mark.parametrize(
    "draw",
    [(1, 0.5, 0.5, 0.5), (0.5, 0, 0.5, 0.5), (0.5, 0.5, 1, 0.5), (0.5, 0.5, 0.5, 1), (0.9, 0.2, 0.3, 0.1)],
)
def test_affine_shifts_right_and_down_enlarges_and_shears(monkeypatch, shape, draw):
    images, (_, height, width) = pictures(1, shape), shape
    across, down, size, slant = (2 * number - 1 for number in draw)
    fixed(monkeypatch, draw)
    moved = change("affine", shift=0.25, scale=0.5, shear=20.0)(images, None)
    # torchvision takes whole pixels for the shift; 0.25 of these sides times these draws often is one
    inverse = torch.tensor([[1, math.tan(math.radians(20 * slant))], [0, 1]]) / (1 + 0.5 * size)
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    centre = torch.tensor([(width - 1) / 2, (height - 1) / 2])
    target = torch.stack([x, y], 2) - centre - torch.tensor([0.25 * across * width, 0.25 * down * height])
    source = target @ inverse.T + centre
    near(moved[0], bilinear(images[0], source[..., 0], source[..., 1]), 5e-5)
    if (0.25 * across * width).is_integer() and (0.25 * down * height).is_integer():
        expected = vision.affine(
            images,
            angle=0.0,
            translate=[round(0.25 * across * width), round(0.25 * down * height)],
            scale=1 + 0.5 * size,
            shear=[20.0 * slant, 0.0],
            interpolation=BILINEAR,
        )
        near(moved, expected, 5e-5)


def bilinear(image, x, y):
    """Reads [channels, height, width] at real positions, zeros outside: by hand."""
    total = torch.zeros(len(image), *x.shape)
    for column in (x.floor(), x.floor() + 1):
        for row in (y.floor(), y.floor() + 1):
            inside = (column >= 0) & (column < image.shape[2]) & (row >= 0) & (row < image.shape[1])
            weight = (1 - (x - column).abs()) * (1 - (y - row).abs()) * inside
            index = row.clamp(0, image.shape[1] - 1).long(), column.clamp(0, image.shape[2] - 1).long()
            total += image[:, index[0], index[1]] * weight
    return total


@pytest.mark.parametrize(
    ("shape", "draw", "box"),
    [  # box: top, left, height, width
        ((3, 12, 12), (0.0, 0.5, 0.0, 0.0), (0, 0, 6, 6)),
        ((3, 12, 12), (0.0, 0.5, 1.0, 1.0), (6, 6, 6, 6)),
        ((3, 12, 12), (0.0, 0.5, 1.0, 0.0), (0, 6, 6, 6)),
        ((1, 8, 16), (0.0, 0.5, 0.0, 1.0), (4, 0, 4, 8)),
        ((3, 12, 12), (1.0, 0.5, 0.3, 0.7), (0, 0, 12, 12)),
    ],
)
def test_a_crop_is_that_part_scaled_up(monkeypatch, shape, draw, box):
    """Inside as torchvision's resized_crop; along inner edges of the box it may look one pixel beyond them."""
    images = pictures(2, shape)
    fixed(monkeypatch, draw, draw)
    out = change("random_crop", smallest=0.25)(images, None)
    expected = vision.resized_crop(images, *box, shape[1:], interpolation=BILINEAR, antialias=False)
    near(out[..., 1:-1, 1:-1], expected[..., 1:-1, 1:-1])
    top, left, _, width = box
    if top == 0:
        near(out[..., 0, 1:-1], expected[..., 0, 1:-1])
    if left + width == shape[2]:
        near(out[..., 1:-1, -1], expected[..., 1:-1, -1])


def test_a_crop_never_shows_anything_from_outside():
    white = torch.ones(200, 1, 9, 9)
    near(change("random_crop", smallest=0.08)(white, stream()), white)


def test_crops_have_the_areas_and_shapes_that_are_promised():
    """Read off two ramps: the value range across and down is the crop's width and height."""
    ramp = torch.linspace(-1 + 1 / 64, 1 - 1 / 64, 64)
    images = torch.stack([ramp.expand(64, 64), ramp[:, None].expand(64, 64)]).expand(2000, 2, 64, 64)
    out = change("random_crop", smallest=0.3)(images, stream())
    width = (out[:, 0, 32, 40] - out[:, 0, 32, 24]) / (ramp[40] - ramp[24])
    height = (out[:, 1, 40, 32] - out[:, 1, 24, 32]) / (ramp[40] - ramp[24])
    area, aspect = width * height, width / height
    free = (width < 0.999) & (height < 0.999)
    assert 0.25 < float(area.min()) < 0.34
    assert float(area.max()) <= 1.001
    assert 3 / 4 - 0.01 < float(aspect[free].min()) < 0.8
    assert 1.25 < float(aspect[free].max()) < 4 / 3 + 0.01
    assert float(aspect[free].log().mean()) == pytest.approx(0, abs=0.03)


@pytest.mark.parametrize("shape", SIZES)
def test_flip_mirrors_left_to_right(shape):
    images = pictures(3, shape)
    assert torch.equal(
        change("horizontal_flip", probability=1.0)(images, stream()), vision.horizontal_flip(images)
    )
    assert torch.equal(change("horizontal_flip", probability=0.0)(images, stream()), images)


def test_half_of_the_images_are_flipped():
    images = pictures(1, (1, 4, 4)).expand(4000, 1, 4, 4)
    flipped = (change("horizontal_flip")(images, stream()) != images).flatten(1).any(1)
    assert float(flipped.double().mean()) == pytest.approx(0.5, abs=0.03)


@pytest.mark.parametrize("channels", [3, 1])
@pytest.mark.parametrize(
    "draw", [(0.9, 0.5, 0.5), (0.5, 0.1, 0.5), (0.5, 0.95, 0.5), (0.5, 0.5, 0.0), (1.0, 0.2, 0.8)]
)
def test_color_jitter_as_in_torchvision(monkeypatch, channels, draw):
    images, factors = pictures(2, (channels, 6, 7)), [1 + (2 * number - 1) * 0.6 for number in draw]
    fixed(monkeypatch, draw, draw)
    out = change("color_jitter", brightness=0.6, contrast=0.6, saturation=0.6)(images, None)
    expected = vision.adjust_contrast(vision.adjust_brightness(images, factors[0]), factors[1])
    expected = vision.adjust_saturation(expected, factors[2])
    near(out, expected, 3e-4)  # torchvision rounds 0.299 to 0.2989
    assert float(out.min()) >= 0
    assert float(out.max()) <= 1


def test_erasing_blanks_one_box_of_the_promised_area_and_nothing_else():
    images = pictures(3000, (3, 20, 30)) * 0.9 + 0.1
    out = change("random_erasing", probability=1.0, largest=0.33)(images, stream())
    blank = (out == 0).all(1)
    assert torch.equal(torch.where(blank[:, None], images, out), images)
    rows, columns = blank.any(2), blank.any(1)
    for places in (rows, columns):  # one unbroken span
        starts = (places.int().diff(dim=1, prepend=torch.zeros(len(places), 1, dtype=torch.int)) == 1).sum(1)
        assert bool((starts == 1).all())
    high, wide = rows.sum(1), columns.sum(1)
    assert torch.equal(high * wide, blank.sum((1, 2)))
    area = (high * wide).double() / 600
    assert float(area.min()) >= 0.01  # 0.02, sides rounded to whole pixels
    assert float(area.max()) <= 0.36
    assert float(area.mean()) == pytest.approx(0.175, abs=0.012)
    assert {
        int(rows[:, 0].any()),
        int(rows[:, -1].any()),
        int(columns[:, 0].any()),
        int(columns[:, -1].any()),
    } == {1}


def test_erasing_by_hand(monkeypatch):
    """A quarter of 8 × 8 at aspect 1 is 4 × 4; the draws put it 2 from the left and 4 from the top."""
    area = (0.25 - 0.02) / (0.33 - 0.02)
    fixed(monkeypatch, [0.4, area, 0.5, 0.5, 0.99], [0.6, area, 0.5, 0.5, 0.99])
    out = change("random_erasing", probability=0.5, largest=0.33)(torch.ones(2, 1, 8, 8), None)
    expected = torch.ones(8, 8)
    expected[4:8, 2:6] = 0
    assert torch.equal(out[0, 0], expected)
    assert bool((out[1] == 1).all()), "drawn above the probability"


@pytest.mark.parametrize("side", [1, 2, 3, 5])
def test_the_smallest_images_lose_at_least_a_pixel_where_they_are_hit(side):
    out = change("random_erasing", probability=1.0)(torch.ones(300, 1, side, side), stream())
    assert bool((out == 0).flatten(1).any(1).all())


@pytest.mark.parametrize("name", KINDS)
def test_random_for_each_image_reproducible_and_the_input_untouched(name):
    knobs = {"probability": 0.5} if name in ("horizontal_flip", "random_erasing") else {}
    images = pictures(1, (3, 16, 16)).expand(64, 3, 16, 16).clone()
    before = images.clone()
    out = change(name, **knobs)(images, stream(5))
    assert out.shape == images.shape
    assert out.dtype == torch.float32
    assert torch.equal(images, before)
    assert len({exact(image.flatten().tolist()[:200]).__repr__() for image in out}) > (
        1 if "flip" in name else 20
    )
    assert torch.equal(out, change(name, **knobs)(images, stream(5)))
    assert not torch.equal(out, change(name, **knobs)(images, stream(6)))


@pytest.mark.parametrize("name", KINDS)
def test_a_batch_is_the_same_as_one_call_for_each_image(monkeypatch, name):
    columns = {"random_crop": 4, "horizontal_flip": 1, "rotation": 1, "affine": 4, "color_jitter": 3}.get(
        name, 5
    )
    draws = torch.rand(6, columns, generator=stream())
    images = pictures(6, (3, 9, 11))
    monkeypatch.setattr(augmentation, "uniform", lambda images, generator, columns: draws)
    together = change(name)(images, None)
    for number in range(6):
        monkeypatch.setattr(augmentation, "uniform", lambda images, *_, row=number: draws[row : row + 1])
        near(change(name)(images[number : number + 1], None)[0], together[number], 1e-6)


@pytest.mark.parametrize("name", [name for name in KINDS if name != "random_crop"])  # its shape always varies
def test_at_no_strength_nothing_changes(name):
    off = {
        "horizontal_flip": {"probability": 0.0},
        "rotation": {"degrees": 0.0},
        "affine": {"shift": 0.0, "scale": 0.0, "shear": 0.0},
        "color_jitter": {"brightness": 0.0, "contrast": 0.0, "saturation": 0.0},
        "random_erasing": {"probability": 0.0},
    }
    images = pictures(4, (3, 9, 13))
    out = change(name, **off[name])(images, stream())
    near(out, images, 2e-6)


def batches_of(config):
    """Training batches and evaluation batches as the network received them."""
    trainer, _ = trainer_of(config)
    seen = {True: [], False: []}
    trainer.run.model.register_forward_pre_hook(
        lambda model, args: seen[model.training].append(args[0].clone())
    )
    trainer.run_epochs()
    return trainer.run, seen[True], seen[False]


def test_only_training_batches_change_and_are_scaled_after():
    plain_run, plain, plain_evaluated = batches_of(small(**DIGITS))
    run, augmented, evaluated = batches_of(small(**DIGITS, **ALL_ON))
    assert len(chosen_changes(run.config)) == 6
    for part in ("validation", "test"):
        assert torch.equal(getattr(run.data, part).inputs, getattr(plain_run.data, part).inputs)
        assert torch.equal(getattr(run.data, part).targets, getattr(plain_run.data, part).targets)
    assert torch.equal(run.data.train.targets, plain_run.data.train.targets)
    assert torch.equal(run.data.mean, plain_run.data.mean)
    assert float(run.data.train.inputs.min()) == 0.0, "in memory the training part stays between 0 and 1"
    assert float(run.data.train.inputs.max()) == 1.0
    near((run.data.train.inputs - run.data.mean) / run.data.deviation, plain_run.data.train.inputs, 1e-6)
    for one, other in zip(plain, augmented, strict=True):
        assert one.shape == other.shape
        assert not torch.equal(one, other)
    assert len(evaluated) == run.config.epochs
    for one, other in zip(plain_evaluated, evaluated, strict=True):
        assert torch.equal(one, other)
        assert torch.equal(other, run.data.validation.inputs)


def test_what_is_erased_is_zero_before_scaling():
    values = {"random_erasing": "erase", "random_erasing__probability": 1.0}
    run, augmented, _ = batches_of(small(**DIGITS, **values))
    blank = float(-run.data.mean / run.data.deviation)
    plain = batches_of(small(**DIGITS))[1]
    for one, other in zip(plain, augmented, strict=True):
        changed = (one - other).abs() > 1e-5
        assert changed.any()
        near(other[changed], torch.full_like(other[changed], blank), 1e-6)


def test_images_alike_in_a_batch_come_out_different_and_again_in_the_next_epoch():
    trainer, _ = trainer_of(small(**DIGITS, **ALL_ON))
    same = trainer.run.data.train.inputs[:1].expand(32, 1, 8, 8)
    targets = trainer.run.data.train.targets[:32]
    first, kept = trainer.run.augment(same, targets, 0)
    assert torch.equal(kept, targets)
    distances = torch.cdist(first.flatten(1), first.flatten(1)) + torch.eye(32)
    assert float(distances.min()) > 0.01
    assert torch.equal(first, trainer.run.augment(same, targets, 0)[0])
    assert not torch.equal(first, trainer.run.augment(same, targets, 1)[0])


@pytest.mark.parametrize("scaling", ["standardize", "none"])
def test_scaling_follows_the_knob(scaling):
    run, _, evaluated = batches_of(small(**DIGITS, input_scaling=scaling, horizontal_flip="flip"))
    batch, _ = run.augment(run.data.train.inputs, run.data.train.targets, 0)
    if scaling == "none":
        assert (float(batch.min()), float(batch.max())) == (0.0, 1.0)
        assert (float(evaluated[0].min()), float(evaluated[0].max())) == (0.0, 1.0)
    else:
        exact = batch.double()
        assert float(exact.mean()) == pytest.approx(0, abs=1e-5)
        assert float(exact.std()) == pytest.approx(1, abs=1e-4)


def test_without_augmentation_there_is_no_augmenter():
    assert trainer_of(small(**DIGITS))[0].run.augment is None


def test_the_dropout_stream_is_left_alone():
    def masks(**values):
        trainer, _ = trainer_of(small(**DIGITS, dropout__rate=0.5, activation="sigmoid", **values))
        found = []
        trainer.run.model.head.dropout.register_forward_hook(
            lambda module, inputs, output: found.append(output == 0) if module.training else None
        )
        trainer.run_epochs()
        return torch.cat(found)

    plain = masks()
    assert torch.equal(plain, masks(**ALL_ON))
    assert torch.equal(plain, masks(mixing="cutmix"))


def test_a_run_is_reproducible_bit_for_bit():
    runs = [trainer_of(small(**DIGITS, **ALL_ON, mixing="mixup")) for _ in range(2)]
    for trainer, _ in runs:
        trainer.run_epochs()
    assert exact(runs[0][1].steps) == exact(runs[1][1].steps)
    assert same_weights(weights_of(runs[0][0].run), weights_of(runs[1][0].run))


@pytest.mark.parametrize("name", KINDS)
def test_each_trains_on_digits(name):
    results, log = go(small(**DIGITS, **{name: ALL_ON[name]}))
    assert results.stopped_by == "epochs"
    assert all(math.isfinite(loss) for loss in log.losses)
