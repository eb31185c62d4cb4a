"""Tar shards as a data source: splits, targets, dealing samples, and possible errors."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch

from reorder_kit.data.data_loading import ShuffledKeys, evaluation_loader, train_loader
from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, CLASS, IGNORED, MASK, MULTI_LABEL, Finding, TargetKind, Unreadable
from shards import Member, classed, content, fill_root, open_shards, picture, write


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return fill_root(tmp_path)


@pytest.mark.parametrize("train", ["train-*.tar", "train-{000..001}.tar", "{train-000,train-001}.tar"])
def test_the_splits_are_the_shards_of_a_pattern(root: Path, train: str) -> None:
    splits = open_shards(root, train=train)
    assert list(splits.classes) == ["0", "1", "2"]
    assert content(splits.train) == [(1, 0), (2, 1), (3, 2), (4, 0), (5, 1)]
    assert content(splits.validation) == [(6, 0)]
    assert content(splits.test) == [(7, 2), (8, 1)]


def test_what_is_missing_is_set_aside_with_the_same_share_of_every_class(tmp_path: Path) -> None:
    for shard in range(3):
        colours = range(10 * shard + 1, 10 * shard + 11)
        write(tmp_path / f"{shard}.tar", classed({colour: "ab"[colour > 20] for colour in colours}))
    options = {"train": "*.tar", "validation": None, "test": None, "test_fraction": 0.2, "validation_fraction": 0.25}
    splits = open_shards(tmp_path, **options)
    parts = [content(part) for part in (splits.train, splits.validation, splits.test)]
    assert [[label for _, label in part].count(0) for part in parts] == [12, 4, 4]
    assert [[label for _, label in part].count(1) for part in parts] == [6, 2, 2]
    assert sorted(colour for part in parts for colour, _ in part) == list(range(1, 31))
    assert all(label == (colour > 20) for part in parts for colour, label in part)


def with_json(contents: dict[int, Any]) -> list[Member]:
    return [
        member
        for colour, value in contents.items()
        for member in ((f"{colour}.json", json.dumps(value).encode()), (f"{colour}.png", picture(colour)))
    ]


def fill(root: Path, members: list[Member]) -> Path:
    for name in ("train", "val", "test"):
        write(root / f"{name}.tar", members)
    return root


def test_classes_may_be_in_json(tmp_path: Path) -> None:
    fill(tmp_path, with_json({1: {"class": "sea"}, 2: {"class": "land"}}))
    splits = open_shards(tmp_path, target_ending="json")
    assert list(splits.classes) == ["land", "sea"]
    assert content(splits.train) == [(1, 1), (2, 0)]


def test_labels_are_lists_in_json(tmp_path: Path) -> None:
    # Either a field, or the whole.
    fill(tmp_path, with_json({1: {"tags": ["c"]}, 2: {"tags": []}, 3: ["a", "b"]}))
    splits = open_shards(tmp_path, MULTI_LABEL, json_field="tags")
    assert list(splits.classes) == ["a", "b", "c"]
    assert torch.stack([target for _, target in content(splits.train)]).tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0]]


@pytest.mark.parametrize("given", [None, ("eel", "fish")])
@pytest.mark.parametrize("kind", [MULTI_LABEL, BOXES])
def test_no_class_loses_its_last_training_image(tmp_path: Path, kind: TargetKind, given: Any) -> None:
    # Eels are in two images; drawn without regard to them, both would be set aside for one of four seeds.
    present = [["fish"], [], ["eel", "fish"], ["fish"], ["fish", "eel"], ["fish"], [], ["fish"]]
    objects = [[{"bbox": [0, 0, 2, 2], "category": name} for name in names] for names in present]
    records = zip(range(1, 9), present, objects, strict=True)
    write(tmp_path / "0.tar", with_json({number: {"labels": names, "objects": of} for number, names, of in records}))
    options = {"train": "0.tar", "validation": None, "test": None, "test_fraction": 0.5, "validation_fraction": 0.3}
    for seed in range(12):
        splits = open_shards(tmp_path, kind, split_seed=seed, classes=given, **options)
        targets = [target for _, target in content(splits.train)]
        found = [
            target.classes.tolist() if kind == BOXES else target.nonzero().flatten().tolist() for target in targets
        ]
        assert {number for numbers in found for number in numbers} == {0, 1}


def test_objects_are_boxes(tmp_path: Path) -> None:
    objects = [{"bbox": [1, 2, 3, 4], "category": "fish"}, {"bbox": [0, 0, 8, 8], "category": "eel", "iscrowd": 1}]
    lists = {"bbox": [[1, 2, 3, 4]], "category": ["eel"]}
    fill(tmp_path, with_json({1: {"objects": objects}, 2: {"objects": lists}, 3: {"objects": []}}))
    splits = open_shards(tmp_path, BOXES, image_size=16)
    assert list(splits.classes) == ["eel", "fish"]
    first, second, third = (target for _, target in content(splits.train))
    assert first.boxes.tolist() == [[2, 4, 8, 12], [0, 0, 16, 16]]
    assert (first.classes.tolist(), first.crowd.tolist()) == ([1, 0], [False, True])
    assert (second.boxes.tolist(), second.classes.tolist()) == ([[2, 4, 8, 12]], [0])
    assert len(third) == 0


def test_a_box_that_is_none_is_left_out_and_the_others_are_not(tmp_path: Path) -> None:
    boxes = [
        [1, 2, 3, 4],
        [1, 2, -3, 4],
        [1, 2, "3", 4],
        [0, 0, 8, 8],
        None,
        [1, 1, 4, 4],
        [1, 1, 10**400, 1],
        [0, 0, 9, 9],
    ]
    flaws = [{"bbox": box, "category": "fish", "iscrowd": box == [0, 0, 8, 8]} for box in boxes]
    fill(tmp_path, with_json({1: {"objects": flaws}, 2: {"objects": "none"}, 3: {"objects": flaws[:1]}}))
    for _ in range(2):
        splits = open_shards(tmp_path, BOXES)
        samples = splits.train
        first, broken = samples[0], samples[1]
        assert first.target.boxes.tolist() == [[1, 2, 4, 6], [0, 0, 8, 8], [1, 1, 5, 5], [0, 0, 8, 8]]
        assert first.target.crowd.tolist() == [False, True, False, False]
        assert isinstance(broken, Unreadable)
        example = f"{tmp_path / 'train.tar'}, sample 1"
        assert splits.findings == (Finding("boxes without width or height are left out", 12, example),)


def test_masks_are_members_of_their_own(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 1], [255, 0, 1]], dtype=np.uint8)
    fill(tmp_path, [("1.mask.png", picture(mask)), ("1.png", picture(9, (2, 3)))])
    splits = open_shards(tmp_path, MASK, image_size=(2, 3), classes=("sky", "ship"))
    ((colour, target),) = content(splits.train)
    assert colour == 9
    assert target.tolist() == [[0, 1, 1], [IGNORED, 0, 1]]


def test_what_cannot_be_read_is_unreadable_and_named(root: Path) -> None:
    members = [
        *classed({1: 0}),
        ("2.png", picture(2)[:40]),
        ("2.cls", b"0"),
        ("3.png", picture(3)),
        ("4.cls", b"1"),
        ("5.png", picture(5)),
        ("5.cls", b"\xff"),
    ]
    path = write(root / "train-000.tar", members)
    samples = open_shards(root, train="train-000.tar", classes=("a", "b", "c")).train
    assert not isinstance(samples[0], Unreadable)
    for number, words in ((1, "Error"), (2, "has no member cls"), (3, "has no image"), (4, "utf-8")):
        sample = samples[number]
        assert isinstance(sample, Unreadable)
        assert sample.path == f"{path}, sample {number + 1}"
        assert words in sample.reason


def test_a_class_that_training_lacks_is_unreadable(root: Path) -> None:
    write(root / "test.tar", classed({7: 0, 8: 9}))
    sample = open_shards(root).test[1]
    assert isinstance(sample, Unreadable)
    assert "9 is not one of the 3 classes" in sample.reason


def test_every_sample_is_dealt_once_over_ranks_and_workers(root: Path) -> None:
    for shard in range(3):
        write(root / f"more-{shard}.tar", classed({10 * shard + place: place % 2 for place in range(1, 5)}))
    samples = open_shards(root, train="more-{0..2}.tar").train
    expected = sorted(range(1, 5)) + sorted(range(11, 15)) + sorted(range(21, 25))

    def colours(batches: Iterable[Any]) -> list[int]:
        return [round(image[0, 0, 0].item()) for batch in batches for image in batch.images]

    ranks = [
        colours(evaluation_loader(samples, CLASS, "test", 2, workers=2, process=rank, processes=2)) for rank in range(2)
    ]
    assert sorted(ranks[0] + ranks[1]) == expected
    keys = [ShuffledKeys(len(samples), 3, rank, 2) for rank in range(2)]
    dealt = [colours(train_loader(samples, CLASS, own, 3, batch_size=2, workers=2)) for own in keys]
    assert sorted(dealt[0] + dealt[1]) == expected
    assert dealt[0] == colours(train_loader(samples, CLASS, keys[0], 3, batch_size=2, workers=0))


def test_samples_are_sent_without_their_pixels(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write(root / "train-000.tar", [(f"{number}.{name}", data) for number in range(20) for name, data in
                                   (("png", picture(noise)), ("cls", b"%d" % (number % 2)))])  # fmt: skip
    samples = open_shards(root, train="train-000.tar", image_size=64).train
    sent = pickle.dumps(samples)
    assert len(sent) < noise.nbytes
    assert torch.equal(pickle.loads(sent)[7].image.round(), torch.from_numpy(noise).permute(2, 0, 1).float())


def test_errors_name_the_field_and_what_there_is(root: Path) -> None:
    def refused(kind: TargetKind = CLASS, **options: Any) -> str:
        with pytest.raises(ReorderKitError) as error:
            open_shards(root, kind, **options)
        return str(error.value)

    assert "data.train: the shard" in refused(train="train-{000..002}.tar")
    assert "train-002.tar" in refused(train="train-{000..002}.tar")
    assert "data.test: the shard" in refused(test="val.tar")
    assert "data.image_endings: no sample of" in refused(image_endings=("jpg",))
    assert "its extensions: cls, png" in refused(image_endings=("jpg",))
    assert "data.target_ending: no sample of" in refused(BOXES)
    assert "cannot be read from members with the extension cls" in refused(MULTI_LABEL, target_ending="cls")
    assert "data.json_field does nothing" in refused(json_field="label")
    write(root / "train-000.tar", classed({1: "a", 2: 1}))
    assert refused().startswith("data.target_ending: some training images have a number as their class, others a name")
    write(root / "val.tar", [*classed({6: 0}), *classed({6: 0})])
    assert "has two members" in refused()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.root: the folder .*none does not exist"):
        open_shards(tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train": "{000..001.tar"}, "Unbalanced braces"),
        ({"train": "/data/*.tar"}, "below root"),
        ({"train": "../*.tar"}, "below root"),
        ({"train": "a.tar", "test": "b.tar", "test_fraction": 0.3}, "test_fraction does nothing"),
        ({"train": "a.tar", "validation": "b.tar", "test": "c.tar", "split_seed": 1}, "split_seed does nothing"),
        ({"train": "a.tar", "target_ending": "cls", "json_field": "class"}, "json_field does nothing"),
        ({"train": "a.tar", "target_ending": "png"}, "the extension of both images and targets"),
    ],
)
def test_mistakes_that_show_without_data_are_those_of_the_recipe(options: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        WebDataset.Options(root=Path("shards"), **options)


def test_classes_that_a_number_could_mean_twice_are_refused(root: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.classes: '2' is at position 1"):
        open_shards(root, classes=("0", "2", "1"))
    assert list(open_shards(root, classes=("0", "1", "2")).classes) == ["0", "1", "2"]
