"""Playback of an order over the epochs of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.reports.decimals import decimal
from reorder_kit.reports.images import OpenedRun, Picture
from reorder_kit.reports.palette import spectrum, text_on
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.epoch_record import EpochRecord

_NUMBERS_OF_A_TRACK = 20_000  # slots times steps; more would make the page too large


@dataclass(frozen=True)
class Step:
    """The order at one epoch.

    Args:
        epoch: 0 for the start.
        order: the patch in each slot.
        words: a description of it.
    """

    epoch: int
    order: Sequence[int]
    words: str


@dataclass(frozen=True)
class Track:
    """The orders of a run.

    Args:
        label: name of the run.
        grid: rows and columns of patches.
        steps: the orders, by epoch.
        reached: for each number of slots, whether each slot can reach the readout; empty if that is not known or all
            do.
        pictures: images to draw the path over.
        note: an explanation of how to read it.
    """

    label: str
    grid: tuple[int, int]
    steps: Sequence[Step]
    reached: Mapping[int, Sequence[bool]]
    pictures: Sequence[Picture]
    note: str

    def as_dict(self) -> dict[str, Any]:
        """The data for the page's script; of the pictures only the words, since runs share the images."""
        colors = spectrum(max(len(step.order) for step in self.steps))
        return {
            "label": self.label,
            "grid": list(self.grid),
            "colors": colors,
            "inks": [text_on(color) for color in colors],
            "reached": {slots: list(reached) for slots, reached in self.reached.items()},
            "pictures": [picture.words for picture in self.pictures],
            "note": self.note,
            "steps": [{"epoch": step.epoch, "order": list(step.order), "words": step.words} for step in self.steps],
        }


@dataclass(frozen=True)
class Player:
    """Plays the orders of one or more runs.

    Args:
        tracks: at least one.
        caption: what the player shows.
    """

    tracks: Sequence[Track]
    caption: str

    kind = "player"

    @property
    def pictures(self) -> dict[str, Picture]:
        """All pictures, each once."""
        return {picture.source: picture for track in self.tracks for picture in track.pictures}

    def as_dict(self) -> dict[str, Any]:
        """The data for the page's script."""
        sources = list(self.pictures)
        tracks = []
        for track in self.tracks:
            places = [sources.index(picture.source) for picture in track.pictures]
            tracks.append({**track.as_dict(), "sources": places})
        return {"sources": sources, "tracks": tracks}


def track_of(record: RunRecord, label: str, opened: OpenedRun | str) -> Track | None:
    """The track of a run; None for a video, which is not a single picture.

    Args:
        record: the run.
        label: name of the run on the page.
        opened: its data, or the reason why it is missing.
    """
    if record.grid.frames > 1:
        return None
    orders = record.orders()
    written = {each.epoch: each for each in record.epochs}
    steps = [
        Step(epoch, orders[epoch].indices.tolist(), _words(written.get(epoch), record.headline))
        for epoch in _spread(list(orders), len(record.start))
    ]
    notes = [_selection(record)] if record.is_selection else []
    if record.spread is not None:
        notes.append(f"Consensus orders: {words_of_spread(record.spread)} at the end.")
    if isinstance(opened, str):
        return Track(label, _shape(record), steps, {}, [], " ".join([*notes, f"No image is shown: {opened}."]))
    is_known = record.slots.reached is not None and record.is_selection
    reached = {slots: opened.reached(slots) for slots in {len(step.order) for step in steps}} if is_known else {}
    return Track(label, _shape(record), steps, reached, opened.pictures(), " ".join(notes))


def player_of(tracks: Sequence[Track | None], caption: str) -> list[Player]:
    """A player for the tracks that exist; empty if there are none."""
    found = [track for track in tracks if track is not None]
    return [Player(found, caption)] if found else []


def _shape(record: RunRecord) -> tuple[int, int]:
    return record.grid.height, record.grid.width


def _selection(record: RunRecord) -> str:
    slots = record.slots
    pale = "; the pale ones are not read" if slots.reached is not None and slots.reached < slots.of else ""
    return f"Selection: {slots.words}{pale}."


def _spread(epochs: list[int], num_slots: int) -> list[int]:
    """All epochs, or as many as fit on a page, including the first and the last."""
    most = max(2, _NUMBERS_OF_A_TRACK // num_slots)
    if len(epochs) <= most:
        return epochs
    return [epochs[place] for place in np.linspace(0, len(epochs) - 1, most).round().astype(int)]


def _words(record: EpochRecord | None, headline: str) -> str:
    if record is None:
        return "the starting order"
    order = record.order
    said = [
        record.phase,
        f"validation {headline} {record.validation.score(headline):.3f}",
        f"Kendall tau to the start {decimal(order.kendall_tau_to_start, 2)}",
    ]
    if order.spread is not None:
        said.append(f"distance between the images' orders {decimal(order.spread, 3)}")
    return " · ".join(said)
