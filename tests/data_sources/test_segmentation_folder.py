"""Folders of images and masks: layouts, splits, meaning of values, and possible errors."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from PIL import Image

from reorder_kit.data_sources.segmentation_folder import SegmentationFolder
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, DataSplits, Sample, SampleSet, Unreadable

SHARED = Path(__file__).parents[3] / "shared" / "data"
NAMES = ("ground", "tree")


def save(path: Path, pixels: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels)).save(path)


def save_pair(root: Path, name: str, value: int, mask: Any = None, folder: str = "") -> None:
    """A plain gray image, identified by its value; the mask has class 1 on the right."""
    save(root / "images" / folder / f"{name}.png", np.full((4, 4), value, dtype=np.uint8))
    default = np.repeat([[0, 0, 1, 1]], 4, axis=0)
    save(root / "masks" / folder / f"{name}.png", np.asarray(default if mask is None else mask).astype(np.uint8))


def fill(root: Path, values: Sequence[int], folder: str = "") -> None:
    for value in values:
        save_pair(root, f"{value:03}", value, folder=folder)


def options(root: Path, **given: Any) -> SegmentationFolder.Options:
    plain = {"image_size": 4, "channels": 1, "mean": (0,), "std": (1 / 255,), "train_transforms": ()}
    classes = {} if {"classes", "class_table", "instance_maps"} & set(given) else {"classes": NAMES}
    return SegmentationFolder.Options(root=root, **plain, **classes, **given)


def open_folder(root: Path, **given: Any) -> DataSplits:
    return SegmentationFolder(options(root, **given)).open(seed=0)


def read(samples: SampleSet) -> list[Sample]:
    found = [samples[index] for index in range(len(samples))]
    assert all(isinstance(sample, Sample) for sample in found), found
    return [sample for sample in found if isinstance(sample, Sample)]


def greys(samples: SampleSet) -> list[int]:
    return [round(sample.image[0, 0, 0].item()) for sample in read(samples)]


def all_greys(splits: DataSplits) -> tuple[list[int], list[int], list[int]]:
    return greys(splits.train), greys(splits.validation), greys(splits.test)


# Splits


def test_without_splits_test_and_validation_are_set_aside(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 21))
    train, validation, test = all_greys(open_folder(tmp_path, test_fraction=0.25, validation_fraction=0.2))
    assert (len(train), len(validation), len(test)) == (12, 3, 5)
    assert sorted(train + validation + test) == list(range(1, 21))


def test_three_folders_are_three_splits(tmp_path: Path) -> None:
    for folder, values in (("train", [1, 2]), ("valid", [3]), ("test", [4, 5])):
        fill(tmp_path, values, folder)
    assert all_greys(open_folder(tmp_path)) == ([1, 2], [3], [4, 5])


def test_folders_train_and_val_give_train_and_test(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 11), "train")
    fill(tmp_path, [20, 21], "val")
    train, validation, test = all_greys(open_folder(tmp_path, validation_fraction=0.3))
    assert test == [20, 21]
    assert sorted(train + validation) == list(range(1, 11))
    assert len(validation) == 3


def test_folders_below_are_searched_and_hidden_ones_are_not(tmp_path: Path) -> None:
    for folder in ("train/a", "train/b/c", "val", "test", "train/.hidden"):
        fill(tmp_path, [len(folder)], folder)
    assert all_greys(open_folder(tmp_path)) == ([7, 9], [3], [4])


def write_index(root: Path, rows: Sequence[str], head: str = "name,split,width") -> None:
    (root / "index.csv").write_text("\n".join([head, *rows]) + "\n", encoding="utf-8-sig")


def test_an_index_gives_the_splits_and_leaves_the_rest_out(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 7))
    write_index(tmp_path, ["003,train,4", "001.png,val,4", "002,test,4", "005,train,4"])
    assert all_greys(open_folder(tmp_path, index="index.csv")) == ([3, 5], [1], [2])


def test_an_index_with_train_and_val_gives_train_and_test(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 7))
    write_index(tmp_path, ["001,train,4", "002,train,4", "003,train,4", "004,val,4"])
    train, validation, test = all_greys(open_folder(tmp_path, index="index.csv", validation_fraction=0.3))
    assert test == [4]
    assert (sorted(train + validation), len(validation)) == ([1, 2, 3], 1)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (["001,train,4", "002,later,4"], r"data.index: .*index.csv, line 3: 'later' is not a split"),
        (["001,train,4", "001.png,val,4"], r"line 3: '001.png' already has an earlier line"),
        (["001,train,4", "nine,train,4"], r"lists 'nine', which is not an image in .*images"),
        (["001,val,4"], "has no image with the split train"),
        (["001"], "line 2: '' is not a split"),
    ],
)
def test_mistakes_in_an_index_are_named(tmp_path: Path, rows: list[str], reason: str) -> None:
    fill(tmp_path, range(1, 4))
    write_index(tmp_path, rows)
    with pytest.raises(ReorderKitError, match=reason):
        open_folder(tmp_path, index="index.csv")


def test_an_index_that_is_none_is_named(tmp_path: Path) -> None:
    fill(tmp_path, [1])
    with pytest.raises(ReorderKitError, match=r"data.index: .*index.csv cannot be read: No such file"):
        open_folder(tmp_path, index="index.csv")
    write_index(tmp_path, ["1"], head="file,split")
    with pytest.raises(ReorderKitError, match="has no column 'name'"):
        open_folder(tmp_path, index="index.csv")
    (tmp_path / "index.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ReorderKitError, match=r"data.index: .*index.csv is not a CSV table in UTF-8"):
        open_folder(tmp_path, index="index.csv")


# What values mean


def first_mask(splits: DataSplits) -> list[list[int]]:
    return [row[:] for row in read(splits.train)[0].target.tolist()]


def one_mask(root: Path, mask: Any, **given: Any) -> Any:
    for name in ("train", "val", "test"):
        save_pair(root, name, 9, folder=name)
        save(root / "masks" / name / f"{name}.png", mask)
    return first_mask(open_folder(root, **given))[0]


def row_of(*values: int, dtype: Any = np.uint8) -> Any:
    return np.repeat(np.array([values], dtype=dtype), 4, axis=0)


def test_values_are_numbers_of_classes_and_255_is_ignored(tmp_path: Path) -> None:
    assert one_mask(tmp_path, row_of(0, 1, 255, 1)) == [0, 1, IGNORED, 1]


def test_values_can_be_any(tmp_path: Path) -> None:
    given = {"classes": ("low", "mid", "high"), "values": (255, 7, 100), "ignored_values": (0, 3)}
    assert one_mask(tmp_path, row_of(7, 255, 100, 3), **given) == [1, 0, 2, IGNORED]


def test_black_and_white_masks_need_no_word_on_what_is_ignored(tmp_path: Path) -> None:
    assert one_mask(tmp_path, row_of(0, 255, 0, 255), values=(0, 255)) == [0, 1, 0, 1]


def test_masks_of_one_bit_are_read(tmp_path: Path) -> None:
    assert one_mask(tmp_path, row_of(0, 1, 0, 1, dtype=bool)) == [0, 1, 0, 1]


def test_of_a_palette_the_numbers_count(tmp_path: Path) -> None:
    assert one_mask(tmp_path, row_of(0, 1, 0, 1)) == [0, 1, 0, 1]
    for name in ("train", "val", "test"):
        coloured = Image.fromarray(row_of(1, 1, 0, 255)).convert("P")
        coloured.putpalette([200, 10, 10, *reversed(range(256)), *range(256), *range(253)])
        coloured.save(tmp_path / "masks" / name / f"{name}.png")
    assert first_mask(open_folder(tmp_path))[0] == [1, 1, 0, IGNORED]


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16], ids=["8 bits", "16 bits"])
def test_instance_maps_are_background_and_object(tmp_path: Path, dtype: Any) -> None:
    largest = np.iinfo(dtype).max
    found = one_mask(tmp_path, row_of(0, 1, 255, largest, dtype=dtype), instance_maps=True)
    assert found == [0, 1, 1, 1]
    assert list(open_folder(tmp_path, instance_maps=True).classes) == ["background", "object"]
    named = open_folder(tmp_path, instance_maps=True, classes=("tissue", "nucleus"))
    assert list(named.classes) == ["tissue", "nucleus"]


def test_16_bits_can_be_values_of_classes(tmp_path: Path) -> None:
    mask = row_of(0, 300, 255, 300, dtype=np.uint16)
    assert one_mask(tmp_path, mask, values=(0, 300)) == [0, 1, IGNORED, 1]


def test_masks_follow_their_images_into_another_size(tmp_path: Path) -> None:
    for name in ("train", "val", "test"):
        save(tmp_path / "images" / name / "a.png", np.zeros((8, 16), dtype=np.uint8))
        mask = np.zeros((8, 16), dtype=np.uint8)
        mask[4:8, 8:12] = 1
        save(tmp_path / "masks" / name / "a.png", mask)
    sample = read(open_folder(tmp_path).train)[0]
    assert sample.content == (2, 4)
    assert sample.target.tolist() == [[0, 0, 0, 0], [0, 0, 1, 0], [IGNORED] * 4, [IGNORED] * 4]


# What can be wrong in files


def test_an_image_without_a_mask_is_named_or_left_out(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 9))
    (tmp_path / "masks" / "003.png").unlink()
    with pytest.raises(ReorderKitError, match=r"images/003.png has no mask; .*masks/003.png does not exist") as error:
        open_folder(tmp_path)
    assert "unmasked_images: skip" in str(error.value.hint)
    splits = open_folder(tmp_path, unmasked_images="skip")
    assert sorted(grey for split in all_greys(splits) for grey in split) == [1, 2, 4, 5, 6, 7, 8]


def test_an_index_may_name_images_without_a_mask_where_these_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 5))
    (tmp_path / "masks" / "003.png").unlink()
    write_index(tmp_path, ["001,train,4", "003,train,4", "002,val,4", "004,test,4"])
    assert all_greys(open_folder(tmp_path, index="index.csv", unmasked_images="skip")) == ([1], [2], [4])


def test_what_one_mask_has_wrong_makes_it_unreadable(tmp_path: Path) -> None:
    fill(tmp_path, [1], "val")
    fill(tmp_path, [1], "test")
    fill(tmp_path, range(1, 6), "train")
    masks = tmp_path / "masks" / "train"
    save(masks / "002.png", row_of(0, 1, 7, 9))
    save(masks / "003.png", np.zeros((4, 5), dtype=np.uint8))
    save(masks / "004.png", np.zeros((4, 4, 3), dtype=np.uint8))
    (masks / "005.png").write_bytes(b"no image")
    train = open_folder(tmp_path).train
    found = [train[index] for index in range(5)]
    assert isinstance(found[0], Sample)
    reasons = {Path(bad.path).name: bad.reason for bad in found[1:] if isinstance(bad, Unreadable)}
    assert "pixels have the value 7, which is not a class: the classes are 0, 1; ignored: 255" in reasons["002.png"]
    assert reasons["003.png"] == "it has 4x5 pixels, but its image 4x4"
    assert "one channel of whole numbers" in reasons["004.png"]
    assert "UnidentifiedImageError" in reasons["005.png"]


def test_large_masks_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path, range(1, 9))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 7)
    assert len(read(open_folder(tmp_path).test)) == 2


def test_values_that_no_mask_should_have_are_found_at_once(tmp_path: Path) -> None:
    for value in range(1, 9):
        save_pair(tmp_path, str(value), value, mask=row_of(0, 128, 0, 128))
    with pytest.raises(ReorderKitError, match=r"no training image can be used.*value 128"):
        open_folder(tmp_path)


def test_transforms_that_cannot_move_masks_are_found_at_once(tmp_path: Path) -> None:
    fill(tmp_path, range(1, 9))
    given = SegmentationFolder.Options(root=tmp_path, classes=NAMES, train_transforms=["AugMix"])
    with pytest.raises(ReorderKitError, match=r"data.train_transforms: \[AugMix\(\)\] fails"):
        SegmentationFolder(given).open(0)


def test_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data.root: the folder .*nowhere does not exist"):
        open_folder(tmp_path / "nowhere")
    with pytest.raises(ReorderKitError, match=r"data.images: the folder .*images does not exist"):
        open_folder(tmp_path)
    (tmp_path / "images").mkdir()
    with pytest.raises(ReorderKitError, match=r"data.masks: the folder .*masks does not exist"):
        open_folder(tmp_path)
    (tmp_path / "masks").mkdir()
    with pytest.raises(ReorderKitError, match=r"data.images: .*images has no image with a mask"):
        open_folder(tmp_path)


def test_two_images_of_one_name_are_refused(tmp_path: Path) -> None:
    fill(tmp_path, [1, 2, 3])
    save(tmp_path / "images" / "001.jpg", np.zeros((4, 4), dtype=np.uint8))
    with pytest.raises(ReorderKitError, match=r"data.images: .*001\.(jpg|png) and .*001\.(jpg|png) have the same name"):
        open_folder(tmp_path)


# Options


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        ({}, "give one of classes, class_table and instance_maps"),
        ({"classes": ["a", "b"], "class_table": "t.csv"}, "give one of classes, class_table and instance_maps"),
        ({"classes": ["a"]}, "2 to 255 classes, not 1"),
        ({"classes": [str(number) for number in range(256)]}, "2 to 255 classes, not 256"),
        ({"classes": ["a", "b", "a"]}, "two classes are named 'a'"),
        ({"classes": ["a", "b"], "values": [1]}, "there are 1 values for 2 classes"),
        ({"classes": ["a", "b"], "values": [1, 1]}, "two classes have the same value"),
        ({"classes": ["a", "b"], "values": [1, -1]}, "greater than or equal to 0"),
        ({"classes": ["a", "b"], "values": [1, 65536]}, "less than or equal to 65535"),
        ({"classes": ["a", "b"], "values": [3, 4], "ignored_values": [4]}, "the value 4 is both a class and ignor"),
        ({"classes": ["a", "b"], "ignored_values": [1]}, "the value 1 is both a class and ignored"),
        ({"class_table": "t.csv", "values": [1, 2]}, "values does nothing"),
        ({"instance_maps": True, "values": [1, 2]}, "values does nothing"),
        ({"instance_maps": True, "ignored_values": [255]}, "ignored_values does nothing"),
        ({"instance_maps": True, "class_table": "t.csv"}, "class_table does nothing"),
        ({"instance_maps": True, "classes": ["a", "b", "c"]}, "classes must be two names"),
        ({"classes": ["a", "b"], "test_fraction": 0}, "greater than 0"),
    ],
    ids=str,
)
def test_mistakes_of_a_recipe(given: dict[str, Any], reason: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=reason):
        SegmentationFolder.Options(root=Path("/data"), **given)


def test_options_can_be_written_down_and_read_again() -> None:
    for given in ({"instance_maps": True}, {"class_table": "t.csv"}, {"classes": NAMES}):
        made = SegmentationFolder.Options(root=Path("/data"), **given)
        assert SegmentationFolder.Options.model_validate(made.model_dump()) == made


# Real data


def test_real_nuclei_open() -> None:
    """Instance maps of 16 bits with an index."""
    folder = SHARED / "dsb2018-nuclei"
    if not folder.exists():
        pytest.skip("shared/data/dsb2018-nuclei, which holds real masks, is not beside the repository")
    given = SegmentationFolder.Options(root=folder, index="index.csv", instance_maps=True, image_size=96)
    splits = SegmentationFolder(given).open(0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (430, 48, 119)
    objects, pixels = 0, 0
    for index in range(0, 119, 10):
        sample = splits.test[index]
        assert isinstance(sample, Sample)
        height, width = sample.content or (96, 96)
        content = sample.target[:height, :width]
        assert set(content.unique().tolist()) <= {0, 1}
        objects, pixels = objects + int(content.sum()), pixels + content.numel()
    assert 0.02 < objects / pixels < 0.5


def test_the_mask_of_a_real_image_lies_on_its_nuclei() -> None:
    folder = SHARED / "dsb2018-nuclei"
    if not folder.exists():
        pytest.skip("shared/data/dsb2018-nuclei, which holds real masks, is not beside the repository")
    given = SegmentationFolder.Options(
        root=folder, index="index.csv", instance_maps=True, image_size=96, channels=1, mean=(0,), std=(1,)
    )
    sample = SegmentationFolder(given).open(0).train[0]
    assert isinstance(sample, Sample)
    content = sample.target != IGNORED
    # The nuclei of the gray images are bright on a dark ground.
    assert sample.image[0][sample.target == 1].mean() > 1.5 * sample.image[0][content & (sample.target == 0)].mean()
    assert torch.isfinite(sample.image).all()
