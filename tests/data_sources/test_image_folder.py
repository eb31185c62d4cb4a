"""Image folders: layouts, splits, reading, and possible errors."""

from __future__ import annotations

import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from PIL import Image

from reorder_kit.data import image_file as _image_file
from reorder_kit.data_sources.image_folder import ImageFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, SampleSet, Unreadable

REPOSITORY = Path(__file__).parents[2]


def save_image(path: Path, value: int, size: tuple[int, int] = (8, 8)) -> None:
    """One plain color, by which the tests know the image again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (size[1], size[0]), (value, value, value)).save(path)


def fill(folder: Path, values: dict[str, Sequence[int]]) -> None:
    for name, class_values in values.items():
        for value in class_values:
            save_image(folder / name / f"{value:03}.png", value)


def open_folder(root: Path, **options: Any) -> DataSplits:
    return ImageFolder(ImageFolder.Options(root=root, mean=(0,) * 3, std=(1 / 255,) * 3, **options)).open(seed=0)


def content(samples: SampleSet) -> list[tuple[int, int]]:
    """(color, class) of every image."""
    return [
        (round(image[0, 0, 0].item()), target) for image, target, *_ in map(samples.__getitem__, range(len(samples)))
    ]


def test_three_folders_are_three_splits(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": [1, 2], "dog": [3]})
    fill(tmp_path / "val", {"cat": [4], "dog": [5]})
    fill(tmp_path / "test", {"dog": [6]})
    splits = open_folder(tmp_path)
    assert list(splits.classes) == ["cat", "dog"]
    assert content(splits.train) == [(1, 0), (2, 0), (3, 1)]
    assert content(splits.validation) == [(4, 0), (5, 1)]
    assert content(splits.test) == [(6, 1)]


@pytest.mark.parametrize("name", ["val", "valid", "validation"])
def test_the_validation_folder_has_three_names(tmp_path: Path, name: str) -> None:
    fill(tmp_path / "train", {"cat": [1], "dog": [2]})
    fill(tmp_path / name, {"dog": [3]})
    fill(tmp_path / "test", {"cat": [4]})
    assert content(open_folder(tmp_path).validation) == [(3, 1)]


def test_missing_validation_is_taken_from_train(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": range(10), "dog": range(10, 20)})
    fill(tmp_path / "test", {"cat": [30]})
    splits = open_folder(tmp_path, validation_fraction=0.2)
    assert [target for _, target in content(splits.validation)] == [0, 0, 1, 1]
    assert sorted(content(splits.train) + content(splits.validation)) == [(n, n // 10) for n in range(20)]
    assert content(splits.test) == [(30, 0)]


def test_validation_without_test_is_the_test_split(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": range(10), "dog": range(10, 20)})
    fill(tmp_path / "val", {"cat": [30], "dog": [31]})
    splits = open_folder(tmp_path, validation_fraction=0.1)
    assert content(splits.test) == [(30, 0), (31, 1)]
    assert len(splits.validation) == 2
    assert len(splits.train) == 18


@pytest.mark.parametrize("below", [".", "train"])
def test_without_other_folders_test_and_validation_are_set_aside(tmp_path: Path, below: str) -> None:
    fill(tmp_path / below, {"cat": range(20), "dog": range(20, 40)})
    splits = open_folder(tmp_path)
    # 0.2 of 40 for testing, then 0.1 of the remaining 32 for validation
    assert [target for _, target in content(splits.test)] == [0] * 4 + [1] * 4
    assert (len(splits.validation), len(splits.train)) == (3, 29)
    everything = content(splits.train) + content(splits.validation) + content(splits.test)
    assert sorted(everything) == [(n, n // 20) for n in range(40)]


def test_images_lie_in_folders_below_the_class_and_other_files_do_not_count(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat/young": [1], "cat/old": [2], "dog": [5]})
    fill(tmp_path / "train" / ".cache", {"x": [9]})
    (tmp_path / "train" / "cat" / "notes.txt").write_text("not an image")
    fill(tmp_path / "val", {"cat": [3]})
    fill(tmp_path / "test", {"cat": [4]})
    splits = open_folder(tmp_path)
    assert list(splits.classes) == ["cat", "dog"]
    assert content(splits.train) == [(2, 0), (1, 0), (5, 1)]


def test_the_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    fill(tmp_path / "photos", {"cat": range(10), "dog": range(10, 20)})
    assert len(open_folder(Path("~/photos")).classes) == 2


@pytest.mark.parametrize("seed", range(4))
def test_the_size_is_that_of_the_first_image_for_every_seed(tmp_path: Path, seed: int) -> None:
    save_image(tmp_path / "a" / "0.png", 100, size=(6, 9))
    for number in range(1, 5):
        save_image(tmp_path / ("a", "b")[number % 2] / f"{number}.png", 100 + number, size=(30, 30))
    splits = open_folder(tmp_path, split_seed=seed, test_fraction=0.4, validation_fraction=0.4)
    assert str(splits.image) == "3x6x9"
    for split in (splits.train, splits.validation, splits.test):
        assert {split[index][0].shape for index in range(len(split))} == {(3, 6, 9)}


@pytest.mark.parametrize(("given", "height", "width"), [(4, 4, 4), ([4, 12], 4, 12)])
def test_the_size_can_be_given(tmp_path: Path, given: Any, height: int, width: int) -> None:
    fill(tmp_path, {"a": range(5), "b": range(5, 10)})
    splits = open_folder(tmp_path, image_size=given)
    assert str(splits.image) == f"3x{height}x{width}"
    assert splits.train[0][0].shape == (3, height, width)
    assert splits.test[0][0].shape == (3, height, width)


def test_training_images_are_flipped_by_chance_and_others_never(tmp_path: Path) -> None:
    ramp = np.tile(np.arange(8, dtype=np.uint8), (8, 1))
    for name in ("a", "b"):
        for number in range(10):
            (tmp_path / name).mkdir(exist_ok=True)
            Image.fromarray(ramp + number).save(tmp_path / name / f"{number}.png")
    splits = open_folder(tmp_path)
    torch.manual_seed(0)
    ascending = {bool(splits.train[0][0][0, 0].diff().gt(0).all()) for _ in range(20)}
    assert ascending == {True, False}
    assert all(splits.test[0][0][0, 0].diff().gt(0).all() for _ in range(20))


def test_named_transforms_replace_the_defaults(tmp_path: Path) -> None:
    fill(tmp_path, {"a": range(10, 20), "b": range(20, 30)})
    invert = [{"name": "RandomInvert", "p": 1.0}]
    splits = open_folder(tmp_path, train_transforms=invert, eval_transforms=[])
    assert all(225 < colour <= 245 for colour, _ in content(splits.train))
    assert all(10 <= colour < 30 for colour, _ in content(splits.test))


def test_transforms_that_miss_the_size_are_refused_when_the_data_is_opened(tmp_path: Path) -> None:
    fill(tmp_path, {"a": range(10), "b": range(10, 20)})
    with pytest.raises(ReorderKitError, match=r"data\.train_transforms: \[CenterCrop\(size=4\)\]"):
        open_folder(tmp_path, train_transforms=[{"name": "CenterCrop", "size": 4}])


@pytest.mark.parametrize(
    ("channels", "expected"),
    [
        (3, [(0.2 - 0.485) / 0.229, (0.2 - 0.456) / 0.224, (0.2 - 0.406) / 0.225]),
        (1, [(0.2 - 0.449) / 0.226]),  # the averages of the three
    ],
)
def test_default_statistics_are_those_of_imagenet(tmp_path: Path, channels: int, expected: list[float]) -> None:
    for split in ("train", "val", "test"):
        fill(tmp_path / split, {"a": [51], "b": [51]})
    splits = ImageFolder(ImageFolder.Options(root=tmp_path, channels=channels)).open(0)
    assert splits.test[0][0][:, 3, 3].tolist() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"mean": [0.5]}, "mean has 1 numbers for 3 channels"),
        ({"std": [0.5, 0.5, 0.0]}, "greater than 0"),
        ({"channels": 2}, "channels"),
        ({"image_size": 0}, "image_size"),
        ({"test_fraction": 1.0}, "test_fraction"),
        ({"train_transforms": ["Flipp"]}, "unknown transform 'Flipp'"),
        ({"root": "~nosuchuser/x"}, "~nosuchuser/x has no home folder"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=said):
        ImageFolder.Options(**{"root": "somewhere", **options})


@pytest.mark.parametrize(
    ("transforms", "reason"),
    [
        ([{"name": "RandomCrop", "size": 12}], "RandomCrop(size=12)] fails on an image of 3x9x9: "),
        ([{"name": "RandomInvert", "p": 1.0}], "turns an image of 3x9x9 into 3x9x9, but 3x12x12 is needed"),
    ],
)
def test_an_image_that_the_transforms_refuse_is_unreadable(tmp_path: Path, transforms: Any, reason: str) -> None:
    for split in ("train", "val", "test"):
        save_image(tmp_path / split / "a" / "0.png", 7, size=(12, 12))
        save_image(tmp_path / split / "a" / "1-small.png", 7, size=(9, 9))
        save_image(tmp_path / split / "b" / "0.png", 7, size=(12, 12))
    splits = open_folder(tmp_path, train_transforms=transforms, eval_transforms=transforms)
    for name, samples in (("train", splits.train), ("val", splits.validation), ("test", splits.test)):
        assert not isinstance(samples[0], Unreadable)
        small = samples[1]
        assert isinstance(small, Unreadable)
        assert small.path == str(tmp_path / name / "a" / "1-small.png")
        assert reason in small.reason


def test_unreadable_images_are_reported_and_not_raised(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": [1], "b": [2]})
    fill(tmp_path / "test", {"a": [3]})
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    for folder in ("train", "val"):
        whole = tmp_path / folder / "a" / "0-truncated.jpg"
        whole.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise).save(whole)
        whole.write_bytes(whole.read_bytes()[: whole.stat().st_size // 2])
    (tmp_path / "val" / "a" / "1-text.png").write_text("this is not a picture")
    (tmp_path / "val" / "a" / "2-empty.bmp").touch()
    broken = bytearray((tmp_path / "test" / "a" / "003.png").read_bytes())
    broken[40:44] = b"\xff\xff\xff\xff"
    (tmp_path / "val" / "a" / "3-broken.png").write_bytes(broken)
    Image.fromarray(np.zeros((8, 8), dtype=np.float32)).save(tmp_path / "val" / "a" / "4-float.tiff")
    splits = open_folder(tmp_path)
    answers = [splits.validation[index] for index in range(len(splits.validation))]
    names = ["0-truncated.jpg", "1-text.png", "2-empty.bmp", "3-broken.png", "4-float.tiff"]
    assert [Path(answer[0]).name for answer in answers if isinstance(answer, Unreadable)] == names
    assert all(answer.reason for answer in answers if isinstance(answer, Unreadable))
    # The size was taken from the first training image that can be read, not from the truncated one of 64x64.
    assert str(splits.image) == "3x8x8"


def test_palettes_transparency_and_16_bits_are_read_as_8_bit_colour(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"a": [1], "b": [2]})
    fill(tmp_path / "val", {"a": [1]})
    folder = tmp_path / "test" / "a"
    folder.mkdir(parents=True)
    palette = Image.new("P", (8, 8), 1)
    palette.putpalette([0, 0, 0, 10, 20, 30])
    palette.save(folder / "0.png", transparency=b"\xff\x80")
    Image.new("RGBA", (8, 8), (40, 50, 60, 128)).save(folder / "1.png")
    Image.fromarray(np.full((8, 8), 200 * 257, dtype=np.uint16)).save(folder / "2.png")
    splits = open_folder(tmp_path)
    colours = [splits.test[index][0][:, 0, 0].round().tolist() for index in range(3)]
    # Of the second, 128 of 255 parts are the image, and the others white.
    assert colours == [[132, 137, 142], [147, 152, 157], [200, 200, 200]]


def test_a_missing_root_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.root: the folder .*nowhere does not exist"):
        open_folder(tmp_path / "nowhere")


def test_a_root_without_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match="no classes found"):
        open_folder(tmp_path)
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
    with pytest.raises(ReorderKitError, match=r"the folders of .* hold no image"):
        open_folder(tmp_path)


def test_a_class_without_an_image_is_named(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": [1, 2]})
    (tmp_path / "train" / "dog").mkdir()
    with pytest.raises(ReorderKitError, match="the class 'dog' has no image"):
        open_folder(tmp_path)


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_class_that_train_lacks_is_named(tmp_path: Path, split: str) -> None:
    fill(tmp_path / "train", {"cat": [1, 2, 3], "eel": [5]})
    fill(tmp_path / split, {"dog": [4]})
    with pytest.raises(ReorderKitError, match=f"{split} has the class 'dog', which has no training images"):
        open_folder(tmp_path)


def test_an_empty_test_folder_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": [1, 2, 3], "dog": [4]})
    (tmp_path / "test").mkdir()
    with pytest.raises(ReorderKitError, match=r"the folders of .*test hold no image"):
        open_folder(tmp_path)


def test_a_validation_split_that_comes_out_empty_is_refused(tmp_path: Path) -> None:
    fill(tmp_path / "train", {"cat": [1], "dog": [2]})
    fill(tmp_path / "test", {"cat": [3]})
    with pytest.raises(ReorderKitError, match=r"data\.validation_fraction: 0\.1 of 2 images is zero images"):
        open_folder(tmp_path)


def test_a_test_folder_without_train_is_not_taken_for_a_class(tmp_path: Path) -> None:
    fill(tmp_path / "test", {"cat": [1]})
    with pytest.raises(ReorderKitError, match="has a folder 'test', but none named 'train'"):
        open_folder(tmp_path)


def test_two_validation_folders_are_refused(tmp_path: Path) -> None:
    for name in ("train", "val", "valid"):
        fill(tmp_path / name, {"cat": [1]})
    with pytest.raises(ReorderKitError, match="two names for validation, 'val' and 'valid'"):
        open_folder(tmp_path)


def test_a_folder_where_nothing_can_be_read_is_refused(tmp_path: Path) -> None:
    for number in range(10):
        for name in ("cat", "dog"):
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{number}.jpg").write_text(f"no {name} {number}")
    with pytest.raises(ReorderKitError, match=r"data: no training image can be used; .*cat"):
        open_folder(tmp_path)


def test_the_search_for_an_image_that_can_be_read_has_an_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_image_file, "TRIED", 3)
    fill(tmp_path, {"cat": range(10), "dog": range(10, 20)})
    for number in range(2):
        (tmp_path / "cat" / f"{number:03}.png").write_text("no")
    assert str(open_folder(tmp_path).image) == "3x8x8"
    (tmp_path / "cat" / "002.png").write_text("no")
    with pytest.raises(
        ReorderKitError, match=r"none of the first 3 training images can be used; the first is .*000\.png"
    ):
        open_folder(tmp_path)


@pytest.fixture(scope="module")
def eurosat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One shard of EuroSAT: 1,000 satellite photos of 64x64 pixels in test/CLASS/."""
    shard = REPOSITORY.parent / "shared" / "data" / "eurosat" / "test-00.tar.gz"
    if not shard.exists():
        pytest.skip("shared/data/eurosat, which holds real photos, is not beside the repository")
    folder = tmp_path_factory.mktemp("eurosat")
    with tarfile.open(shard) as archive:
        archive.extractall(folder, filter="data")
    return folder / "test"


def test_real_photos_are_split_evenly_and_left_untouched(eurosat: Path) -> None:
    splits = ImageFolder(ImageFolder.Options(root=eurosat, image_size=64)).open(seed=0)
    assert len(splits.classes) == 10
    assert splits.classes[0] == "AnnualCrop"
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (720, 80, 200)
    per_class = np.bincount([splits.test[index][1] for index in range(200)])
    shards = [len(list((eurosat / name).iterdir())) for name in splits.classes]
    assert np.abs(per_class - 0.2 * np.array(shards)).max() <= 1

    image, target, *_ = splits.test[0]
    mean, std = torch.tensor([0.485, 0.456, 0.406]).view(3, 1, 1), torch.tensor([0.229, 0.224, 0.225]).view(3, 1, 1)
    pixels = (image * std + mean) * 255
    photos = [np.asarray(Image.open(path)) for path in sorted((eurosat / splits.classes[target]).iterdir())]
    assert any(np.abs(photo.transpose(2, 0, 1) - pixels.numpy()).max() < 1e-3 for photo in photos)


def test_real_photos_take_named_transforms(eurosat: Path) -> None:
    crop = [{"name": "RandomResizedCrop", "size": 32, "scale": [0.5, 1.0], "interpolation": "bicubic"}, "RandAugment"]
    splits = ImageFolder(ImageFolder.Options(root=eurosat, image_size=32, train_transforms=crop)).open(seed=0)
    assert splits.train[5][0].shape == (3, 32, 32)
    assert splits.test[5][0].shape == (3, 32, 32)
    assert splits.test[5][0].isfinite().all()
