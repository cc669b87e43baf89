"""Image augmentation: changes each image of a training batch at random.

Every function receives images in [0, 1] as float32 [batch, channels, height, width] and a generator of its own. It draws one
set of random numbers per image but works on the whole batch at once: the result of one call per image, at the cost of one
call. The families run in the order below, the usual one in torchvision; random erasing comes last because it works on
finished tensors.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Any

from trainer.lazy import lazy
from trainer.registry import declare_family, knob, technique

if TYPE_CHECKING:
    import torch
    from torchvision.transforms import v2
else:
    torch = lazy("torch")
    v2 = lazy("torchvision.transforms.v2")


def strength(label: str) -> Any:
    """Returns a knob for how far a random factor may be from 1."""
    return knob(label, "Maximum relative change: 0 changes nothing, 0.4 is common.", ge=0, le=1, step=0.05)


Chance = Annotated[float, knob("Probability", "Share of images to change.", ge=0, le=1, step=0.05)]
Degrees = Annotated[float, knob("Maximum angle", "In either direction.", ge=0, le=180, step=5, unit="°")]

KINDS = (
    ("random_crop", "Random resized crop", "Trains on random crops, resized to the size of the image."),
    ("horizontal_flip", "Horizontal flip", "Mirrors images left to right at random."),
    ("rotation", "Rotation", "Rotates each image by a random angle."),
    ("affine", "Affine", "Shifts, scales and shears each image at random."),
    ("color_jitter", "Color jitter", "Varies brightness, contrast and saturation."),
    ("random_erasing", "Random erasing", "Blanks a random rectangle."),
)
for _name, _label, _help in KINDS:
    declare_family(_name, label=_label, help=_help, group="augmentation", default="none")


def unchanged(images: torch.Tensor, stream: torch.Generator) -> torch.Tensor:
    """Leaves images as they are."""
    return images


for _name, _, _ in KINDS:
    technique(
        _name,
        label="Off",
        name="none",
        formula=r"\tilde{x} = x",
        when="The baseline: every epoch sees the same images.",
    )(unchanged)


@technique(
    "random_crop",
    label="On",
    switch=True,
    accepts=("image",),
    source="Szegedy et al. 2014, arXiv:1409.4842",
    formula=(
        r"\text{area} \sim \mathcal{U}(s, 1), \quad \log \text{aspect} \sim \mathcal{U}(\log \tfrac{3}{4}, "
        r"\log \tfrac{4}{3})"
    ),
    when="Photographs, where the object may be anywhere and of any size.",
    short=lambda sides, smallest: v2.RandomResizedCrop(sides, scale=(smallest, 1.0)),
)
def resized(
    images: torch.Tensor,
    stream: torch.Generator,
    *,
    smallest: Annotated[
        float,
        knob(
            "Minimum area",
            "Share of the image's area; 0.08 is common for photographs.",
            gt=0,
            le=1,
            step=0.05,
        ),
    ] = 0.6,
) -> torch.Tensor:
    """Crops a random area at a random aspect ratio (3:4 to 4:3) and resizes it to the size of the image."""
    area, shape, across, down = uniform(images, stream, 4).unbind(1)
    area = smallest + (1 - smallest) * area
    aspect = torch.exp((2 * shape - 1) * math.log(4 / 3))
    width, height = (area * aspect).sqrt().clamp(max=1), (area / aspect).sqrt().clamp(max=1)
    return resample(
        images,
        width,
        0 * width,
        (2 * across - 1) * (1 - width),
        0 * height,
        height,
        (2 * down - 1) * (1 - height),
        outside="border",
    )


@technique(
    "horizontal_flip",
    label="On",
    switch=True,
    accepts=("image",),
    source="Krizhevsky, Sutskever & Hinton 2012",
    link="https://doi.org/10.1145/3065386",
    formula=r"\tilde{x}_{c,i,j} = x_{c,i,W-1-j} \quad \text{with probability } p",
    when="Photographs. Not digits or letters: a mirrored 2 is not a 2.",
    short=lambda probability: v2.RandomHorizontalFlip(p=probability),
)
def flip(images: torch.Tensor, stream: torch.Generator, *, probability: Chance = 0.5) -> torch.Tensor:
    """Mirrors each image left to right with the given probability. Not for digits or letters."""
    chosen = uniform(images, stream, 1) < probability
    return torch.where(chosen[:, :, None, None], images.flip(3), images)


@technique(
    "rotation",
    label="On",
    switch=True,
    accepts=("image",),
    source="Simard, Steinkraus & Platt 2003",
    link="https://doi.org/10.1109/ICDAR.2003.1227801",
    formula=r"\tilde{x}(u) = x(R_\theta u), \quad \theta \sim \mathcal{U}(-\theta_{\max}, \theta_{\max})",
    when="A few degrees for handwriting and photographs; any angle only where nothing is upright, as under a microscope.",
    short=lambda degrees: v2.RandomRotation(degrees, interpolation=v2.InterpolationMode.BILINEAR),
)
def rotate(images: torch.Tensor, stream: torch.Generator, *, degrees: Degrees = 10.0) -> torch.Tensor:
    """Rotates each image by a random angle up to the maximum, in either direction; empty corners become 0."""
    angle = (2 * uniform(images, stream, 1)[:, 0] - 1) * math.radians(degrees)
    ratio = images.shape[2] / images.shape[3]
    cos, sin = angle.cos(), angle.sin()
    return resample(images, cos, -sin * ratio, 0 * cos, sin / ratio, cos, 0 * cos)


@technique(
    "affine",
    label="On",
    switch=True,
    accepts=("image",),
    source="Simard, Steinkraus & Platt 2003",
    link="https://doi.org/10.1109/ICDAR.2003.1227801",
    formula=r"\tilde{x}(u) = x(A u + b)",
    when="Handwriting and centered objects; small shifts help most.",
    short=lambda shift, scale, shear: v2.RandomAffine(
        0,
        translate=(shift, shift),
        scale=(1 - scale, 1 + scale),
        shear=shear,
        interpolation=v2.InterpolationMode.BILINEAR,
    ),
)
def shift_scale_shear(
    images: torch.Tensor,
    stream: torch.Generator,
    *,
    shift: Annotated[
        float, knob("Maximum shift", "Share of the side, in either direction.", ge=0, le=1, step=0.05)
    ] = 0.1,
    scale: Annotated[
        float, knob("Maximum scaling", "Relative change in size, up or down.", ge=0, le=0.9, step=0.05)
    ] = 0.1,
    shear: Degrees = 5.0,
) -> torch.Tensor:
    """Shifts, scales and shears each image by random amounts; pixels from outside the image are 0."""
    across, down, size, slant = (2 * uniform(images, stream, 4) - 1).unbind(1)
    ratio = images.shape[2] / images.shape[3]
    zoom = 1 / (1 + size * scale)
    tilt = torch.tan(slant * math.radians(shear)) * zoom * ratio
    right, lower = 2 * shift * across, 2 * shift * down
    return resample(images, zoom, tilt, -zoom * right - tilt * lower, 0 * zoom, zoom, -zoom * lower)


@technique(
    "color_jitter",
    label="On",
    switch=True,
    accepts=("image",),
    source="Howard 2013, arXiv:1312.5402",
    formula=r"\tilde{x} = f_c\, f_b\, x + (1 - f_c)\,\overline{x}, \quad f \sim \mathcal{U}(1 - s, 1 + s)",
    when="Photographs in varying light. Not where color decides the class.",
    short=lambda brightness, contrast, saturation: v2.ColorJitter(brightness, contrast, saturation),
)
def jitter(
    images: torch.Tensor,
    stream: torch.Generator,
    *,
    brightness: Annotated[float, strength("Brightness")] = 0.2,
    contrast: Annotated[float, strength("Contrast")] = 0.2,
    saturation: Annotated[float, strength("Saturation")] = 0.2,
) -> torch.Tensor:
    """Scales each image's brightness, its contrast around its mean, and its distance from gray, by random factors."""
    factors = 1 + (2 * uniform(images, stream, 3) - 1) * images.new_tensor([brightness, contrast, saturation])
    bright, strong, vivid = factors[:, :, None, None, None].unbind(1)
    images = (images * bright).clamp_(0, 1)  # in place from here on: the product is a new tensor
    middle = gray(images).mean((2, 3), keepdim=True)
    images = torch.lerp(middle, images, strong).clamp_(0, 1)
    return torch.lerp(gray(images), images, vivid).clamp_(0, 1) if images.shape[1] == 3 else images


@technique(
    "random_erasing",
    label="On",
    switch=True,
    accepts=("image",),
    source="Zhong et al. 2017, arXiv:1708.04896",
    formula=r"\tilde{x} = x \odot (1 - R), \quad \mathrm{area}(R) \sim \mathcal{U}(0.02, a)",
    when="Photographs in which the object may be partly hidden.",
    short=lambda probability, largest: v2.RandomErasing(p=probability, scale=(0.02, largest)),
    misconception=(
        "“It can stand anywhere among the transforms.” Before the conversion to a tensor it fails or does nothing. Here "
        "images are tensors from the start, and it comes last."
    ),
)
def erase(
    images: torch.Tensor,
    stream: torch.Generator,
    *,
    probability: Chance = 0.5,
    largest: Annotated[
        float, knob("Maximum area", "Share of the image's area.", gt=0.02, le=1, step=0.05)
    ] = 0.33,
) -> torch.Tensor:
    """Sets a random rectangle (area from 2% to the maximum, aspect ratio 3:10 to 10:3) to 0."""
    hit, area, shape, across, down = uniform(images, stream, 5)[:, :, None, None].unbind(1)
    area, aspect = 0.02 + (largest - 0.02) * area, torch.exp((2 * shape - 1) * math.log(10 / 3))
    height, width = images.shape[2:]
    wide, high = (
        ((area * aspect).sqrt().clamp(max=1) * width).round().clamp(min=1),
        ((area / aspect).sqrt().clamp(max=1) * height).round().clamp(min=1),
    )
    left, top = (across * (width - wide + 1)).floor(), (down * (height - high + 1)).floor()
    x = torch.arange(width, device=images.device)[None, None, :]
    y = torch.arange(height, device=images.device)[None, :, None]
    rows = (y >= top) & (y < top + high) & (hit < probability)
    outside = ~(rows & ((x >= left) & (x < left + wide)))
    return images * outside[:, None]


def uniform(images: torch.Tensor, stream: torch.Generator, columns: int) -> torch.Tensor:
    """Returns numbers in [0, 1), [batch, columns]: a row per image. Drawn on the CPU, they are the same for a GPU run."""
    return torch.rand(len(images), columns, generator=stream).to(images.device)


def gray(images: torch.Tensor) -> torch.Tensor:
    """Returns the luma [batch, 1, height, width] by ITU-R BT.601; for images of one channel, the images themselves."""
    if images.shape[1] != 3:
        return images.mean(1, keepdim=True)
    red, green, blue = images.split(1, dim=1)
    luma: torch.Tensor = 0.299 * red
    return luma.add_(green, alpha=0.587).add_(blue, alpha=0.114)


def resample(images: torch.Tensor, *matrix: torch.Tensor, outside: str = "zeros") -> torch.Tensor:
    """Samples every image through its own 2 × 3 matrix (six tensors [batch], row by row), in coordinates from −1 to 1.

    `outside` fills what lies beyond the image: "zeros", or "border" for its outermost pixels.
    """
    rows, columns = (pixel_centers(side, images.device) for side in images.shape[2:])
    xx, xy, x0, yx, yy, y0 = (entry[:, None, None] for entry in matrix)
    grid = images.new_empty(len(images), len(rows), len(columns), 2)  # as affine_grid's, in half the time
    torch.add(xx * columns, xy * rows[:, None] + x0, out=grid[..., 0])
    torch.add(yx * columns, yy * rows[:, None] + y0, out=grid[..., 1])
    return torch.nn.functional.grid_sample(
        images, grid, mode="bilinear", padding_mode=outside, align_corners=False
    )


def pixel_centers(side: int, device: torch.device) -> torch.Tensor:
    """Returns the centers of `side` pixels between −1 and 1."""
    return (2 * torch.arange(side, device=device, dtype=torch.float32) + 1) / side - 1
