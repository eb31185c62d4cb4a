"""Greedy choice of the patches that explain a target best."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from reorder_kit.ops.folded_ridge import each_fold

Criterion = Literal["squared-error", "accuracy"]

_TIE = 1e-9  # as a share of the squared targets: smaller differences of gains are rounding
_MOST_NUMBERS = 2**24  # in memory at once while patches are compared by accuracy


@dataclass(frozen=True)
class Selection:
    """Patches in the order in which they were chosen.

    Args:
        patches: the first one explains most by itself.
        unexplained: the held-out squared error after each choice, as a share of the squared targets.
        right: the share of held-out rows whose class is predicted correctly after each choice; None without single
            classes.
    """

    patches: list[int]
    unexplained: list[float]
    right: list[float] | None


def greedy_ridge(
    features: Float[Tensor, "row patch feature"],
    targets: Float[Tensor, "row target"],
    folds: Int[Tensor, " row"],
    penalty: float,
    frequency: Float[Tensor, " target"] | None = None,
    criterion: Criterion = "squared-error",
) -> Selection:
    """Choose patches one by one, each so that a ridge regression on all chosen ones has the least held-out error.

    Every fold is held out once. Among equal patches, the first one is chosen; patches whose features are all 0 come
    last. By accuracy, patches with equally many correct rows are compared by squared error. What the chosen patches
    explain is removed from the others by block Cholesky steps, so that all patches together cost about as much as a few
    regressions on all of them.

    Source: Miller, "Selection of Subsets of Regression Variables", 1984, https://doi.org/10.2307/2981576, section 2
    (forward selection, here of blocks, with ridge and held-out error).

    Args:
        features: features of each patch, centered, float64.
        targets: centered, float64.
        folds: the fold of each row.
        penalty: the factor of the sum of squared weights, above 0.
        frequency: frequency of each class, if targets are one-hot rows minus this; used for the accuracy.
        criterion: what each choice optimizes: the held-out squared error, or the number of correctly predicted rows.

    Raises:
        ValueError: if the criterion is accuracy and there is no frequency.
    """
    if criterion == "accuracy" and frequency is None:
        raise ValueError("accuracy can be computed only if each row has one class")
    parts = [_Fold(features, targets, held_out, penalty) for held_out in each_fold(folds)]
    total = float(targets.square().sum())
    varies = features.ne(0).any(dim=2).any(dim=0).tolist()
    remaining = list(range(features.shape[1]))
    chosen: list[int] = []
    unexplained: list[float] = []
    right: list[float] = []
    while remaining:
        gains = _sum([part.gains() for part in parts]).tolist()
        places = [place for place, patch in enumerate(remaining) if varies[patch]] or list(range(len(remaining)))
        if criterion == "accuracy" and frequency is not None:
            rights = torch.stack([part.right_with(frequency) for part in parts]).sum(dim=0).tolist()
            most = max(rights[place] for place in places)
            places = [place for place in places if rights[place] == most]
        place = _best(remaining, gains, places, _TIE * total)
        patch = remaining[place]
        for part in parts:
            part.take(place, features[:, patch])
        remaining[place] = remaining[-1]
        remaining.pop()
        chosen.append(patch)
        unexplained.append(sum(part.error for part in parts) / total if total > 0 else 1.0)
        if frequency is not None:
            right.append(sum(part.right(frequency) for part in parts) / len(targets))
    return Selection(chosen, unexplained, None if frequency is None else right)


def single_patches(
    features: Float[Tensor, "row patch feature"],
    targets: Float[Tensor, "row target"],
    folds: Int[Tensor, " row"],
    penalty: float,
) -> Float[Tensor, " patch"]:
    """The share of the squared targets that each patch explains by itself, in held-out rows.

    Negative if a patch explains nothing and its noise misleads. The arguments are those of :func:`greedy_ridge`.
    """
    gains = _sum([_Fold(features, targets, held_out, penalty).gains() for held_out in each_fold(folds)])
    total = targets.square().sum()
    return gains / total if total > 0 else torch.zeros_like(gains)


def _sum(of_folds: list[Float[Tensor, " patch"]]) -> Float[Tensor, " patch"]:
    return torch.stack(of_folds).sum(dim=0)


def _best(remaining: list[int], gains: list[float], places: list[int], tie: float) -> int:
    """The place with the highest gain; among equal gains, the one with the first patch."""
    most = max(gains[place] for place in places)
    equal = [place for place in places if gains[place] >= most - tie]
    return min(equal, key=lambda place: remaining[place])


class _Fold:
    """The regression that is evaluated on one fold.

    Let W map a vector to its residual after a ridge regression on the chosen patches, and X be the features of a patch.
    This keeps W X of every remaining patch, in fitted and held-out rows, and the small products that give the gain of a
    patch: over fitted rows X'WX + penalty and X'WY, over held-out rows (WX)'(WX) and (WX)'(WY). A chosen patch is
    dropped; the last one takes its place.
    """

    def __init__(
        self,
        features: Float[Tensor, "row patch feature"],
        targets: Float[Tensor, "row target"],
        held_out: Bool[Tensor, " row"],
        penalty: float,
    ) -> None:
        self._rows = torch.cat([(~held_out).nonzero(), held_out.nonzero()]).flatten()
        self._fitted = int((~held_out).sum())
        self._width = features.shape[2]
        rest = features[self._rows]
        self._rest = rest.flatten(1)
        self._targets = targets[self._rows]
        self._open = self._targets.clone()
        fitted, judged = (part.transpose(0, 1) for part in rest.tensor_split([self._fitted]))
        self._system = fitted.transpose(1, 2) @ fitted + penalty * torch.eye(self._width, dtype=features.dtype)
        self._right = fitted.transpose(1, 2) @ self._open[: self._fitted]
        self._squares = judged.transpose(1, 2) @ judged
        self._judged = judged.transpose(1, 2) @ self._open[self._fitted :]

    @property
    def error(self) -> float:
        """The squared error of held-out rows."""
        return float(self._open[self._fitted :].square().sum())

    def right(self, frequency: Float[Tensor, " target"]) -> int:
        """The number of held-out rows whose class is predicted correctly."""
        told, classes = self._told_and_classes(frequency)
        return int((told.argmax(dim=1) == classes).sum())

    def right_with(self, frequency: Float[Tensor, " target"]) -> Int[Tensor, " patch"]:
        """The number of held-out rows whose class would be predicted correctly with each remaining patch."""
        told, classes = self._told_and_classes(frequency)
        weights = torch.linalg.solve(self._system, self._right)
        judged = self._by_patch(self._rest[self._fitted :])
        at_once = max(1, _MOST_NUMBERS // told.numel())
        counts = [
            ((told + some @ of_some).argmax(dim=2) == classes).sum(dim=1)
            for some, of_some in zip(torch.split(judged, at_once), torch.split(weights, at_once), strict=True)
        ]
        return torch.cat(counts)

    def _told_and_classes(
        self, frequency: Float[Tensor, " target"]
    ) -> tuple[Float[Tensor, "row target"], Int[Tensor, " row"]]:
        """The predictions for the held-out rows so far, and the class of each."""
        targets, left = self._targets[self._fitted :], self._open[self._fitted :]
        return targets - left + frequency, (targets + frequency).argmax(dim=1)

    def gains(self) -> Float[Tensor, " patch"]:
        """The decrease of the held-out squared error with each remaining patch."""
        weights = torch.linalg.solve(self._system, self._right)
        gains: Float[Tensor, "patch own target"] = 2 * weights * self._judged - weights * (self._squares @ weights)
        return gains.sum(dim=(1, 2))

    def take(self, place: int, features: Float[Tensor, "row feature"]) -> None:
        """Choose the patch in a place.

        Args:
            place: its place among the remaining patches.
            features: the original features of that patch.
        """
        width, fitted = self._width, self._fitted
        own = self._rest[:, place * width : (place + 1) * width].clone()
        cross = features[self._rows[:fitted]].T @ self._rest[:fitted]
        judged_cross = own[fitted:].T @ self._rest[fitted:]
        steps = torch.linalg.solve(self._system[place], cross)
        weights = torch.linalg.solve(self._system[place], self._right[place])
        squares, judged = self._squares[place].clone(), self._judged[place].clone()
        self._rest.addmm_(own, steps, alpha=-1)
        self._open.addmm_(own, weights, alpha=-1)

        step, shared, judged_shared = (self._by_patch(rows) for rows in (steps, cross, judged_cross))
        transposed = step.transpose(1, 2)
        self._system -= shared.transpose(1, 2) @ step
        self._right -= shared.transpose(1, 2) @ weights
        mixed = transposed @ judged_shared
        self._squares += transposed @ squares @ step - mixed - mixed.transpose(1, 2)
        self._judged += transposed @ (squares @ weights - judged) - judged_shared.transpose(1, 2) @ weights
        self._drop(place)

    def _by_patch(self, rows: Float[Tensor, "own column"]) -> Float[Tensor, "patch own feature"]:
        return rows.reshape(len(rows), -1, self._width).transpose(0, 1)

    def _drop(self, place: int) -> None:
        last, width = len(self._system) - 1, self._width
        self._rest[:, place * width : (place + 1) * width] = self._rest[:, last * width : (last + 1) * width]
        self._rest = self._rest[:, : last * width]
        for name in ("_system", "_right", "_squares", "_judged"):
            values = getattr(self, name)
            values[place] = values[last]
            setattr(self, name, values[:last])
