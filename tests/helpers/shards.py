"""Small shards for tests, whose images are identified by color."""

from __future__ import annotations

import tarfile
from collections.abc import Iterable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from reorder_kit.data_sources.webdataset import WebDataset
from reorder_kit.interfaces import CLASS, DataSplits, SampleSet, TargetKind

Member = tuple[str, bytes]


def picture(value: int | np.ndarray, size: tuple[int, int] = (8, 8)) -> bytes:
    """An encoded image; of one plain color, which identifies it, if that is a number."""
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
    """Images with these colors and classes."""
    return [
        member
        for colour, label in labels.items()
        for member in ((f"{colour:03}.png", picture(colour)), (f"{colour:03}.cls", f"{label}\n".encode()))
    ]


def open_shards(root: Path, kind: TargetKind = CLASS, **options: Any) -> DataSplits:
    plain = {"image_size": 8, "train_transforms": [], "mean": (0,) * 3, "std": (1 / 255,) * 3}
    splits = {"train": "train*.tar", "validation": "val.tar", "test": "test.tar"}
    given = {name: value for name, value in {**plain, **splits, **options}.items() if value is not None}
    return WebDataset(WebDataset.Options(root=root, **given), kind).open(seed=0)


def content(samples: SampleSet) -> list[tuple[int, Any]]:
    """(color, target) of every image."""
    return [
        (round(image[0, 0, 0].item()), target) for image, target, *_ in map(samples.__getitem__, range(len(samples)))
    ]


def fill_root(root: Path) -> Path:
    """Two shards for training, and one for each of the other splits."""
    write(root / "train-000.tar", classed({1: 0, 2: 1}))
    write(root / "train-001.tar", classed({3: 2, 4: 0, 5: 1}))
    write(root / "val.tar", classed({6: 0}))
    write(root / "test.tar", classed({7: 2, 8: 1}))
    return root
