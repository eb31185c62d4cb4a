"""What every data source that comes with reorder-kit promises."""

from __future__ import annotations

import json
import pickle
import pkgutil
import tarfile
from collections.abc import Callable, Iterator
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import reorder_kit.data_sources
from reorder_kit.data.transforms import NamedTransform
from reorder_kit.interfaces import (
    BOXES,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    BoxTarget,
    ComponentOptions,
    DataSource,
    DataSplits,
    HasTargets,
    HasViews,
    Sample,
    SampleSet,
    TargetKind,
)


def shipped_sources() -> Iterator[type[DataSource]]:
    for module in pkgutil.iter_modules(reorder_kit.data_sources.__path__, "reorder_kit.data_sources."):
        if not module.name.rpartition(".")[2].startswith("_"):
            yield from import_module(module.name).register_data_sources()


def small_image_folder(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(40):
        path = root / f"class-{number % 2}" / f"{number}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
    return {"root": root, "train_transforms": []}


def small_multi_label_csv(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    lines = ["path,split,even,third,none"]
    for number in range(30):
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(root / f"{number}.png")
        split = ("train", "train", "val")[number // 10]
        # Image 0 has two classes, image 1 none; the last class is nowhere in training.
        lines.append(f"{number}.png,{split},{int(number % 2 == 0)},{int(number % 3 == 0)},{int(number == 29)}")
    (root / "labels.csv").write_text("\n".join(lines))
    return {"root": root, "image_size": 16, "train_transforms": []}


def small_multi_label_folder(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(40):
        image = Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8))
        # Of four images, two are in one of the folders and two in both.
        for name in (("left",), ("left", "right"), ("right",), ("left", "right"))[number % 4]:
            (root / name).mkdir(exist_ok=True)
            image.save(root / name / f"{number}.png")
    return {"root": root, "image_size": 16, "train_transforms": []}


def small_segmentation_folder(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for folder in ("images", "masks"):
        (root / folder).mkdir()
    for number in range(20):
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(root / "images" / f"{number}.png")
        mask = noise.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (12, 10))
        Image.fromarray(mask).save(root / "masks" / f"{number}.png")
    return {"root": root, "classes": ["sky", "sea", "sand"], "image_size": 16, "train_transforms": []}


def small_fashion_mnist(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    raw = root / "FashionMNIST" / "raw"
    raw.mkdir(parents=True)
    for name, count in (("train", 40), ("t10k", 20)):
        sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        pixels = noise.integers(0, 256, count * 28 * 28, dtype=np.uint8).tobytes()
        (raw / f"{name}-images-idx3-ubyte").write_bytes(b"\0\0\x08\x03" + sizes + pixels)
        labels = bytes(number % 10 for number in range(count))
        (raw / f"{name}-labels-idx1-ubyte").write_bytes(b"\0\0\x08\x01" + count.to_bytes(4, "big") + labels)
    return {"dataset": "fashion-mnist", "root": root, "train_transforms": []}


def small_imagenet(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(24):
        folder = root / ("val" if number < 4 else "train") / f"n0000000{number % 2}"
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(folder / f"{number}.JPEG")
    return {"root": root, "image_size": 8, "train_transforms": [{"name": "Fit", "size": 8}]}


def small_fmow(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for number in range(24):
        category = ("airport", "zoo")[number % 2]
        folder = root / ("val" if number < 4 else "train") / category / f"{category}_{number}"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{category}_{number}_0_rgb.jpg"
        Image.fromarray(noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)).save(path)
        boxes = [{"ID": 0, "box": [2, 1, 5, 6], "category": category}]
        path.with_suffix(".json").write_text(json.dumps({"bounding_boxes": boxes}))
    return {"root": root, "image_size": 8, "train_transforms": [{"name": "Fit", "size": 8}]}


def small_records() -> Iterator[dict[str, Any]]:
    """Images as arrays, with targets of every kind; every fourth has no object."""
    noise = np.random.default_rng(0)
    for number in range(40):
        boxes = [[1.0, 2.0, 4.0, 6.0], [3.0, 0.0, 7.0, 12.0]][: 2 if number % 4 else 0]
        yield {
            "image": noise.integers(0, 256, (12, 10, 3), dtype=np.uint8),
            "label": number % 2,
            "labels": sorted({number % 2, number % 3 % 2}),
            "objects": {"bbox": boxes, "category": [0, 1][: len(boxes)]},
            "mask": noise.choice([0, 1, IGNORED], (12, 10)).astype(np.uint8),
        }


def small_hf(root: Path) -> dict[str, Any]:
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    label = datasets.ClassLabel(names=["square", "disc"])
    features = {
        "image": datasets.Image(),
        "label": label,
        "labels": datasets.Sequence(label),
        "objects": {"bbox": datasets.Sequence(datasets.Sequence(datasets.Value("float32"))), "category": [label]},
        "mask": datasets.Image(),
    }
    made = datasets.Dataset.from_list(list(small_records()), features=datasets.Features(features))
    made.save_to_disk(root / "saved")
    return {"dataset": root / "saved", "classes": ("square", "disc"), "image_size": 16, "train_transforms": []}


def small_webdataset(root: Path) -> dict[str, Any]:
    for number, record in enumerate(small_records()):
        content = {"labels": record["labels"], "objects": record["objects"]}
        members = {"cls": str(record["label"]).encode(), "json": json.dumps(content).encode()}
        for ending, pixels in (("png", record["image"]), ("mask.png", record["mask"])):
            Image.fromarray(pixels).save(encoded := BytesIO(), "PNG")
            members[ending] = encoded.getvalue()
        with tarfile.open(root / f"{'val' if number < 10 else 'train'}-{number % 3}.tar", "a") as shard:
            for ending, data in members.items():
                member = tarfile.TarInfo(f"{number:04}.{ending}")
                member.size = len(data)
                shard.addfile(member, BytesIO(data))
    patterns = {"train": "train-{0..2}.tar", "validation": "val-*.tar"}
    return {"root": root, **patterns, "classes": ("square", "disc"), "image_size": 16, "train_transforms": []}


def small_coco(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    images, annotations = [], []
    (root / "images").mkdir()
    for number in range(30):
        height, width = ((12, 10), (8, 16))[number % 2]
        pixels = noise.integers(0, 256, (height, width, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "images" / f"{number}.png")
        images.append({"id": 100 + number, "file_name": f"{number}.png", "width": width, "height": height})
        # One that fills the image, one that leads over its edges, a pixel; every third image has none.
        for place, bbox in enumerate(([0, 0, width, height], [-2.5, 3, 6, 40], [width - 1, height - 1, 1, 1])):
            if number % 3:
                object_ = {"image_id": 100 + number, "category_id": (7, 3, 7)[place], "bbox": bbox}
                annotations.append({"id": len(annotations), "iscrowd": int(number % 4 == 0 and place == 2), **object_})
    categories = [{"id": 7, "name": "dog"}, {"id": 3, "name": "cat"}]
    content = {"images": images, "annotations": annotations, "categories": categories}
    (root / "train.json").write_text(json.dumps(content))
    return {"root": root, "image_size": 16, "train_transforms": []}


def small_voc(root: Path) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    for number in range(30):
        pixels = noise.integers(0, 256, (12, 10, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{number}.jpg")
        mask = Image.fromarray(noise.choice(np.array([0, 1, 2, 255], dtype=np.uint8), (12, 10)))
        mask.putpalette([value % 256 for value in range(768)])
        mask.save(root / "SegmentationClass" / f"{number}.png")
        box = "<bndbox><xmin>3</xmin><ymin>1</ymin><xmax>10</xmax><ymax>12</ymax></bndbox>"
        names = ("cat", "dog")[: number % 3]
        objects = "".join(f"<object><name>{name}</name><difficult>0</difficult>{box}</object>" for name in names)
        (root / "Annotations" / f"{number}.xml").write_text(f"<annotation>{objects}</annotation>")
    for lists in ("Main", "Segmentation"):
        (root / "ImageSets" / lists / "train.txt").write_text("\n".join(map(str, range(20))))
        (root / "ImageSets" / lists / "val.txt").write_text("\n".join(map(str, range(20, 30))))
    return {"root": root, "image_size": 16, "train_transforms": [], "classes": ("cat", "dog")}


# How to make small data, without augmentation, for a source whose defaults are large or do not open.
SMALL: dict[str, Callable[[Path], dict[str, Any]]] = {
    "coco-detection": small_coco,
    "fmow": small_fmow,
    "hf": small_hf,
    "image-folder": small_image_folder,
    "imagenet": small_imagenet,
    "multi-label-csv": small_multi_label_csv,
    "multi-label-folder": small_multi_label_folder,
    # 64 patches: of 16 there are so few images that every split would hold those of another.
    "planted-chain": lambda _: {"grid": (8, 8), "train_images": 60, "validation_images": 20, "test_images": 30},
    "segmentation-folder": small_segmentation_folder,
    "scenes": lambda _: {"train_images": 60, "validation_images": 20, "test_images": 30},
    "torchvision": small_fashion_mnist,
    "voc": small_voc,
    "webdataset": small_webdataset,
}


def sources_and_kinds() -> list[tuple[type[DataSource], TargetKind]]:
    return [(source, kind) for source in shipped_sources() for kind in source.target_kinds]


def ids(pair: tuple[type[DataSource], TargetKind]) -> str:
    return f"{pair[0].name}-{pair[1]}"


def only(kind: TargetKind) -> pytest.MarkDecorator:
    """For the sources that have such targets."""
    pairs = [pair for pair in sources_and_kinds() if pair[1] == kind]
    return pytest.mark.parametrize("source", pairs, ids=ids, indirect=True, scope="module")


@pytest.fixture(scope="module", params=sources_and_kinds(), ids=ids)
def source(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSource:
    kind, target_kind = request.param
    make = SMALL.get(kind.name, lambda _: {})
    return kind(kind.Options(**make(tmp_path_factory.mktemp(kind.name))), target_kind)


@pytest.fixture(scope="module")
def splits(source: DataSource) -> DataSplits:
    return source.open(seed=0)


def samples(split: SampleSet) -> list[Sample]:
    found = [split[index] for index in range(len(split))]
    assert all(isinstance(sample, Sample) for sample in found)
    return [sample for sample in found if isinstance(sample, Sample)]


def numbers_of(target: Any) -> Any:
    """A target in plain numbers, which can be compared."""
    if isinstance(target, BoxTarget):
        return target.boxes.tolist(), target.classes.tolist(), target.crowd.tolist()
    return target.tolist() if isinstance(target, torch.Tensor) else target


def all_splits(splits: DataSplits) -> dict[str, SampleSet]:
    return {"train": splits.train, "validation": splits.validation, "test": splits.test}


def test_names_are_distinct() -> None:
    names = [source.name for source in shipped_sources()]
    assert len(names) == len(set(names)) > 0


def test_it_says_what_it_is_and_what_its_options_mean(source: DataSource) -> None:
    assert source.__doc__
    assert all(isinstance(kind, TargetKind) for kind in source.target_kinds)
    assert issubclass(source.Options, ComponentOptions)
    assert all(field.description for field in source.Options.model_fields.values())


def test_the_shape_is_known_without_opening_data(source: DataSource, splits: DataSplits) -> None:
    if source.name == "image-folder":
        assert source.image is None  # the images are of one size, and it is not given
        sized = type(source)(source.options.model_copy(update={"image_size": (12, 10)}))
        assert sized.image == splits.image
    else:
        assert source.image == splits.image


def test_every_split_has_samples_of_the_declared_shape(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        assert len(split) > 0
        for image, *_ in samples(split):
            assert image.shape == splits.image.axes
            assert image.dtype == torch.float32
            assert image.isfinite().all()


@only(CLASS)
def test_class_targets_are_numbers_of_classes(splits: DataSplits) -> None:
    assert len(set(splits.classes)) == len(splits.classes)
    for split in all_splits(splits).values():
        for _, target, _ in samples(split):
            assert type(target) is int
            assert 0 <= target < len(splits.classes)
    assert {target for _, target, _ in samples(splits.train)} == set(range(len(splits.classes)))


@only(MULTI_LABEL)
def test_multi_label_targets_say_of_every_class_whether_it_is_there(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        for sample in samples(split):
            assert sample.target.shape == (len(splits.classes),)
            assert sample.target.dtype == torch.float32
            assert set(sample.target.tolist()) <= {0.0, 1.0}
    labels = torch.stack([sample.target for sample in samples(splits.train)])
    assert (labels.sum(dim=0) > 0).all()


@only(BOXES)
def test_boxes_lie_in_the_content_of_the_image(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        for sample in samples(split):
            target, (height, width) = sample.target, sample.content or tuple(sample.image.shape[1:])
            assert isinstance(target, BoxTarget)
            assert target.boxes.shape == (len(target), 4)
            assert target.boxes.dtype == torch.float32
            assert (target.classes.dtype, target.crowd.dtype) == (torch.int64, torch.bool)
            assert (target.boxes[:, 2:] > target.boxes[:, :2]).all()
            assert (target.boxes >= 0).all()
            assert (target.boxes <= torch.tensor([width, height, width, height])).all()
            assert all(0 <= number < len(splits.classes) for number in target.classes.tolist())
    assert sum(len(sample.target) for sample in samples(splits.train)) > 0


@only(MASK)
def test_masks_cover_the_content_of_the_image(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        for sample in samples(split):
            height, width = sample.content or tuple(sample.image.shape[1:])
            assert sample.target.shape == sample.image.shape[1:]
            assert sample.target.dtype == torch.uint8
            assert (sample.target[height:] == IGNORED).all()
            assert (sample.target[:, width:] == IGNORED).all()
            numbers = set(sample.target.unique().tolist()) - {IGNORED}
            assert all(0 <= number < len(splits.classes) for number in numbers)
    assert {number for sample in samples(splits.train) for number in sample.target.unique().tolist()} - {IGNORED}


def test_every_split_has_views(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        assert isinstance(split, HasViews)
        view = split.view(0)
        assert isinstance(view, Sample)
        assert view.image.shape == splits.image.axes
        # Training has no augmentation here, and all images are letterboxed or fitted in the same way.
        assert torch.equal(view.image, samples(split)[0].image)
        assert numbers_of(view.target) == numbers_of(samples(split)[0].target)


@pytest.mark.parametrize(
    "source",
    [pair for pair in sources_and_kinds() if "train_transforms" in pair[0].Options.model_fields],
    ids=ids,
    indirect=True,
    scope="module",
)
def test_views_of_evaluation_images_are_drawn_with_the_training_transform(source: DataSource) -> None:
    flip = NamedTransform.model_validate({"name": "RandomHorizontalFlip", "p": 1.0})
    options = source.options.model_copy(update={"train_transforms": (*source.options.train_transforms, flip)})
    splits = type(source)(options, source.target_kind).open(seed=0)
    for split in (splits.validation, splits.test):
        assert isinstance(split, HasViews)
        sample, view = split[0], split.view(0)
        assert isinstance(sample, Sample)
        assert isinstance(view, Sample)
        width = sample.image.shape[-1] if sample.content is None else sample.content[1]
        torch.testing.assert_close(view.image[..., :width], sample.image[..., :width].flip(-1), rtol=1e-4, atol=0.05)
        if source.target_kind == MASK:
            # Pixels halfway between two of the file may round either way.
            same = view.target[:, :width] == sample.target[:, :width].flip(-1)
            assert same.float().mean() > 0.75
    assert isinstance(splits.train, HasViews)
    assert torch.equal(samples(splits.train)[0].image, splits.train.view(0).image)


def test_targets_are_known_without_decoding(
    source: DataSource, splits: DataSplits, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Scenes are drawn, so that nothing has to be decoded for their boxes and masks either.
    knows = source.target_kind in (CLASS, MULTI_LABEL) or source.name == "scenes"
    expected = {name: [numbers_of(each.target) for each in samples(part)] for name, part in all_splits(splits).items()}

    def refused(*_: Any, **__: Any) -> None:
        raise AssertionError("an image was opened")

    monkeypatch.setattr(Image, "open", refused)
    for name, split in all_splits(splits).items():
        assert isinstance(split, HasTargets) is knows
        if isinstance(split, HasTargets):
            assert [numbers_of(split.target(index)) for index in range(len(split))] == expected[name]


def test_padding_is_zero(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        for sample in samples(split):
            if sample.content is not None:
                height, width = sample.content
                assert not sample.image[:, height:].any()
                assert not sample.image[:, :, width:].any()


def test_no_image_is_in_two_splits(splits: DataSplits) -> None:
    contents = [{image.numpy().tobytes() for image, *_ in samples(split)} for split in all_splits(splits).values()]
    assert sum(map(len, contents)) == len(set().union(*contents))


def test_opening_twice_gives_the_same(source: DataSource, splits: DataSplits) -> None:
    again = source.open(seed=0)
    assert again.image == splits.image
    assert list(again.classes) == list(splits.classes)
    for first, second in zip(all_splits(splits).values(), all_splits(again).values(), strict=True):
        assert len(first) == len(second)
        for (image, target, _), (same_image, same_target, _) in zip(samples(first), samples(second), strict=True):
            assert torch.equal(image, same_image)
            assert numbers_of(target) == numbers_of(same_target)


def contents(splits: DataSplits) -> list[list[bytes]]:
    return [[image.numpy().tobytes() for image, *_ in samples(split)] for split in all_splits(splits).values()]


def test_runs_of_every_seed_are_measured_on_the_same_images(source: DataSource, splits: DataSplits) -> None:
    assert contents(source.open(seed=7)) == contents(splits)


@pytest.mark.parametrize(
    "source",
    [pair for pair in sources_and_kinds() if "split_seed" in pair[0].Options.model_fields],
    ids=ids,
    indirect=True,
    scope="module",
)
def test_images_can_be_set_aside_anew(source: DataSource, splits: DataSplits) -> None:
    def by(split_seed: int | None, seed: int = 0) -> list[list[bytes]]:
        options = source.options.model_copy(update={"split_seed": split_seed})
        return contents(type(source)(options, source.target_kind).open(seed))

    assert by(0) == contents(splits) != by(5)
    assert by(None, seed=5) == by(5)


def test_opening_leaves_the_random_stream_as_it_was(source: DataSource) -> None:
    torch.manual_seed(0)
    expected = torch.rand(2)
    torch.manual_seed(0)
    source.open(seed=0)
    assert torch.equal(torch.rand(2), expected)


def test_samples_can_be_sent_to_loader_processes(splits: DataSplits) -> None:
    for split in all_splits(splits).values():
        sent = pickle.loads(pickle.dumps(split))
        assert torch.equal(samples(sent)[0].image, samples(split)[0].image)
