"""A run folder, read for its report."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from reorder_kit.controls import BUILT_IN
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import InRunControl
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.statistics.headline import Headline


@dataclass(frozen=True)
class RunRecord:
    """A finished run.

    Args:
        folder: where it is.
        result: the content of ``result.json``.
        epochs: the lines of ``metrics.jsonl``.
        recipe: the resolved recipe.
        environment: the content of ``environment.json``.
        grid: of the patches.
        start: the order it started from.
        final: the order it ended with; a consensus where each image has its own.
        spread: of a consensus: the mean Kendall distance of the images' orders to it; else None.
    """

    folder: RunFolder
    result: Mapping[str, Any]
    epochs: Sequence[Mapping[str, Any]]
    recipe: Mapping[str, Any]
    environment: Mapping[str, Any]
    grid: Grid
    start: Order
    final: Order
    spread: float | None = None

    @classmethod
    def read(cls, folder: RunFolder) -> RunRecord:
        """Read it.

        Raises:
            ReorderKitError: if the run is not finished, or a file of it is missing or damaged.
        """
        result = folder.read_result()
        stored = OrderFile.load(folder.order)
        lines = _text(folder.metrics).splitlines()
        return cls(
            folder,
            result,
            [_parsed(folder.metrics, line, json.loads) for line in lines],
            _parsed(folder.recipe, _text(folder.recipe), yaml.safe_load),
            _parsed(folder.environment, _text(folder.environment), json.loads),
            stored.grid,
            OrderFile.load(folder.start_order).order,
            stored.order,
            stored.spread,
        )

    @property
    def headline(self) -> str:
        """The metric that counts."""
        return str(self.result["headline"])

    @property
    def metric(self) -> Headline:
        """The same, with its direction."""
        return Headline.of(self.result)

    @property
    def score(self) -> float:
        """The headline metric on test images."""
        return float(self.result["metrics"]["test"][self.headline])

    @property
    def has_learner(self) -> bool:
        """Whether something could change the order."""
        order = self.recipe["order"]
        control = BUILT_IN.get(order.get("control"))
        is_replaced = isinstance(control, InRunControl) and not control.keeps_learner
        return order.get("learner") is not None and not is_replaced

    @property
    def slots(self) -> SlotsRead:
        """How many slots and patches are read."""
        return SlotsRead.from_dict(self.result["order"]["reach"])

    @property
    def is_selection(self) -> bool:
        """Whether some patches cannot reach the readout, so that the order chooses which patches are seen."""
        return self.slots.is_selection

    @property
    def influence(self) -> Sequence[float]:
        """The share of each slot in the gradient of the loss; empty where that does not apply."""
        return [float(share) for share in self.result["order"].get("influence") or ()]

    @property
    def without_influence(self) -> str:
        """Why the influence of slots does not apply; empty where it does."""
        return str(self.result["order"].get("influence_does_not_apply", ""))

    @property
    def influence_note(self) -> str:
        """Which slots influence speaks of, where they are not those of the final order; else empty."""
        return str(self.result["order"].get("influence_note", ""))

    def controls(self) -> dict[str, RunRecord]:
        """The runs trained beside it, as the result names them; those whose folders are gone are left out."""
        beside = {name: RunFolder(self.folder.controls / name) for name in self.result["controls"]}
        return {name: RunRecord.read(folder) for name, folder in beside.items() if folder.is_finished}

    def orders(self) -> dict[int, Order]:
        """The order after each epoch; 0 is the start."""
        found = {0: self.start}
        for line in self.epochs:
            path = self.folder.epoch_order(line["epoch"])
            if path.exists():
                found[line["epoch"]] = OrderFile.load(path).order
        return found

    def saliency(self) -> Mapping[str, Any] | None:
        """What ``reorder-kit saliency`` found; None if it was not asked."""
        path = self.folder.path / "saliency.json"
        if not path.exists():
            return None
        found: Mapping[str, Any] = _parsed(path, _text(path), json.loads)
        if not {"method", "by_slot", "shift"} <= found.keys():
            raise ReorderKitError(f"{path}: not what `reorder-kit saliency` writes", "run it again, or remove the file")
        return found


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError as error:
        raise ReorderKitError(f"{path}: cannot be read: {error.strerror}") from None


def _parsed(path: Path, text: str, parse: Callable[[str], Any]) -> dict[str, Any]:
    try:
        content = parse(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ReorderKitError(f"{path}: cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise ReorderKitError(f"{path}: holds {type(content).__name__} where an object was expected")
    return content
