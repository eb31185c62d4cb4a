"""The cases of the planted benchmark: data and models for which the value of an order is known or can be measured."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from reorder_kit.errors import ReorderKitError, did_you_mean

SCRAMBLED, UNDONE = "scrambled", "undone"
"""The scrambled order that hides the answer of a case, and the answer."""

RESTORED, IN_TRUE_IMAGE = "restored neighbors", "adjacency in the true image"
"""What neighboring slots are checked for: patches that are neighbors in the hidden order, or in the image."""

_RANDOM = {"name": "random"}


@dataclass(frozen=True, eq=False)
class Case:
    """A recipe without seed and order, and the orders to compare learners with.

    Args:
        name: name of the case in the command.
        about: a description in one line.
        sections: the recipe's sections except ``order``.
        grid: grid of patches, (height, width).
        seeded: fields of the recipe that get the seed of the run, so that every seed hides a different order.
        orders: fixed orders to train for comparison, by name, as a recipe's ``order.start``; None is the known answer.
            ``random`` is a different order for each seed.
        starts: the names of orders that learners start from.
        neighbours: what neighboring slots are checked for.
    """

    name: str
    about: str
    sections: Mapping[str, Any]
    grid: tuple[int, int]
    seeded: tuple[str, ...]
    orders: Mapping[str, Mapping[str, str] | None]
    starts: tuple[str, ...]
    neighbours: str = IN_TRUE_IMAGE

    @property
    def is_chain(self) -> bool:
        """Whether only neighbors in the hidden order count."""
        return self.neighbours == RESTORED

    @property
    def has_answer(self) -> bool:
        """Whether some order undoes the scramble; for images, another order may be even better."""
        return UNDONE in self.orders


def _chain(
    side: int, batch_size: int, steps_per_epoch: int, epochs: int, lr: float = 1e-2, init_scale: float = 1.0
) -> Case:
    """Local attention over neighboring slots only. With fewer than four heads it may settle on half of the products.

    In a random order of many patches, few hidden neighbors meet. What weights learn from so few is drowned in noise
    unless the model is far from linear at the start and takes small steps.
    """
    return Case(
        name=f"chain-{side * side}",
        about=f"planted chain of {side * side} patches; local attention over neighbors, every slot is read",
        sections={
            "data": {
                "name": "planted-chain",
                "grid": [side, side],
                "train_images": batch_size * steps_per_epoch,
                "batch_size": batch_size,
            },
            "backbone": {
                "name": "local",
                "patch_size": 1,
                "window": 1,
                "causal": True,
                "depth": 1,
                "dim": 16,
                "heads": 4,
                "positions": "none",
                "readout": "mean",
                "init_scale": init_scale,
            },
            "optimizer": {"lr": lr, "weight_decay": 0.0},
            "schedule": {"warmup_epochs": 1},
            "train": {"epochs": epochs, "clip_grad": 5.0, "device": "cpu"},
        },
        grid=(side, side),
        seeded=("data.order_seed",),
        orders={SCRAMBLED: _RANDOM, UNDONE: None},
        starts=(SCRAMBLED,),
        neighbours=RESTORED,
    )


def _digits(backbone: Mapping[str, Any], side: int, epochs: int, plant: bool) -> dict[str, Any]:
    data: dict[str, Any] = {"name": "digits", "batch_size": 100}
    return {
        "data": {**data, "plant": {"order": "random"}} if plant else data,
        "backbone": {**backbone, "patch_size": 8 // side, "depth": 2, "dim": 32, "readout": "last"},
        "optimizer": {"lr": 3e-3, "weight_decay": 0.03},
        "schedule": {"warmup_epochs": 1},
        "train": {"epochs": epochs, "clip_grad": 5.0, "device": "cpu"},
    }


def _scrambled(side: int, backbone: Mapping[str, Any]) -> Case:
    return Case(
        name=f"digits-{side}x{side}-{backbone['name']}",
        about=f"digits, {side}x{side} patches scrambled; {backbone['name']} network, every slot is read",
        sections=_digits(backbone, side, epochs=30, plant=True),
        grid=(side, side),
        seeded=("data.plant.seed",),
        orders={SCRAMBLED: {"name": "row"}, UNDONE: None},
        starts=(SCRAMBLED,),
    )


_RECURRENT = {"name": "recurrent"}
_MAMBA = {"name": "mamba", "state": 4, "bidirectional": False}
_RULES = ("row", "column", "hilbert", "spiral")

SELECTION = Case(
    name="selection",
    about="digits, 4x4 patches; local attention with window 2 that reads only the last slots",
    sections=_digits({"name": "local", "window": 2, "causal": True}, side=4, epochs=150, plant=False),
    grid=(4, 4),
    seeded=(),
    orders={**{rule: {"name": rule} for rule in _RULES}, "random": _RANDOM},
    starts=("row", "random"),
)

CASES: Mapping[str, Case] = {
    case.name: case
    for case in (
        _chain(side=4, batch_size=256, steps_per_epoch=50, epochs=24),
        _chain(side=8, batch_size=256, steps_per_epoch=100, epochs=15, lr=3e-3, init_scale=3.0),
        _chain(side=14, batch_size=64, steps_per_epoch=200, epochs=8, lr=3e-3, init_scale=3.0),
        _scrambled(4, _RECURRENT),
        _scrambled(4, _MAMBA),
        _scrambled(8, _RECURRENT),
        _scrambled(8, _MAMBA),
        SELECTION,
    )
}


def cases_named(names: Sequence[str]) -> list[Case]:
    """Cases by name, each once.

    Raises:
        ReorderKitError: if a case does not exist.
    """
    for name in names:
        if name not in CASES:
            raise ReorderKitError(f"unknown case {name!r}", did_you_mean(name, CASES))
    return [CASES[name] for name in dict.fromkeys(names)]
