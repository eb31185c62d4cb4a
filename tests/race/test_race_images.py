"""The images of a race: its trials and its proof use the same ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from race_cases import FakeTrials, Noise, TwoPatches, race_recipe
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import DataSplits, Identity
from reorder_kit.race import worker
from reorder_kit.race.run_race import RaceRun
from reorder_kit.race.standing import Standing
from reorder_kit.race.worker import Tell
from reorder_kit.testing import host_with


class Named(Identity):
    """The name of an image of a split."""

    def __init__(self, name: str) -> None:
        self._name = name

    @property
    def name(self) -> str:
        return self._name

    def encoded(self) -> bytes:
        return self._name.encode()


class NamedNoise(Noise):
    """Images with names."""

    def __init__(self, split: str, count: int, seed: int) -> None:
        super().__init__(count, seed)
        self.split = split

    def identity(self, index: int) -> Named:
        return Named(f"{self.split}-{index}.png")


class NamedPatches(TwoPatches):
    """Images with names, one of which may be missing."""

    name = "named-patches"
    test_images = 60

    def open(self, seed: int) -> DataSplits:
        counts = {"train": 160, "validation": 60, "test": type(self).test_images}
        splits = [NamedNoise(split, count, place) for place, (split, count) in enumerate(counts.items())]
        return DataSplits(self.image, list("abcd"), *splits)


class DealtBySeed(TwoPatches):
    """Images without names, different for each seed."""

    name = "dealt-by-seed"

    def open(self, seed: int) -> DataSplits:
        splits = [Noise(count, seed + place) for place, count in enumerate((160, 60, 60))]
        return DataSplits(self.image, list("abcd"), *splits)


def silent(what: str) -> None:
    pass


@contextmanager
def untold(standing: Standing) -> Iterator[Tell]:
    yield lambda standing: None


def raced(run: RaceRun) -> None:
    run.begin(silent)
    run.train(None, untold)


def race_of(source: type[TwoPatches], out: Path, seeds: int) -> RaceRun:
    recipe = race_recipe(data={"name": source.name, "batch_size": 80})
    return RaceRun.open(recipe, "planted", host_with(source), 1, seeds, out=out)


def test_a_proof_is_refused_by_name_if_an_image_is_gone_since_the_race(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    FakeTrials(lambda indices: indices.index(1)).install(monkeypatch)
    proven: list[Any] = []

    def stopped(*arguments: Any) -> None:
        proven.append(arguments)
        raise ReorderKitError("stopped before the proof")

    monkeypatch.setattr(worker, "run_in_program", stopped)
    race = tmp_path / "race"
    with pytest.raises(ReorderKitError, match="stopped before the proof"):
        raced(race_of(NamedPatches, race, seeds=1))
    splits = (race / "splits" / "race.jsonl.gz").read_bytes()
    monkeypatch.setattr(NamedPatches, "test_images", 59)
    with pytest.raises(ReorderKitError, match=r"the test images are not those that .*race began.*without test-59\.png"):
        raced(race_of(NamedPatches, race, seeds=1))
    assert len(proven) == 1
    assert (race / "splits" / "race.jsonl.gz").read_bytes() == splits


def test_a_proof_that_would_have_other_images_than_the_race_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match="dealt-by-seed gives different images for each seed"):
        race_of(DealtBySeed, tmp_path / "race", seeds=1).begin(silent)
    without_proof = race_of(DealtBySeed, tmp_path / "race", seeds=0)
    assert without_proof.begin(silent).split is None


def test_a_race_is_not_started_by_a_launcher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = {"RANK": "0", "LOCAL_RANK": "0", "MASTER_ADDR": "localhost", "MASTER_PORT": "29500"}
    for name, value in {**places, "WORLD_SIZE": "2"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ReorderKitError, match="WORLD_SIZE=2: do not start a race"):
        race_of(TwoPatches, tmp_path / "race", seeds=0)
