"""Tar shards: reading by position, what is noted of them, sharing them out, and what can be wrong with them."""

from __future__ import annotations

import gzip
import json
import pickle
import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydantic
import pytest
import torch
from PIL import Image

from reorder_kit.data_sources import _shard_index
from reorder_kit.data_sources._shard_index import ShardFiles, index_shard
from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import IGNORED, DataSplits, SampleSet, TargetKind, Unreadable
from reorder_kit.training.data_loading import ShuffledKeys, evaluation_loader, train_loader

Member = tuple[str, bytes]


def picture(value: int | np.ndarray, size: tuple[int, int] = (8, 8)) -> bytes:
    """An encoded image; of one plain colour, by which the tests know it again, if that is a number."""
    pixels = np.full((*size, 3), value, dtype=np.uint8) if isinstance(value, int) else value
    Image.fromarray(pixels).save(encoded := BytesIO(), "PNG")
    return encoded.getvalue()


def write(path: Path, members: Iterable[Member]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as shard:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            shard.addfile(member, BytesIO(data))
    return path


def classed(labels: dict[int, int | str]) -> list[Member]:
    """Images of these colours with these classes."""
    return [
        member
        for colour, label in labels.items()
        for member in ((f"{colour:03}.png", picture(colour)), (f"{colour:03}.cls", f"{label}\n".encode()))
    ]


def open_shards(root: Path, kind: TargetKind = "class", seed: int = 0, **options: Any) -> DataSplits:
    plain = {"image_size": 8, "train_transforms": [], "mean": (0,) * 3, "std": (1 / 255,) * 3}
    splits = {"train": "train*.tar", "validation": "val.tar", "test": "test.tar"}
    given = {name: value for name, value in {**plain, **splits, **options}.items() if value is not None}
    return WebDataset(WebDataset.Options(root=root, **given), kind).open(seed)


def content(samples: SampleSet) -> list[tuple[int, Any]]:
    """(colour, target) of every image."""
    return [
        (round(image[0, 0, 0].item()), target) for image, target, _ in map(samples.__getitem__, range(len(samples)))
    ]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two shards for training, and one for each of the other splits."""
    write(tmp_path / "train-000.tar", classed({1: 0, 2: 1}))
    write(tmp_path / "train-001.tar", classed({3: 2, 4: 0, 5: 1}))
    write(tmp_path / "val.tar", classed({6: 0}))
    write(tmp_path / "test.tar", classed({7: 2, 8: 1}))
    return tmp_path


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
    first, again, other = (open_shards(tmp_path, seed=seed, **options) for seed in (0, 0, 1))
    parts = [content(part) for part in (first.train, first.validation, first.test)]
    assert [[label for _, label in part].count(0) for part in parts] == [12, 4, 4]
    assert [[label for _, label in part].count(1) for part in parts] == [6, 2, 2]
    assert sorted(colour for part in parts for colour, _ in part) == list(range(1, 31))
    assert all(label == (colour > 20) for part in parts for colour, label in part)
    assert content(again.test) == content(first.test) != content(other.test)


def test_members_of_a_sample_need_not_be_neighbours(root: Path) -> None:
    members = sorted(classed({1: 1, 2: 0}), key=lambda member: member[0].endswith("cls"))
    write(root / "train-000.tar", [("./folder.d/", b""), *((f"./folder.d/{name}", data) for name, data in members)])
    assert content(open_shards(root, train="train-000.tar").train) == [(1, 1), (2, 0)]


def test_long_and_foreign_names_are_read(root: Path) -> None:
    members = [(f"{'länge/' * 40}{name}", data) for name, data in classed({1: 1, 2: 0})]
    write(root / "train-000.tar", members)
    assert content(open_shards(root, train="train-000.tar").train) == [(1, 1), (2, 0)]


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
    splits = open_shards(tmp_path, "multi-label", json_field="tags")
    assert list(splits.classes) == ["a", "b", "c"]
    assert torch.stack([target for _, target in content(splits.train)]).tolist() == [[0, 0, 1], [0, 0, 0], [1, 1, 0]]


def test_objects_are_boxes(tmp_path: Path) -> None:
    objects = [{"bbox": [1, 2, 3, 4], "category": "fish"}, {"bbox": [0, 0, 8, 8], "category": "eel", "iscrowd": 1}]
    lists = {"bbox": [[1, 2, 3, 4]], "category": ["eel"]}
    fill(tmp_path, with_json({1: {"objects": objects}, 2: {"objects": lists}, 3: {"objects": []}}))
    splits = open_shards(tmp_path, "boxes", image_size=16)
    assert list(splits.classes) == ["eel", "fish"]
    first, second, third = (target for _, target in content(splits.train))
    assert first.boxes.tolist() == [[2, 4, 8, 12], [0, 0, 16, 16]]
    assert (first.classes.tolist(), first.crowd.tolist()) == ([1, 0], [False, True])
    assert (second.boxes.tolist(), second.classes.tolist()) == ([[2, 4, 8, 12]], [0])
    assert len(third) == 0


def test_masks_are_members_of_their_own(tmp_path: Path) -> None:
    mask = np.array([[0, 1, 1], [255, 0, 1]], dtype=np.uint8)
    fill(tmp_path, [("1.mask.png", picture(mask)), ("1.png", picture(9, (2, 3)))])
    splits = open_shards(tmp_path, "mask", image_size=(2, 3), classes=("sky", "ship"))
    ((colour, target),) = content(splits.train)
    assert colour == 9
    assert target.tolist() == [[0, 1, 1], [IGNORED, 0, 1]]


def count_readings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    read: list[str] = []
    original = tarfile.open

    def counted(name: Any, mode: str) -> tarfile.TarFile:
        read.append(Path(name).name)
        return original(name, mode)

    monkeypatch.setattr(tarfile, "open", counted)
    return read


def test_headers_are_read_once_and_again_after_a_change(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = count_readings(monkeypatch)
    first = content(open_shards(root).train)
    assert sorted(read) == ["test.tar", "train-000.tar", "train-001.tar", "val.tar"]
    assert (root / "val.tar.index.npz").is_file()
    assert content(open_shards(root).train) == first
    assert len(read) == 4
    write(root / "train-000.tar", classed({1: 0, 2: 1, 9: 0}))
    (root / "val.tar.index.npz").write_bytes(b"torn")
    del read[:]
    assert content(open_shards(root).train) == [*first[:2], (9, 0), *first[2:]]
    assert sorted(read) == ["test.tar", "train-000.tar", "val.tar"][1:]


def test_notes_go_to_the_cache_folder_where_the_shards_cannot_be_written(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "cache"))
    # Permissions would not stop an administrator who runs the tests; a folder in the note's place does.
    (root / "val.tar.index.npz").mkdir()
    read = count_readings(monkeypatch)
    for _ in range(2):
        assert content(open_shards(root).validation) == [(6, 0)]
    assert read.count("val.tar") == 1
    assert len(list((root / "cache" / "reorder-kit" / "shards").iterdir())) == 1


def test_without_any_place_for_notes_headers_are_read_every_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(root / "file"))
    (root / "val.tar.index.npz").mkdir()
    read = count_readings(monkeypatch)
    for _ in range(2):
        assert content(open_shards(root).validation) == [(6, 0)]
    assert read.count("val.tar") == 2


def cut(data: bytes, where: str) -> bytes:
    """A tar file of two samples, damaged."""
    second = data.index(b"002.png")
    match where:
        case "within a member":
            return data[: second + 600]
        case "between members":
            return data[:second]
        case "within a header":
            return data[: second + 100]
        case "in a header":
            return data[: second + 148] + b"damaged!" + data[second + 156 :]
        case "compressed":
            return gzip.compress(data)
        case _:
            return b""


@pytest.mark.parametrize(
    "where", ["within a member", "between members", "within a header", "in a header", "compressed", "empty"]
)
def test_a_damaged_shard_is_an_error_that_names_it(root: Path, where: str) -> None:
    shard = root / "train-000.tar"
    shard.write_bytes(cut(shard.read_bytes(), where))
    with pytest.raises(ReorderKitError, match=r"train-000\.tar") as error:
        open_shards(root)
    assert "copy or write it again" in str(error.value)
    assert not (root / "train-000.tar.index.npz").exists()


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
    samples = open_shards(root, train="train-000.tar", classes=("a", "b")).train
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
    assert "9 is none of the 3 classes" in sample.reason


def test_a_shard_that_shrank_after_it_was_opened_is_unreadable(root: Path) -> None:
    splits = open_shards(root)
    shard = root / "test.tar"
    shard.write_bytes(shard.read_bytes()[:600])
    sample = splits.test[1]
    assert isinstance(sample, Unreadable)
    assert "was changed since it was opened" in sample.reason


def test_every_sample_is_dealt_once_over_ranks_and_workers(root: Path) -> None:
    for shard in range(3):
        write(root / f"more-{shard}.tar", classed({10 * shard + place: place % 2 for place in range(1, 5)}))
    samples = open_shards(root, train="more-{0..2}.tar").train
    expected = sorted(range(1, 5)) + sorted(range(11, 15)) + sorted(range(21, 25))

    def colours(batches: Iterable[Any]) -> list[int]:
        return [round(image[0, 0, 0].item()) for batch in batches for image in batch.images]

    ranks = [colours(evaluation_loader(samples, 2, workers=2, process=rank, processes=2)) for rank in range(2)]
    assert sorted(ranks[0] + ranks[1]) == expected
    keys = [ShuffledKeys(len(samples), 3, rank, 2) for rank in range(2)]
    dealt = [colours(train_loader(samples, own, 3, batch_size=2, workers=2)) for own in keys]
    assert sorted(dealt[0] + dealt[1]) == expected
    assert dealt[0] == colours(train_loader(samples, keys[0], 3, batch_size=2, workers=0))


def test_few_shards_stay_open_and_none_is_sent_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_shard_index, "_OPEN_FILES", 2)
    paths = [tmp_path / str(number) for number in range(4)]
    for path in paths:
        path.write_text(f"file {path.name}")
    files = ShardFiles()
    for path in [*paths, *paths]:
        assert files.read(path, 5, 1).decode() == path.name
    # What stays open outlives the file's name, what was closed does not: the last two stay.
    for path in paths:
        path.unlink()
    assert [files.read(path, 5, 1).decode() for path in paths[2:]] == ["2", "3"]
    for path in paths[:2]:
        with pytest.raises(FileNotFoundError):
            files.read(path, 5, 1)
    with pytest.raises(FileNotFoundError):
        pickle.loads(pickle.dumps(files)).read(paths[3], 5, 1)


def test_samples_are_sent_without_their_pixels(root: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    write(root / "train-000.tar", [(f"{number}.{name}", data) for number in range(20) for name, data in
                                   (("png", picture(noise)), ("cls", b"0"))])  # fmt: skip
    samples = open_shards(root, train="train-000.tar", image_size=64).train
    sent = pickle.dumps(samples)
    assert len(sent) < noise.nbytes
    assert torch.equal(pickle.loads(sent)[7].image.round(), torch.from_numpy(noise).permute(2, 0, 1).float())


def test_shards_written_and_read_by_the_package_webdataset(tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset", reason="webdataset is not installed")
    noise = np.random.default_rng(0).integers(0, 256, (11, 8, 8, 3), dtype=np.uint8)
    with webdataset.ShardWriter(str(tmp_path / "train-%03d.tar"), maxcount=4, verbose=0) as writer:
        for number, pixels in enumerate(noise):
            writer.write({"__key__": f"sample{number:03}", "png": pixels, "cls": number % 3, "json": {"labels": [0]}})
    for name in ("val", "test"):
        write(tmp_path / f"{name}.tar", classed({1: 0}))
    splits = open_shards(tmp_path, train="train-{000..002}.tar")
    ours = [splits.train[index] for index in range(len(splits.train))]
    theirs = []
    for path in sorted(tmp_path.glob("train-*.tar")):
        with path.open("rb") as stream:
            files = webdataset.tariterators.tar_file_expander([{"url": path.name, "stream": stream}])
            theirs += list(webdataset.tariterators.group_by_keys(files))
    assert len(ours) == len(theirs) == 11
    for sample, their in zip(ours, theirs, strict=True):
        assert not isinstance(sample, Unreadable)
        pixels = np.array(Image.open(BytesIO(their["png"])))
        assert torch.equal(sample.image.round(), torch.from_numpy(pixels).permute(2, 0, 1).float())
        assert sample.target == int(their["cls"])


def test_errors_name_the_field_and_what_there_is(root: Path) -> None:
    def refused(kind: TargetKind = "class", **options: Any) -> str:
        with pytest.raises(ReorderKitError) as error:
            open_shards(root, kind, **options)
        return str(error.value)

    assert "data.train: there is no shard" in refused(train="train-{000..002}.tar")
    assert "train-002.tar" in refused(train="train-{000..002}.tar")
    assert "data.test: the shard" in refused(test="val.tar")
    assert "data.image_endings: no sample of" in refused(image_endings=("jpg",))
    assert "endings there: cls, png" in refused(image_endings=("jpg",))
    assert "data.target_ending: no sample of" in refused("boxes")
    assert "cannot be read from members with the ending cls" in refused("multi-label", target_ending="cls")
    assert "data.json_field does nothing" in refused(json_field="label")
    write(root / "val.tar", [*classed({6: 0}), *classed({6: 0})])
    assert "has two members" in refused()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.root: there is no folder .*none"):
        open_shards(tmp_path / "none")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"train": "{000..001.tar"}, "Unbalanced braces"),
        ({"train": "/data/*.tar"}, "below root"),
        ({"train": "../*.tar"}, "below root"),
        ({"train": "a.tar", "test": "b.tar", "test_fraction": 0.3}, "test_fraction does nothing"),
        ({"train": "a.tar", "target_ending": "cls", "json_field": "class"}, "json_field does nothing"),
        ({"train": "a.tar", "target_ending": "png"}, "the ending of the images and of the targets"),
    ],
)
def test_mistakes_that_show_without_data_are_those_of_the_recipe(options: dict[str, Any], words: str) -> None:
    with pytest.raises(pydantic.ValidationError, match=words):
        WebDataset.Options(root=Path("shards"), **options)


def test_an_index_of_nothing_is_empty(tmp_path: Path) -> None:
    path = write(tmp_path / "empty.tar", [])
    assert len(index_shard(path)) == len(index_shard(path)) == 0


def test_notes_beside_the_shards_are_no_shards(root: Path) -> None:
    for _ in range(2):
        assert len(open_shards(root, train="train-*").train) == 5


def test_names_with_dots_that_would_each_be_an_ending_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_shard_index, "_MOST_ENDINGS", 4)
    path = write(tmp_path / "dotted.tar", [(f"photo.{number}.jpg", b"") for number in range(5)])
    with pytest.raises(ReorderKitError, match=r"dotted\.tar has members of 5 endings, as '0\.jpg'"):
        index_shard(path)


def test_classes_that_a_number_could_mean_twice_are_refused(root: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"data\.classes: '2' stands in place 1"):
        open_shards(root, classes=("0", "2", "1"))
    assert list(open_shards(root, classes=("0", "1", "2")).classes) == ["0", "1", "2"]
