"""torchvision's data sets, on small data in their real formats on disk."""

from __future__ import annotations

import hashlib
import pickle
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision import datasets

from reorder_kit.data_sources.torchvision_sets import TorchvisionSets
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, SampleSet


def open_set(**options: Any) -> DataSplits:
    return TorchvisionSets(TorchvisionSets.Options(**options)).open(seed=0)


def samples(split: SampleSet) -> list[tuple[Tensor, int]]:
    return [(image, target) for image, target, *_ in map(split.__getitem__, range(len(split)))]


def pickle_as_cifar_does(path: Path, content: dict[str, Any]) -> str:
    """Write like numpy in 2009, with 0 and 1 for the flags of a dtype, and return the checksum."""
    pickled = pickle.dumps(content, protocol=2).replace(b"\x89\x88\x87", b"K\x00K\x01\x87")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pickled)
    return hashlib.md5(pickled).hexdigest()


def cifar_images(first: int, count: int) -> np.ndarray[Any, Any]:
    """Plain colors in CIFAR's layout: a row for an image, all of red, then green, then blue."""
    channels = np.array([[first + n, 100, 200] for n in range(count)], dtype=np.uint8)
    return channels.repeat(32 * 32, axis=1)


@pytest.fixture
def cifar10(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cifar-10-batches-py"
    labels = [n % 10 for n in range(20)]
    train = [
        [name, pickle_as_cifar_does(folder / name, {"data": cifar_images(20 * number, 20), "labels": labels})]
        for number, name in enumerate(f"data_batch_{n}" for n in range(1, 6))
    ]
    test = pickle_as_cifar_does(folder / "test_batch", {"data": cifar_images(200, 10), "labels": labels[:10]})
    names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
    meta = pickle_as_cifar_does(folder / "batches.meta", {"label_names": names})
    monkeypatch.setattr(datasets.CIFAR10, "train_list", train)
    monkeypatch.setattr(datasets.CIFAR10, "test_list", [["test_batch", test]])
    monkeypatch.setattr(datasets.CIFAR10, "meta", {**datasets.CIFAR10.meta, "md5": meta})
    return tmp_path


@pytest.fixture
def cifar100(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cifar-100-python"
    labels = [n % 4 for n in range(40)]
    train = pickle_as_cifar_does(folder / "train", {"data": cifar_images(0, 40), "fine_labels": labels})
    test = pickle_as_cifar_does(folder / "test", {"data": cifar_images(100, 4), "fine_labels": labels[:4]})
    meta = pickle_as_cifar_does(folder / "meta", {"fine_label_names": ["apple", "fish", "baby", "bear"]})
    monkeypatch.setattr(datasets.CIFAR100, "train_list", [["train", train]])
    monkeypatch.setattr(datasets.CIFAR100, "test_list", [["test", test]])
    monkeypatch.setattr(datasets.CIFAR100, "meta", {**datasets.CIFAR100.meta, "md5": meta})
    return tmp_path


def write_idx(path: Path, shape: Sequence[int], content: bytes) -> None:
    """The format of MNIST: two zeros, 8 for unsigned bytes, the number of axes, their lengths, the bytes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape) + content)


@pytest.fixture
def fashion_mnist(tmp_path: Path) -> Path:
    raw = tmp_path / "FashionMNIST" / "raw"
    for name, first, count in (("train", 0, 50), ("t10k", 100, 10)):
        images = b"".join(bytes([first + n]) * (28 * 28) for n in range(count))
        write_idx(raw / f"{name}-images-idx3-ubyte", (count, 28, 28), images)
        write_idx(raw / f"{name}-labels-idx1-ubyte", (count,), bytes(n % 10 for n in range(count)))
    return tmp_path


@pytest.fixture
def imagenet(tmp_path: Path) -> Path:
    """Already unpacked, as torchvision leaves it: a meta file, and a folder for each WordNet id."""
    names = {"n02012849": ("crane",), "n03126707": ("crane",), "n02123045": ("tabby", "tabby cat")}
    torch.save((names, []), tmp_path / "meta.bin")
    for split, count in (("train", 10), ("val", 2)):
        for wnid in names:
            for number in range(count):
                path = tmp_path / split / wnid / f"{wnid}_{number}.JPEG"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (300, 260), (number, 50, 50)).save(path)
    return tmp_path


def test_cifar10_is_read_and_split(cifar10: Path) -> None:
    splits = open_set(dataset="cifar10", root=cifar10)
    assert str(splits.image) == "3x32x32"
    assert list(splits.classes)[3] == "cat"
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (90, 10, 10)
    assert sorted(target for _, target in samples(splits.validation)) == list(range(10))
    assert [target for _, target in samples(splits.test)] == list(range(10))


def test_cifar10_is_normalised_by_channel(cifar10: Path) -> None:
    image, *_ = open_set(dataset="cifar10", root=cifar10).test[3]
    expected = [(203 / 255 - 0.4914) / 0.2470, (100 / 255 - 0.4822) / 0.2435, (200 / 255 - 0.4465) / 0.2616]
    assert image.dtype == torch.float32
    for channel, value in zip(image, expected, strict=True):
        torch.testing.assert_close(channel, torch.full((32, 32), value))


def test_training_and_validation_share_no_image(cifar10: Path) -> None:
    splits = open_set(dataset="cifar10", root=cifar10, validation_fraction=0.3)
    reds = [
        {round((image[0, 0, 0].item() * 0.2470 + 0.4914) * 255) for image, *_ in samples(split)}
        for split in (splits.train, splits.validation)
    ]
    assert reds[0].isdisjoint(reds[1])
    assert reds[0] | reds[1] == set(range(100))


def test_cifar100_has_its_fine_classes(cifar100: Path) -> None:
    splits = open_set(dataset="cifar100", root=cifar100)
    assert list(splits.classes) == ["apple", "fish", "baby", "bear"]
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (36, 4, 4)
    assert [target for _, target in samples(splits.test)] == [0, 1, 2, 3]


def test_fashion_mnist_is_grey(fashion_mnist: Path) -> None:
    splits = open_set(dataset="fashion-mnist", root=fashion_mnist)
    assert str(splits.image) == "1x28x28"
    assert splits.classes[0] == "T-shirt/top"
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (45, 5, 10)
    image, target, *_ = splits.test[7]
    assert target == 7
    assert type(target) is int
    torch.testing.assert_close(image, torch.full((1, 28, 28), (107 / 255 - 0.2860) / 0.3530))


def test_the_size_and_the_transforms_can_be_given(fashion_mnist: Path) -> None:
    invert = [{"name": "RandomInvert", "p": 1.0}, {"name": "Resize", "size": [14, 7]}]
    splits = open_set(dataset="fashion-mnist", root=fashion_mnist, image_size=[14, 7], eval_transforms=invert)
    assert splits.train[0][0].shape == (1, 14, 7)
    torch.testing.assert_close(splits.test[7][0], torch.full((1, 14, 7), (148 / 255 - 0.2860) / 0.3530))


def test_imagenet_becomes_224_and_its_validation_images_are_the_test_split(imagenet: Path) -> None:
    splits = open_set(dataset="imagenet", root=imagenet)
    assert str(splits.image) == "3x224x224"
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (27, 3, 6)
    assert splits.train[0][0].shape == (3, 224, 224)
    assert [target for _, target in samples(splits.test)] == [0, 0, 1, 1, 2, 2]


def test_classes_of_imagenet_are_told_apart_though_two_share_a_name(imagenet: Path) -> None:
    classes = open_set(dataset="imagenet", root=imagenet, image_size=32).classes
    assert list(classes) == ["n02012849 crane", "n02123045 tabby", "n03126707 crane"]


@pytest.mark.parametrize("dataset", ["cifar10", "cifar100", "fashion-mnist"])
def test_missing_data_says_how_to_download_it(tmp_path: Path, dataset: str) -> None:
    with pytest.raises(ReorderKitError) as caught:
        open_set(dataset=dataset, root=tmp_path)
    assert f"cannot open {dataset} in {tmp_path}" in caught.value.message
    assert caught.value.hint is not None
    assert "data.download=true" in caught.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("present", ["nothing", "train"])
def test_missing_imagenet_says_where_its_files_go(imagenet: Path, present: str) -> None:
    gone = imagenet / ("meta.bin" if present == "nothing" else "val")
    gone.rename(imagenet / "elsewhere")
    with pytest.raises(ReorderKitError) as caught:
        open_set(dataset="imagenet", root=imagenet)
    assert caught.value.hint is not None
    assert "ILSVRC2012_img_val.tar" in caught.value.hint
    assert "data.name=image-folder" in caught.value.hint


def test_damaged_data_is_reported(cifar10: Path) -> None:
    (cifar10 / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"damaged")
    with pytest.raises(ReorderKitError, match=r"cannot open cifar10 .*corrupted"):
        open_set(dataset="cifar10", root=cifar10)


def test_a_download_without_a_network_is_reported(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datasets.FashionMNIST, "mirrors", ["http://127.0.0.1:9/"])
    with pytest.raises(ReorderKitError, match="cannot open fashion-mnist"):
        open_set(dataset="fashion-mnist", root=tmp_path, download=True)


def test_imagenet_cannot_be_downloaded(tmp_path: Path) -> None:
    with pytest.raises(pydantic.ValidationError, match="imagenet cannot be downloaded"):
        TorchvisionSets.Options(dataset="imagenet", root=tmp_path, download=True)
