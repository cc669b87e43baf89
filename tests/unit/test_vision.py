"""Image data sets from files in the published formats: read, unpacked, missing, truncated and junk."""

import gzip
import pickle

import numpy as np
import pytest
import torch
import vision_files
from engine_runs import go, small
from hypothesis import given, settings
from hypothesis import strategies as st

from trainer.data import DataError, missing_files
from trainer.registry import families, find

WITH_FILES = {name: item for name, item in families()["data"].techniques.items() if "files" in item.facts}


def load(name, folder):
    return find("data", name).function(folder)


def refuses(name, folder):
    with pytest.raises(DataError) as caught:
        load(name, folder)
    sentence = str(caught.value)
    assert name in sentence
    assert str(folder) in sentence
    return sentence


@pytest.mark.parametrize("packed", [False, True], ids=["raw", "gz"])
@pytest.mark.parametrize("name", ["mnist", "fashion_mnist"])
def test_idx_files(name, packed, tmp_path):
    vision_files.mnist(tmp_path, name, packed)
    assert missing_files(name, tmp_path) == []
    samples = load(name, tmp_path)
    random = np.random.default_rng(0)
    assert samples.inputs.dtype == np.uint8
    assert np.array_equal(samples.inputs[:, 0], random.integers(0, 256, (60, 28, 28)))
    assert samples.targets.tolist() == [number % 10 for number in range(60)]
    assert samples.test[0].shape == (20, 1, 28, 28)
    assert len(samples.classes) == 10


def test_cifar_pickles_keep_channels_and_pixels_in_place(tmp_path):
    vision_files.cifar(tmp_path)
    samples = load("cifar10", tmp_path)
    first = np.random.default_rng(0).integers(0, 256, (12, 3072)).astype(np.uint8)
    assert samples.inputs.shape == (60, 3, 32, 32)
    assert np.array_equal(samples.inputs[:12], first.reshape(12, 3, 32, 32))
    assert samples.test[0].shape == (12, 3, 32, 32)


@pytest.mark.parametrize("name", WITH_FILES)
@pytest.mark.parametrize("model", ["mlp", "cnn"])
def test_a_run_trains_on_them(name, model, tmp_path):
    vision_files.write(name, tmp_path)
    values = (
        {"model.layers": "8"} if model == "mlp" else {"model": "cnn", "model.channels": 2, "model.head": 4}
    )
    config = small(epochs=1).changed({"data": name, "model": model, **values})
    results, log = go(config, data_folder=tmp_path)
    assert results.stopped_by == "epochs"
    assert log.facts["total_steps"] == len(log.steps)
    assert results.test["loss"] is not None
    assert torch.isfinite(torch.tensor(log.losses)).all()


@pytest.mark.parametrize("name", WITH_FILES)
def test_missing_files_are_named_with_folder_and_remedy(name, tmp_path):
    sentence = refuses(name, tmp_path)
    assert f"python -m trainer download {name}" in sentence
    assert missing_files(name, tmp_path) == list(WITH_FILES[name].facts["files"])
    vision_files.write(name, tmp_path)
    gone = WITH_FILES[name].facts["files"][1]
    (tmp_path / gone).unlink()
    assert missing_files(name, tmp_path) == [gone]
    assert gone in refuses(name, tmp_path)


@pytest.mark.parametrize(
    "junk", [b"", b"\x00", b"<html>404</html>", b"\x80\x04\x95garbage", b"\x00\x00\x08\x03" + b"\xff" * 12]
)
@pytest.mark.parametrize("name", WITH_FILES)
def test_junk_in_place_of_any_file(name, junk, tmp_path):
    for file in WITH_FILES[name].facts["files"]:
        vision_files.write(name, tmp_path)
        (tmp_path / file).write_bytes(junk)
        assert "download it again" in refuses(name, tmp_path)


@pytest.mark.parametrize("name", WITH_FILES)
@given(data=st.data())
@settings(max_examples=25)
def test_truncated_anywhere(name, data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("truncated")
    vision_files.write(name, folder)
    path = folder / data.draw(st.sampled_from(WITH_FILES[name].facts["files"]))
    content = path.read_bytes()
    path.write_bytes(content[: data.draw(st.integers(0, len(content) - 1))])
    refuses(name, folder)


@given(data=st.data())
@settings(max_examples=40)
def test_a_damaged_archive(data, tmp_path_factory):
    folder = tmp_path_factory.mktemp("damaged")
    vision_files.mnist(folder, "mnist", packed=True)
    path = folder / "MNIST/raw/train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    place = data.draw(
        st.integers(20, len(content) - 5)
    )  # past the header, whose date and name may be anything
    content[place] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(content))
    refuses("mnist", folder)
    assert not (folder / "MNIST/raw/train-images-idx3-ubyte").exists(), (
        "half an unpacked file would be read next time"
    )


@pytest.mark.parametrize(
    "content",
    [
        {"data": np.zeros((12, 3072), np.uint8), "labels": [10] * 12},
        {"data": np.zeros((12, 3072), np.uint8), "labels": [-1] * 12},
        {"data": np.zeros((12, 3072), np.uint8), "labels": [1] * 11},
        {"data": np.zeros((12, 3071), np.uint8), "labels": [1] * 12},
        {"labels": [1]},
        ["no", "mapping"],
        None,
    ],
)
def test_pickles_with_the_wrong_content(content, tmp_path):
    vision_files.cifar(tmp_path)
    (tmp_path / "cifar-10-batches-py/data_batch_3").write_bytes(pickle.dumps(content))
    refuses("cifar10", tmp_path)


def test_labels_and_images_that_do_not_fit(tmp_path):
    vision_files.mnist(tmp_path, "mnist")
    labels = tmp_path / "MNIST/raw/train-labels-idx1-ubyte"
    labels.write_bytes(vision_files.idx(np.arange(59) % 10))
    assert "59 labels" in refuses("mnist", tmp_path)
    labels.write_bytes(vision_files.idx(np.full(60, 10)))
    assert "label 10" in refuses("mnist", tmp_path)
    images = tmp_path / "MNIST/raw/train-images-idx3-ubyte"
    images.write_bytes(vision_files.idx(np.zeros((59, 20, 20))))
    refuses("mnist", tmp_path)


def test_a_file_where_the_folder_should_be(tmp_path):
    folder = tmp_path / "data"
    folder.write_text("not a folder")
    refuses("mnist", folder)


def test_unpacking_leaves_the_archives_and_no_scraps(tmp_path):
    vision_files.mnist(tmp_path, "mnist", packed=True)
    load("mnist", tmp_path)
    names = sorted(path.name for path in (tmp_path / "MNIST/raw").iterdir())
    assert len(names) == 8
    assert not [name for name in names if "tmp" in name]
    assert (
        gzip.decompress((tmp_path / "MNIST/raw" / names[1]).read_bytes())
        == (tmp_path / "MNIST/raw" / names[0]).read_bytes()
    )
