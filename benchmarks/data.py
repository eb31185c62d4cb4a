"""How fast data sources load images, compared with torchvision's ImageFolder with the same transforms.

    python benchmarks/data.py
    python benchmarks/data.py hf webdataset --repeats 9
    python benchmarks/data.py --eurosat FOLDER

500 JPEGs of 256x256 pixels (random, but as smooth as photographs) are written in the layout of every data source, and
the training split is loaded as in training: shuffled, randomly flipped, in batches of 50, with no worker and with two,
which are restarted for every pass. Passes of a source and of torchvision's ImageFolder over the same number of JPEGs
alternate in one process. torchvision applies the same steps to its images: decode, bring to 224x224 (by a crop, or by
scaling, as the source does), flip, normalize. What a source does to boxes and masks is extra. A source of masks reads
two files for each image, so a second row compares it with torchvision doing that, too. Figures are medians; the ratio
is the median over neighboring passes. All files are in the file system's cache, so this measures the processor, not a
disk. Sources that generate their images or hold them in memory have other image sizes and no counterpart.

With --eurosat (a folder as image-folder reads it, or one of tar.gz files that unpack to one), only the first two epochs
of its images at 64 pixels are measured, without a cache and with each kind of cache.
"""

from __future__ import annotations

import argparse
import json
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch.utils.data import DataLoader, Subset
from torchvision import tv_tensors
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

from reorder_kit.data.data_loading import ShuffledKeys, train_loader
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import IMAGENET, DataSource

SIDE, SIZE, BATCH, CLASSES = 256, 224, 50, 2
WORKERS = (0, 2)
COVER = [{"name": "Fit", "size": SIZE}, "RandomHorizontalFlip"]
# The upper left quarter of every image, in each format.
BOX = [0, 0, SIDE // 2, SIDE // 2]
MASK = np.pad(np.ones((SIDE // 2, SIDE // 2), dtype=np.uint8), ((0, SIDE // 2), (0, SIDE // 2)))

Jpegs = Sequence[bytes]


@dataclass(frozen=True)
class Layout:
    """How to write images for a source.

    Args:
        write: writes them below a folder, and returns the options of the source.
        crops: whether the source brings an image to its size by a crop of the middle, rather than by scaling; None if
            its images are not these.
        masks: whether the source reads a mask with each image.
    """

    write: Callable[[Path, Jpegs], dict[str, Any]]
    crops: bool | None
    masks: bool = False


class ImageFolderWithMasks(ImageFolder):
    """torchvision's ImageFolder, with a mask for each image that goes through the same transforms."""

    def __init__(self, root: Path, masks: Path, transforms: v2.Compose) -> None:
        super().__init__(root)
        self.masks, self.both = masks, transforms

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        path, _ = self.samples[index]
        mask = v2.functional.pil_to_tensor(Image.open(self.masks / f"{Path(path).stem}.png"))
        return self.both(self.loader(path), tv_tensors.Mask(mask))


def make_jpegs(count: int) -> list[bytes]:
    """Different random images without edges."""
    noise = np.random.default_rng(0)
    jpegs = []
    for _ in range(count):
        coarse = Image.fromarray(noise.integers(0, 256, (SIDE // 8, SIDE // 8, 3), dtype=np.uint8))
        coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(file := BytesIO(), "JPEG", quality=90)
        jpegs.append(file.getvalue())
    return jpegs


def put(path: Path, data: bytes | str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)


def encoded_mask() -> bytes:
    Image.fromarray(MASK).save(file := BytesIO(), "PNG")
    return file.getvalue()


def image_folder(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    for number, jpeg in enumerate(jpegs):
        put(root / f"class-{number % CLASSES}" / f"{number:05}.jpg", jpeg)
    return {"root": root, "image_size": SIZE, "train_transforms": COVER}


def imagenet(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    for number, jpeg in enumerate(jpegs):
        split = "train" if number % 5 else "val"
        put(root / split / f"n0000000{number // 5 % CLASSES}" / f"{number:05}.JPEG", jpeg)
    return {"root": root, "image_size": SIZE, "train_transforms": COVER}


def fmow(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    for number, jpeg in enumerate(jpegs):
        category = ("airport", "zoo")[number // 5 % CLASSES]
        folder = root / ("train" if number % 5 else "val") / category / f"{category}_{number}"
        put(folder / f"{category}_{number}_0_rgb.jpg", jpeg)
        box = {"ID": 0, "box": BOX, "category": category}
        put(folder / f"{category}_{number}_0_rgb.json", json.dumps({"bounding_boxes": [box]}))
    return {"root": root, "crop": "image", "image_size": SIZE, "train_transforms": COVER}


def multi_label_csv(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    lines = ["path,left,right"]
    for number, jpeg in enumerate(jpegs):
        put(root / f"{number:05}.jpg", jpeg)
        lines.append(f"{number:05}.jpg,1,{number % 2}")
    put(root / "labels.csv", "\n".join(lines))
    return {"root": root, "image_size": SIZE}


def multi_label_folder(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    for number, jpeg in enumerate(jpegs):
        put(root / f"class-{number % CLASSES}" / f"{number:05}.jpg", jpeg)
    return {"root": root, "image_size": SIZE}


def coco_detection(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    images, annotations = [], []
    for number, jpeg in enumerate(jpegs):
        put(root / "images" / f"{number:05}.jpg", jpeg)
        images.append({"id": number, "file_name": f"{number:05}.jpg", "width": SIDE, "height": SIDE})
        annotations.append({"id": number, "image_id": number, "category_id": 1, "iscrowd": 0, "bbox": BOX})
    content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "quarter"}]}
    put(root / "train.json", json.dumps(content))
    return {"root": root, "image_size": SIZE}


def voc(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    edges = "".join(
        f"<{edge}>{value}</{edge}>" for edge, value in zip(("xmin", "ymin", "xmax", "ymax"), BOX, strict=True)
    )
    annotation = f"<annotation><object><name>cat</name><bndbox>{edges}</bndbox></object></annotation>"
    for number, jpeg in enumerate(jpegs):
        put(root / "JPEGImages" / f"{number:05}.jpg", jpeg)
        put(root / "Annotations" / f"{number:05}.xml", annotation)
    for split, rest in (("train", range(1, 5)), ("val", range(1))):
        names = [f"{number:05}" for number in range(len(jpegs)) if number % 5 in rest]
        put(root / "ImageSets" / "Main" / f"{split}.txt", "\n".join(names))
    return {"root": root, "image_size": SIZE, "classes": ("cat",)}


def put_masks(folder: Path, count: int) -> None:
    mask = encoded_mask()
    for number in range(count):
        put(folder / f"{number:05}.png", mask)


def segmentation_folder(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    for number, jpeg in enumerate(jpegs):
        put(root / "images" / f"{number:05}.jpg", jpeg)
    put_masks(root / "masks", len(jpegs))
    return {"root": root, "image_size": SIZE, "classes": ("rest", "quarter")}


def hf(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    import datasets

    datasets.disable_progress_bars()
    features = datasets.Features(
        {"image": datasets.Image(), "label": datasets.ClassLabel(names=[str(number) for number in range(CLASSES)])}
    )
    columns = {
        "image": [{"bytes": jpeg, "path": None} for jpeg in jpegs],
        "label": [number % CLASSES for number in range(len(jpegs))],
    }
    datasets.Dataset.from_dict(columns, features=features).save_to_disk(root)
    return {"dataset": root, "image_size": SIZE}


def webdataset(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    root.mkdir(parents=True)
    per_shard = -(-len(jpegs) // 5)
    for shard in range(5):
        with tarfile.open(root / f"train-{shard}.tar", "w") as archive:
            for number in range(shard * per_shard, min(len(jpegs), (shard + 1) * per_shard)):
                for ending, data in (("jpg", jpegs[number]), ("cls", str(number % CLASSES).encode())):
                    member = tarfile.TarInfo(f"{number:05}.{ending}")
                    member.size = len(data)
                    archive.addfile(member, BytesIO(data))
    return {"root": root, "train": "train-{0..4}.tar", "image_size": SIZE}


def fashion_mnist(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    noise = np.random.default_rng(0)
    for name, count in (("train", len(jpegs)), ("t10k", 10)):
        sizes = b"".join(size.to_bytes(4, "big") for size in (count, 28, 28))
        pixels = noise.integers(0, 256, count * 28 * 28, dtype=np.uint8).tobytes()
        raw = root / "FashionMNIST" / "raw"
        put(raw / f"{name}-images-idx3-ubyte", b"\0\0\x08\x03" + sizes + pixels)
        labels = bytes(number % 10 for number in range(count))
        put(raw / f"{name}-labels-idx1-ubyte", b"\0\0\x08\x01" + count.to_bytes(4, "big") + labels)
    return {"dataset": "fashion-mnist", "root": root}


def nothing(root: Path, jpegs: Jpegs) -> dict[str, Any]:
    return {}


LAYOUTS = {
    "image-folder": Layout(image_folder, crops=True),
    "imagenet": Layout(imagenet, crops=True),
    "fmow": Layout(fmow, crops=True),
    "multi-label-csv": Layout(multi_label_csv, crops=False),
    "multi-label-folder": Layout(multi_label_folder, crops=False),
    "coco-detection": Layout(coco_detection, crops=False),
    "voc": Layout(voc, crops=False),
    "segmentation-folder": Layout(segmentation_folder, crops=False, masks=True),
    "hf": Layout(hf, crops=False),
    "webdataset": Layout(webdataset, crops=False),
    "torchvision": Layout(fashion_mnist, crops=None),
    "digits": Layout(nothing, crops=None),
    "planted-chain": Layout(nothing, crops=None),
    "scenes": Layout(nothing, crops=None),
}


def passes(source: DataSource, workers: int) -> Iterator[tuple[int, float]]:
    """Images and seconds of successive passes over the training split."""
    samples = source.open(seed=0).train
    keys = ShuffledKeys(len(samples), seed=0, process=0, processes=1)
    while True:
        began = time.perf_counter()
        images = sum(len(batch) for batch in train_loader(samples, source.target_kind, keys, 0, BATCH, workers))
        yield images, time.perf_counter() - began
        if images < len(samples):
            raise RuntimeError(f"{source.name} could not read all of its images")
        keys.epoch += 1


def torchvision_passes(
    root: Path, masks: Path | None, images: int, crops: bool, workers: int
) -> Iterator[tuple[int, float]]:
    """The same for torchvision's ImageFolder, with masks if a folder of them is given."""
    to_size = [v2.Resize(SIDE), v2.CenterCrop(SIZE)] if crops else [v2.Resize([SIZE, SIZE])]
    normalise = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(*IMAGENET)]
    transforms = v2.Compose([v2.PILToTensor(), *to_size, v2.RandomHorizontalFlip(), *normalise])
    everything = ImageFolder(root, transforms) if masks is None else ImageFolderWithMasks(root, masks, transforms)
    loader = DataLoader(Subset(everything, range(images)), batch_size=BATCH, shuffle=True, num_workers=workers)
    while True:
        began = time.perf_counter()
        loaded = sum(len(batch) for batch, _ in loader)
        yield loaded, time.perf_counter() - began


def speed(run: Iterator[tuple[int, float]]) -> float:
    """Images per second of the next pass."""
    images, seconds = next(run)
    return images / seconds


def compare(
    source: DataSource, crops: bool | None, folder: Path, masks: Path | None, workers: int, repeats: int
) -> str:
    """The cells of a table: images per second, and the ratio to torchvision's."""
    ours = passes(source, workers)
    images, _ = next(ours)  # the first pass includes one-time costs
    if crops is None:
        return f"{median(speed(ours) for _ in range(repeats)):,.0f} | - | -"
    theirs = torchvision_passes(folder, masks, images, crops, workers)
    next(theirs)
    pairs = []
    for repeat in range(repeats):
        # Which of the two comes first also alternates.
        first, second = (ours, theirs) if repeat % 2 else (theirs, ours)
        one, other = speed(first), speed(second)
        pairs.append((one, other) if repeat % 2 else (other, one))
    own, plain = (median(speeds) for speeds in zip(*pairs, strict=True))
    return f"{own:,.0f} | {plain:,.0f} | {median(one / other for one, other in pairs):.2f}"


def unpacked(folder: Path, scratch: Path) -> Path:
    """The folder itself, or the folder to which its archives were unpacked."""
    archives = sorted(folder.glob("train-*.tar.gz"))
    for path in archives:
        with tarfile.open(path) as archive:
            archive.extractall(scratch / "eurosat", filter="data")
    return scratch / "eurosat" if archives else folder


def compare_caches(folder: Path, repeats: int) -> None:
    """Print images per second of the first and the second epoch; data is reopened for each repeat."""
    kind = PluginHost(third_party=False).data_sources.get("image-folder")
    print("| cache | workers | images/s, epoch 1 | images/s, epoch 2 | ratio |")
    print("| --- | --- | --- | --- | --- |")
    with tempfile.TemporaryDirectory() as scratch:
        root = unpacked(folder, Path(scratch))
        for workers in WORKERS:
            for cache in ("none", "memory", "disk"):
                pairs = []
                for repeat in range(1 + repeats):
                    place = {"cache_folder": Path(scratch) / f"{workers}-{repeat}"} if cache == "disk" else {}
                    options = {"root": root, "image_size": 64, "cache": cache, **place}
                    run = passes(kind(kind.Options.model_validate(options)), workers)
                    pairs.append((speed(run), speed(run)))
                # The first repeat includes the one-time costs of a process.
                first, second = (median(speeds) for speeds in zip(*pairs[1:], strict=True))
                ratio = median(later / earlier for earlier, later in pairs[1:])
                print(f"| {cache} | {workers} | {first:,.0f} | {second:,.0f} | {ratio:.2f} |", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sources", nargs="*", help="data sources (default: all)")
    parser.add_argument("--images", type=int, default=500, help="number of JPEGs")
    parser.add_argument("--repeats", type=int, default=5, help="measured pairs of passes")
    parser.add_argument("--eurosat", type=Path, help="measure caches on this folder instead")
    arguments = parser.parse_args()
    if arguments.eurosat is not None:
        compare_caches(arguments.eurosat, arguments.repeats)
        return
    registry = PluginHost(third_party=False).data_sources
    jpegs = make_jpegs(arguments.images)
    size = sum(map(len, jpegs)) / len(jpegs) / 1024
    print(f"torch {torch.__version__}, {torch.get_num_threads()} threads, {len(jpegs)} JPEGs of {size:.0f} KiB\n")
    columns = [f"{what}, {workers} workers" for workers in WORKERS for what in ("images/s", "ImageFolder", "ratio")]
    print(f"| source | targets | {' | '.join(columns)} |")
    print("| --- |" + " --- |" * (1 + len(columns)))
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "torchvision-image-folder"
        image_folder(plain, jpegs)
        put_masks(plain_masks := Path(scratch) / "torchvision-masks", len(jpegs))
        for name in arguments.sources or registry:
            if name not in LAYOUTS:
                print(f"| {name} | no test data for it |" + " |" * len(columns))
                continue
            kind = registry.get(name)
            options = LAYOUTS[name].write(Path(scratch) / name, jpegs)
            source = kind(kind.Options.model_validate(options))
            for masks in (None, plain_masks) if LAYOUTS[name].masks else (None,):
                cells = [
                    compare(source, LAYOUTS[name].crops, plain, masks, workers, arguments.repeats)
                    for workers in WORKERS
                ]
                beside = "" if masks is None else ", against ImageFolder with masks"
                print(f"| {name}{beside} | {source.target_kind} | {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
