"""Images decoded once: the same results, never stale, and refused if they do not fit."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import DataLoader

from reorder_kit.data import decoded_cache
from reorder_kit.data.data_loading import KeyedSamples, SampleKey
from reorder_kit.errors import ReorderKitError
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import DataSplits, Sample, SampleSet, TargetKind, Unreadable
from reorder_kit.testing._values import are_same
from small_data import SMALL

SOURCES = PluginHost(third_party=False).data_sources
CACHED = [
    (name, kind)
    for name in SOURCES
    if name not in ("digits", "needle", "planted-chain", "scenes", "torchvision")
    for kind in SOURCES.get(name).target_kinds
]
of_every_source = pytest.mark.parametrize(
    ("name", "kind"), CACHED, ids=lambda value: value if isinstance(value, str) else str(value)
)


def opened(name: str, kind: TargetKind | None, options: dict[str, Any], **more: Any) -> DataSplits:
    source = SOURCES.get(name)
    return source(source.Options.model_validate({**options, **more}), kind).open(seed=0)


def read(splits: DataSplits, epochs: int = 2) -> list[Any]:
    """All images of all splits, of several epochs, and their views, with the randomness of the loader."""
    found: list[Any] = []
    for split, each in (("train", splits.train), ("validation", splits.validation), ("test", splits.test)):
        keyed = KeyedSamples(each, split, seed=3, views=1)
        for epoch in range(epochs):
            found += keyed.__getitems__([SampleKey(epoch, index) for index in range(len(each))])
    return found


def same(one: list[Any], other: list[Any]) -> bool:
    return len(one) == len(other) and all(
        a.seeds == b.seeds
        and all(
            torch.equal(x.image, y.image)
            and are_same(x.target, y.target)
            and (x.content, x.findings) == (y.content, y.findings)
            for x, y in zip(a.versions, b.versions, strict=True)
        )
        for a, b in zip(one, other, strict=True)
    )


@pytest.fixture
def decodings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of image files that Pillow opened, in order."""
    opened_files: list[str] = []
    open_file = Image.open

    def counted(file: Any, *rest: Any, **more: Any) -> Image.Image:
        opened_files.append(str(file))
        return open_file(file, *rest, **more)

    monkeypatch.setattr(Image, "open", counted)
    return opened_files


@of_every_source
def test_results_are_the_same_and_no_image_is_decoded_twice(
    name: str, kind: TargetKind, tmp_path: Path, decodings: list[str]
) -> None:
    (root := tmp_path / "data").mkdir()
    crop = {"name": "RandomResizedCrop", "size": 8}
    of_crops = {"train_transforms": [crop], "image_size": 8}
    of_flips = {"train_transforms": ["RandomHorizontalFlip"]}
    options = SMALL[name](root) | (of_crops if name in ("image-folder", "imagenet", "fmow") else of_flips)
    without = read(opened(name, kind, options))
    for more in ({"cache": "memory"}, {"cache": "disk", "cache_folder": tmp_path / "cache"}):
        splits = opened(name, kind, options, **more)
        first = read(splits, epochs=1)
        decodings.clear()
        assert same(read(splits), without)
        assert same(first, without_second_epoch(without, splits))
        assert decodings == []
    next_run = opened(name, kind, options, **more)
    decodings.clear()
    assert same(read(next_run), without)
    assert decodings == []


def without_second_epoch(samples: list[Any], splits: DataSplits) -> list[Any]:
    first, start = [], 0
    for split in (splits.train, splits.validation, splits.test):
        first += samples[start : start + len(split)]
        start += 2 * len(split)
    return first


def folder_of(root: Path, value: int = 0) -> dict[str, Any]:
    """Forty images of one color, half of them of each class; ``value`` is that of the blue channel."""
    for number in range(40):
        path = root / f"class-{number % 2}" / f"{number:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full((4, 4, 3), (number, 100, value), dtype=np.uint8)).save(path)
    return {"root": root, "train_transforms": [], "mean": [0, 0, 0], "std": [1, 1, 1]}


def blues(samples: SampleSet) -> list[int]:
    read = [samples[index] for index in range(len(samples))]
    return [round(float(sample.image[2, 0, 0]) * 255) for sample in read if isinstance(sample, Sample)]


def test_an_image_that_was_replaced_between_runs_is_decoded_again(tmp_path: Path) -> None:
    options = folder_of(tmp_path / "data") | {"cache": "disk", "cache_folder": tmp_path / "cache"}
    assert set(blues(opened("image-folder", None, options).train)) == {0}
    folder_of(tmp_path / "data", value=9)
    assert set(blues(opened("image-folder", None, options).train)) == {9}


def test_a_change_in_the_middle_of_a_large_file_is_seen(tmp_path: Path) -> None:
    options = folder_of(tmp_path / "data") | {"cache": "disk", "cache_folder": tmp_path / "cache", "image_size": 96}
    files = sorted((tmp_path / "data").rglob("*.png"))
    for blue in (0, 200):  # as BMP of one size, so that both ends stay equal
        for number, file in enumerate(files):
            pixels = np.zeros((96, 96, 3), dtype=np.uint8)
            pixels[30:60, :, 2] = blue
            pixels[40, 50, 1] = number  # no two of them are the same
            Image.fromarray(pixels).save(file, "BMP")
        splits = opened("image-folder", None, options)
        middle = {round(float(splits.train[index].image[2, 48, 0]) * 255) for index in range(len(splits.train))}
        assert middle == {blue}


def test_a_mask_that_was_replaced_is_decoded_again(tmp_path: Path) -> None:
    (root := tmp_path / "data").mkdir()
    options = SMALL["segmentation-folder"](root) | {"cache": "disk", "cache_folder": tmp_path / "cache"}
    read(opened("segmentation-folder", None, options))
    for mask in (root / "masks").iterdir():
        Image.fromarray(np.ones((12, 10), dtype=np.uint8)).save(mask)
    splits = opened("segmentation-folder", None, options)
    targets = torch.stack([splits.train[index].target for index in range(len(splits.train))])
    assert set(targets.unique().tolist()) == {1, 255}  # 255 is padding


def test_boxes_that_were_corrected_are_read_anew(tmp_path: Path) -> None:
    (root := tmp_path / "data").mkdir()
    options = SMALL["voc"](root) | {"cache": "disk", "cache_folder": tmp_path / "cache"}
    read(opened("voc", None, options))
    for file in (root / "Annotations").iterdir():
        file.write_text(file.read_text().replace("<xmin>3<", "<xmin>6<"))
    splits = opened("voc", None, options)
    lefts = {box[0] for index in range(len(splits.train)) for box in splits.train[index].target.boxes.tolist()}
    assert list(lefts) == [pytest.approx(5 * 13 / 10)]  # an image of 12x10 becomes 16x13


def test_other_decoding_options_have_another_cache(tmp_path: Path) -> None:
    options = folder_of(tmp_path / "data") | {"cache": "disk", "cache_folder": tmp_path / "cache"}
    assert opened("image-folder", None, options).train[0].image.shape[0] == 3
    gray = opened("image-folder", None, options, channels=1, mean=None, std=None)
    assert gray.train[0].image.shape[0] == 1


def test_another_split_uses_the_same_cache(tmp_path: Path, decodings: list[str]) -> None:
    options = folder_of(tmp_path / "data") | {"cache": "disk", "cache_folder": tmp_path / "cache"}
    read(opened("image-folder", None, options))
    other = opened("image-folder", None, options, split_seed=7)
    decodings.clear()
    read(other)
    assert decodings == []
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_a_damaged_cache_is_decoded_again(tmp_path: Path) -> None:
    without = read(opened("image-folder", None, folder_of(tmp_path / "data")))
    options = folder_of(tmp_path / "data") | {"cache": "disk", "cache_folder": tmp_path / "cache"}
    read(opened("image-folder", None, options))
    (file,) = (tmp_path / "cache").iterdir()
    content = bytearray(file.read_bytes())
    half = len(content) // 2
    content[half:] = bytes(len(content) - half)  # the machine crashed before the rest was on disk
    file.write_bytes(content)
    assert same(read(opened("image-folder", None, options)), without)


def test_a_file_that_is_repaired_during_the_run_is_read(tmp_path: Path) -> None:
    options = folder_of(tmp_path / "data")
    broken = tmp_path / "data" / "class-0" / "20.png"
    content = broken.read_bytes()
    broken.write_bytes(content[:40])
    splits = opened("image-folder", None, options, cache="memory")
    everything = [each[index] for each in (splits.train, splits.validation, splits.test) for index in range(len(each))]
    assert sum(isinstance(sample, Unreadable) for sample in everything) == 1
    broken.write_bytes(content)
    everything = [each[index] for each in (splits.train, splits.validation, splits.test) for index in range(len(each))]
    assert not any(isinstance(sample, Unreadable) for sample in everything)


@pytest.mark.slow
@pytest.mark.parametrize(("method", "workers"), [("fork", 2), ("spawn", 1)])
def test_what_loader_processes_decode_is_shared(method: str, workers: int, tmp_path: Path) -> None:
    train = opened("image-folder", None, folder_of(tmp_path / "data"), cache="memory").train
    loader = DataLoader(train, batch_size=None, num_workers=workers, multiprocessing_context=method)
    loaded = [sample.image for sample in loader]
    shutil.rmtree(tmp_path / "data")  # only what the processes kept is left
    for index, image in enumerate(loaded):
        kept = train[index]
        assert isinstance(kept, Sample)
        assert torch.equal(kept.image, image)


def test_memory_that_does_not_suffice_is_refused_with_what_is_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = folder_of(tmp_path / "data")
    monkeypatch.setattr(decoded_cache, "free_memory", lambda: 1_500)
    with pytest.raises(ReorderKitError, match=r"40 decoded images.*but only 1\.2e-06 GB of memory is available: 80%"):
        opened("image-folder", None, options, cache="memory")


def test_a_disk_that_is_too_small_is_refused_and_gets_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    options = folder_of(tmp_path / "data")
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=100))
    with pytest.raises(ReorderKitError, match="40 decoded images"):
        opened("image-folder", None, options, cache="disk", cache_folder=tmp_path / "cache")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_cache_that_is_full_leaves_the_rest_to_be_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    options = folder_of(tmp_path / "data")
    without = read(opened("image-folder", None, options))
    # The few sampled images may be smaller than the others.
    monkeypatch.setattr(decoded_cache, "_require_space", lambda *_: None)
    monkeypatch.setattr(decoded_cache, "free_memory", lambda: 3_000)
    assert same(read(opened("image-folder", None, options, cache="memory")), without)
    assert caplog.text.count("decoded every time") == 1


@pytest.mark.parametrize("cache", ["none", "memory"])
def test_a_folder_for_no_file_is_refused(cache: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cache_folder does nothing"):
        opened("image-folder", None, folder_of(tmp_path), cache=cache, cache_folder=tmp_path)


def test_a_data_set_that_lies_in_memory_refuses_a_cache(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cache does nothing"):
        opened("torchvision", None, SMALL["torchvision"](tmp_path), cache="memory")
