"""Randomly damaged files: each is read, or refused with a message, in bounded memory and time.

A case is reproducible by its number; `make fuzz` tries more of them.
"""

from __future__ import annotations

import json
import resource
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import save

from campaign import SEED, cases
from mutations import mutated
from pictures_in_sources import encoded
from reorder_kit.data.decoding import Decoding
from reorder_kit.data.image_file import Picture, read_image
from reorder_kit.data.mask_file import MaskedFile, ValueLegend
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.recorded_data import open_data
from reorder_kit.interfaces import Unreadable
from reorder_kit.layers.vq_vae import VqConfig, VqVae
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.checking import check_study
from reorder_kit.testing import host_with
from tests.helpers import tiny_data

SECONDS, MEGABYTES, LETTERS = 20, 700, 20_000
"""Limits per case: seconds on a slow machine, additional memory of a process, and characters of a message."""
NOISE = np.random.default_rng(0).integers(0, 256, (12, 8, 3), dtype=np.uint8)
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def host() -> Any:
    return host_with()


@contextmanager
def bounded(case: str) -> Iterator[None]:
    """A case, which is named if it fails or exceeds a limit."""
    began, before = time.monotonic(), _peak()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # decoders warn about repairs
            yield
    except ReorderKitError as error:
        if not 0 < len(str(error)) < LETTERS:
            raise AssertionError(f"{case}: a message of {len(str(error))} letters") from error
    except Exception as error:
        raise AssertionError(f"{case}: {type(error).__name__}: {error}") from error
    assert time.monotonic() - began < SECONDS, f"{case}: it took {time.monotonic() - began:.0f} s"
    assert _peak() - before < MEGABYTES, f"{case}: it took {_peak() - before:.0f} MB"


def _peak() -> float:
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def try_files(name: str, data: bytes, file: Path, read: Callable[[Path], object], usual: int) -> None:
    """Read a file unchanged and after random mistakes."""
    file.write_bytes(data)
    read(file)
    for number in range(cases(usual)):
        wrong, how = mutated(Random(f"{name} {SEED} {number}"), data)
        file.write_bytes(wrong)
        with bounded(f"{name}, case {number} ({how})"):
            read(file)


def _wide() -> bytes:
    return encoded(Image.fromarray(NOISE[..., 0].astype(np.uint16) * 257))


PICTURES = {
    "PNG": encoded(NOISE),
    "JPEG": encoded(NOISE, "JPEG"),
    "GIF": encoded(Image.fromarray(NOISE).quantize(), "GIF"),
    "BMP": encoded(NOISE, "BMP"),
    "TIFF": encoded(NOISE, "TIFF"),
    "TIFF-LZW": encoded(NOISE, "TIFF", compression="tiff_lzw"),
    "WEBP": encoded(NOISE, "WEBP"),
    "PPM": encoded(NOISE, "PPM"),
    "RGBA": encoded(np.concatenate([NOISE, NOISE[..., :1]], axis=2)),
    "16-BIT": _wide(),
}


@pytest.mark.parametrize("kind", PICTURES)
def test_pictures(kind: str, tmp_path: Path) -> None:
    decoding = Decoding(channels=3, most_pixels=10_000)

    def read(file: Path) -> None:
        found = read_image(str(file), decoding)
        assert isinstance(found, (Picture, Unreadable))
        if isinstance(found, Picture):
            assert found.pixels.dtype == torch.uint8
            assert found.pixels.shape[0] == 3
            assert found.pixels[0].numel() <= 10_000

    try_files(kind, PICTURES[kind], tmp_path / "picture", read, 40)


def test_masks(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(PICTURES["PNG"])
    legend = ValueLegend([0, 1], [255])

    def read(file: Path) -> None:
        found = MaskedFile(str(tmp_path / "picture"), Decoding(3, most_pixels=10_000), str(file), legend).read()
        if not isinstance(found, Unreadable):
            assert set(found.target.unique().tolist()) <= {0, 1, 255}

    try_files("mask", encoded(NOISE[..., 0] > 127), tmp_path / "mask.png", read, 60)


@pytest.mark.parametrize("source", tiny_data.SOURCES, ids=str)
def test_data(source: tiny_data.TinySource, host: Any, tmp_path: Path) -> None:
    """Any file of a folder of data: images, annotations, tables, lists, shards."""
    root = tmp_path / "data"
    images = {f"image-{number}": tiny_data.pixels(f"image-{number}") for number in range(8)}
    source.fill(root, images)
    recipe = {
        "format_version": 1,
        "name": "wrong",
        "data": source.data(root, batch_size=4, most_pixels=10_000),
        "task": source.task,
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2},
    }
    experiment = compose(recipe, host, "wrong")
    files = sorted(path for path in root.rglob("*") if path.is_file() and path.suffix != ".arrow")
    annotations = [file for file in files if file.suffix not in (".png", ".jpg")] or files

    def read() -> None:
        splits = open_data(experiment, RunFolder(tmp_path / "run"), tmp_path / "splits").splits
        for samples in (splits.train, splits.validation, splits.test):
            for index in range(len(samples)):
                sample = samples[index]
                assert isinstance(sample, Unreadable) or sample.image.isfinite().all()

    read()
    for number in range(cases(25)):
        random = Random(f"{source} {SEED} {number}")
        file = random.choice(random.choice([files, annotations, annotations]))
        data = file.read_bytes()
        wrong, how = mutated(random, data)
        file.write_bytes(wrong)
        with bounded(f"{source}, case {number} ({how} of {file.relative_to(root)})"):
            read()
        file.write_bytes(data)


@pytest.mark.parametrize("recipe", ["quickstart", "vit_reinforce"])
def test_recipes(recipe: str, host: Any, tmp_path: Path) -> None:
    data = (ROOT / "recipes" / f"{recipe}.yaml").read_bytes()
    try_files(recipe, data, tmp_path / "recipe.yaml", lambda file: compose(read_recipe_file(file), host, "wrong"), 60)


def test_studies(host: Any, tmp_path: Path) -> None:
    data = (ROOT / "studies" / "quick.yaml").read_bytes()
    try_files(
        "study",
        data,
        tmp_path / "study.yaml",
        lambda file: check_study(read_recipe_file(file), host, "wrong", tmp_path),
        40,
    )


def test_order_files(tmp_path: Path) -> None:
    consensus = {"is_consensus": True, "spread": 0.25, "examples": [[0, 1, 2, 3]]}
    data = json.dumps({"name": "mine", "grid": [2, 2], "order": [3, 1, 0, 2], **consensus}).encode()

    def read(file: Path) -> None:
        found = OrderFile.load(file)
        assert len(set(found.order.indices.tolist())) == len(found.order) <= found.grid.num_patches

    try_files("order file", data, tmp_path / "order.json", read, 150)


def test_orders_in_safetensors(tmp_path: Path) -> None:
    data = save({"indices": torch.tensor([[2, 0, 1]]), "num_patches": torch.tensor(3)})
    try_files("order", data, tmp_path / "order.safetensors", Order.load, 100)


def test_orders_in_numpy_files(tmp_path: Path) -> None:
    np.save(tmp_path / "order.npy", np.array([3, 1, 0, 2]))
    try_files("npy order", (tmp_path / "order.npy").read_bytes(), tmp_path / "order.npy", Order.load, 100)


def test_vq_vaes(tmp_path: Path) -> None:
    VqVae(VqConfig(channels=1, height=2, width=2, codes=2, dim=2, hidden=2)).save(tmp_path / "vq")
    try_files("VQ-VAE", (tmp_path / "vq").read_bytes(), tmp_path / "vq", VqVae.load, 60)


def test_yaml_of_random_values(tmp_path: Path) -> None:
    content = {"a": [1, 2.5, True, None, "text", {"b": "2020-01-01", "c": [[]]}]}
    try_files("YAML", yaml.safe_dump(content).encode(), tmp_path / "a.yaml", read_recipe_file, 150)
