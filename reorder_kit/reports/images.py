"""Facts about a run that are not in its folder: images of its data, and the slots that its model reads."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.recorded_data import reopen_data
from reorder_kit.experiment.reopening import Places, reopen
from reorder_kit.figures.predictions import displayable
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import DataSplits, Sample
from reorder_kit.reports.record import RunRecord

PICTURES = 4
_LONGEST_SIDE = 256  # pixels; larger images would make the page too large
_WIDEST, _HEAVY = 1600, 400_000  # pixels and bytes of a picture from the run folder


@dataclass(frozen=True)
class Picture:
    """An image embedded in the page.

    Args:
        words: what it shows.
        source: a ``data:`` URI of a PNG.
    """

    words: str
    source: str


@dataclass(frozen=True)
class OpenedRun:
    """A run with its data.

    Args:
        experiment: the parts of the run.
        splits: its images.
    """

    experiment: Experiment
    splits: DataSplits

    @classmethod
    def open(cls, record: RunRecord, host: PluginHost, places: Places = ()) -> OpenedRun:
        """Open a run with its data.

        Args:
            record: the run.
            host: the plugins.
            places: where its data is now, if it has moved.

        Raises:
            ReorderKitError: if its data or a plugin is missing, or the data has other classes.
        """
        experiment = reopen(record.folder, host, places)
        return cls(experiment, reopen_data(experiment, record.folder).splits)

    def pictures(self) -> list[Picture]:
        """A few test images as the model sees them, spread over the split."""
        samples = self.splits.test
        chosen = torch.linspace(0, len(samples) - 1, min(PICTURES, len(samples))).round().int().tolist()
        with torch.random.fork_rng(devices=[]):
            found = [(index, samples[index]) for index in chosen]
        return [
            Picture(self._words(index, sample), _png(sample.image))
            for index, sample in found
            if isinstance(sample, Sample)
        ]

    def reached(self, num_slots: int) -> list[bool]:
        """Whether each slot can reach the readout."""
        if self.experiment.task.is_dense:
            return [True] * num_slots
        with torch.random.fork_rng(devices=[]):
            backbone = self.experiment.without_downloads().build_backbone(self.splits.image)
        reached: list[bool] = backbone.reach(num_slots).tolist()
        return reached

    def _words(self, index: int, sample: Sample) -> str:
        target: Any = sample.target
        name = f" ({self.splits.classes[target]})" if isinstance(target, int) else ""
        return f"test image {index}{name}"


def open_if_there(record: RunRecord, host: PluginHost, places: Places = ()) -> OpenedRun | str:
    """A run with its data, or the reason why it could not be opened; the report then has no images.

    Args:
        record: the run.
        host: the plugins.
        places: where its data is now, if it has moved.

    Raises:
        ReorderKitError: if it cannot be opened although a place was given.
    """
    if places:
        return OpenedRun.open(record, host, places)
    try:
        return OpenedRun.open(record, host)
    except ReorderKitError as error:
        return error.message.splitlines()[0]


def drawn_before(path: Path) -> str | None:
    """A picture from the run folder as a ``data:`` URI, scaled down if it is large; None if there is none.

    Args:
        path: a PNG file. One that cannot be read counts as missing.
    """
    try:
        with Image.open(path) as opened:
            picture = opened.convert("RGB")
    except (OSError, ValueError):
        return None
    picture.thumbnail((_WIDEST, 100 * _WIDEST))
    out = io.BytesIO()
    picture.save(out, format="PNG", optimize=True)
    if out.tell() <= _HEAVY:
        return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    out = io.BytesIO()
    picture.save(out, format="JPEG", quality=85)
    return f"data:image/jpeg;base64,{base64.b64encode(out.getvalue()).decode()}"


def _png(image: Any) -> str:
    pixels = (displayable(image) * 255).round().byte().numpy()
    picture = Image.fromarray(pixels)
    # Keep the pixels of small images square; a browser would blur them.
    factor = _LONGEST_SIDE // max(picture.size)
    if factor > 1:
        picture = picture.resize((factor * picture.width, factor * picture.height), Image.Resampling.NEAREST)
    picture.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    out = io.BytesIO()
    picture.save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
