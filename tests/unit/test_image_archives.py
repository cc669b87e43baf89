"""Reading a zip of images: classes by folder, splits by name, and a sentence for whatever an honest archive does not hold."""

import io
import stat
import struct
import zipfile

import numpy as np
import own_files
import pytest
from engine_runs import exact, go
from hypothesis import example, given, settings
from hypothesis import strategies as st
from own_files import image_files, png, zip_bytes
from PIL import Image

from trainer.config import RunConfig
from trainer.data import images
from trainer.data.images import read_archive
from trainer.data.own import data_problem, scaled
from trainer.data.samples import DataError
from trainer.data.uploads import find_manifest
from trainer.engine.build import build
from trainer.engine.datasplit import training_samples


@pytest.fixture
def read(tmp_path):
    """Reads an archive's bytes; returns the manifest, the pixels and the targets."""

    def reading(data):
        path = tmp_path / "original"
        path.write_bytes(data)
        manifest = read_archive(path, tmp_path)
        return manifest, np.load(tmp_path / "images.npy"), np.load(tmp_path / "targets.npy")

    return reading


@pytest.fixture
def refused(read):
    def refusal(data):
        with pytest.raises(DataError) as caught:
            read(data)
        sentence = str(caught.value)
        assert sentence.endswith(".")
        assert "\n" not in sentence
        return sentence

    return refusal


@pytest.mark.parametrize("top", ["", "my pictures/"])
def test_folders_are_classes(read, top):
    manifest, pixels, targets = read(zip_bytes(image_files(top=top)))
    assert manifest["classes"] == ["bright", "dark"]
    assert manifest["counts"] == [15, 15]
    assert pixels.shape == (30, 3, 12, 12)
    assert pixels.dtype == np.uint8
    assert targets.tolist() == [0] * 15 + [1] * 15
    assert pixels[0].mean() > 150 > 100 > pixels[-1].mean()
    with Image.open(io.BytesIO(image_files()["bright/0.png"])) as picture:
        assert np.array_equal(pixels[0], np.asarray(picture).transpose(2, 0, 1)), (
            "small images are kept as they are"
        )


def test_a_test_folder_is_the_test_part_and_validation_joins_training(read):
    files = {f"train/{name}": data for name, data in image_files().items()}
    files |= {f"val/{name}": data for name, data in image_files(5).items()}
    files |= {f"test/{name}": data for name, data in image_files(4).items()}
    manifest, pixels, _ = read(zip_bytes(files))
    assert (manifest["images"], manifest["train"]) == (48, 40)
    assert len(pixels) == 48
    assert any("8 images" in sentence for sentence in manifest["said"])


def test_what_systems_add_is_ignored_and_grey_stays_grey(read):
    files = image_files(mode="L") | {
        "__MACOSX/dark/._0.png": b"x", ".DS_Store": b"x", "dark/Thumbs.db": b"x", "README.txt": b"hello", "dark/": b"",
    }  # fmt: skip
    manifest, pixels, _ = read(zip_bytes(files))
    assert manifest["images"] == 30
    assert pixels.shape[1] == 1


def test_other_modes_and_formats(read):
    def saved(picture, form):
        out = io.BytesIO()
        picture.save(out, form)
        return out.getvalue()

    grey16 = Image.fromarray(np.full((9, 9), 32768, np.uint16))
    clear = Image.new("RGBA", (9, 9), (0, 0, 0, 0))
    odd = {
        "a/16bit.png": saved(grey16, "PNG"),
        "a/clear.png": saved(clear, "PNG"),
        "a/wide.jpg": saved(Image.new("RGB", (90, 30), (10, 200, 30)), "JPEG"),
        "a/cmyk.jpg": saved(Image.new("CMYK", (9, 9), (0, 0, 0, 0)), "JPEG"),
        "a/moving.gif": saved(Image.new("P", (9, 9), 3), "GIF"),
    }
    manifest, pixels, _ = read(zip_bytes(odd | {f"b/{n}.png": png(80) for n in range(15)}))
    assert manifest["images"] == 20
    assert manifest["side"] == images.MAX_SIDE  # the longest side is 90
    names = sorted(odd)
    means = dict(zip(names, pixels[:5].mean((1, 2, 3)), strict=True))
    assert means["a/16bit.png"] == pytest.approx(127, abs=1)
    assert means["a/clear.png"] == 255
    assert means["a/cmyk.jpg"] > 250
    assert pixels[names.index("a/wide.jpg"), 1].mean() == pytest.approx(200, abs=4)


def test_damaged_images_are_left_out_up_to_a_share(read, refused):
    files = image_files() | {"dark/torn.png": image_files()["dark/1.png"][:60], "dark/not.jpg": b"text"}
    manifest, _, _ = read(zip_bytes(files))
    assert manifest["images"] == 30
    assert "2 images could not be decoded" in manifest["said"][-1]
    many = files | {f"bright/bad{n}.png": b"bad" for n in range(5)}
    assert "of 37 images cannot be decoded" in refused(zip_bytes(many))


@pytest.mark.parametrize(
    ("files", "words"),
    [
        ({"../../etc/cron.d/x.png": b"x"}, "leads out of its folder"),
        ({"/etc/x.png": b"x"}, "leads out of its folder"),
        ({"a\\..\\..\\x.png": b"x"}, "leads out of its folder"),
        ({"C:/x.png": b"x"}, "leads out of its folder"),
        ({"a/more.zip": b"PK"}, "another archive"),
        ({"xl/workbook.xml": b"x"}, "Office document"),
        ({"a/notes.txt": b"x"}, "no images"),
        ({f"{n}.png": png(n) for n in range(25)}, "is not in a class folder"),
        ({f"a/b/{n}.png": png(n) for n in range(25)}, "All images are in one folder"),
        ({f"cats/{n}.png": png(n) for n in range(25)}, "All images are in one folder"),
        ({f"{'Cat' if n % 2 else 'cat'}/{n}.png": png(n) for n in range(25)}, "differ only in case"),
        ({f"{n % 2}/{n}.png": png(n) for n in range(10)}, "10 training images in 2 classes"),
        ({f"{n}/{n}.png": png(n) for n in range(101)}, "101 class folders"),
        ({"a/x.png": bytes(5_000_000)}, "times its packed size"),
        ({"a/x.png": bytes(21_000_000)}, "limit for one file is 20 MB"),
    ],
)
def test_unsafe_and_useless_archives_are_refused_with_a_sentence(refused, files, words):
    assert words in refused(zip_bytes(files))


def test_links_passwords_and_damage_are_refused(refused):
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        link = zipfile.ZipInfo("a/x.png")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    assert "a link" in refused(out.getvalue())
    locked = bytearray(zip_bytes(image_files()))
    for start in (b"PK\x03\x04", b"PK\x01\x02"):
        place = locked.index(start) + (6 if start == b"PK\x03\x04" else 8)
        locked[place : place + 2] = struct.pack("<H", 1)
    assert "encrypted" in refused(bytes(locked))
    assert "damaged" in refused(zip_bytes(image_files())[:-40])
    assert "damaged" in refused(b"PK\x03\x04 and nothing more")


def test_an_image_that_claims_too_many_pixels_is_refused_before_it_is_decoded(refused, monkeypatch):
    monkeypatch.setattr(images, "MAX_PIXELS", 200)
    files = image_files() | {"dark/huge.png": png(3, side=20)}
    assert "20 × 20 pixels; the limit is 200" in refused(zip_bytes(files))


def test_images_that_claim_too_many_pixels_together_are_refused_before_any_is_decoded(refused, monkeypatch):
    """Thirty of 49 megapixels each, a megabyte in all, held a slot for three minutes."""
    monkeypatch.setattr(images, "MAX_PIXELS_TOGETHER", 30 * 12 * 12 - 1)
    monkeypatch.setattr(images.Decoder, "_decode", lambda *_: pytest.fail("decoded"))
    assert "pixels together" in refused(zip_bytes(image_files()))


@pytest.mark.parametrize(
    ("name", "limit", "words"),
    [("MAX_ENTRIES", 20, "30 entries"), ("MAX_IMAGES", 20, "30 images"), ("MAX_UNPACKED_BYTES", 100, "unpacks to"),
     ("MAX_BYTES", 100, "the limit is")],
)  # fmt: skip
def test_limits(refused, monkeypatch, name, limit, words):
    monkeypatch.setattr(images, name, limit)
    assert words in refused(zip_bytes(image_files()))


def test_hostile_and_foreign_class_names_stay_text(read):
    files = {f"{name}/{n}.png": png(90, seed=n) for name in ("<b>x", "猫", "a\u202eb") for n in range(10)}
    manifest, _, _ = read(zip_bytes(files))
    assert sorted(manifest["classes"]) == ["<b>x", "a b", "猫"]


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=30),
    st.integers(0, 10**6),
)
@settings(max_examples=120)
@example(changes=[(70396, 0)], cut=0)  # a name of no characters, on which zipfile's own is_dir fails
def test_any_damage_is_read_or_refused_with_one_sentence(tmp_path_factory, changes, cut):
    data = bytearray(zip_bytes(image_files(10)))
    for place, value in changes:
        data[place % len(data)] = value
    folder = tmp_path_factory.mktemp("zip")
    (folder / "original").write_bytes(data[: len(data) - cut % 2000] if cut % 3 == 0 else data)
    refusal = ""
    try:
        manifest = read_archive(folder / "original", folder)
        assert np.load(folder / "images.npy").shape[0] == manifest["images"]
    except DataError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(refusal) < 500


# -- training on them -------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    monkeypatch.setenv("TRAINSCOPE_HOME", str(tmp_path))

    def configured(files=None, **changes):
        data = zip_bytes(files or image_files())
        extra = {key: changes.pop(key) for key in ("model",) if key in changes}
        values = own_files.added_values(data, **changes)
        return RunConfig.from_flat({**values, "epochs": 2, "batch_size": 8, "device": "cpu", **extra})

    return configured


def test_a_cnn_learns_dark_from_bright(own):
    config = own(model="cnn", side=12)
    results, log = go(config.changed({"epochs": 8, "learning_rate": 0.01}))
    assert results.validation["metric"] == 1.0
    assert exact(go(config.changed({"epochs": 8, "learning_rate": 0.01}))[1].steps) == exact(log.steps)


def test_sizes_and_colors(own):
    config = own(side=16, color="grey")
    run = build(config, None)
    assert tuple(run.data.train.inputs.shape[1:]) == (1, 16, 16)
    assert tuple(build(own(side=8), None).data.train.inputs.shape[1:]) == (3, 8, 8)
    assert build(own(image_files(mode="L"), color="color"), None).data.train.inputs.shape[1] == 3
    pixels = np.arange(2 * 3 * 64 * 64, dtype=np.uint64).reshape(2, 3, 64, 64) % 251
    halved = scaled(pixels.astype(np.uint8), 32, "auto")
    means = pixels.reshape(2, 3, 32, 2, 32, 2).mean((3, 5))
    assert np.abs(halved - means).max() <= 1


def test_facts_and_the_test_part(own):
    files = {f"train/{name}": data for name, data in image_files(12).items()}
    files |= {f"test/{name}": data for name, data in image_files(4).items()}
    config = own(files)
    data = build(config, None).data
    assert len(data.test) == 8
    assert training_samples(config) == len(data.train)
    assert config.data_facts()["outputs"] == 2
    assert data_problem("image_folder", config.data.knobs) == ""
    as_table = RunConfig.from_flat(
        {"data": "csv", "data.file": config.data.knobs["file"], "data.target": "x"}
    )
    assert "holds images" in data_problem("csv", as_table.data.knobs)
    assert find_manifest(config.data.knobs["file"])["kind"] == "images"


def test_augmentation_works_on_them(own):
    config = own(side=12, model="cnn").changed(
        {"random_crop": "resized", "horizontal_flip": "flip", "mixing": "mixup"}
    )
    results, _ = go(config)
    assert results.stopped_by == "epochs"
