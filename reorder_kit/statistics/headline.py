"""The headline metric: which direction is better, and whether its differences are points."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Headline:
    """A headline metric.

    >>> error = Headline("mse", higher_is_better=False)
    >>> error.gain(0.25, reference=0.75), error.are_shares([0.25, 0.75]), str(error)
    (0.5, False, 'mse (lower is better)')

    Args:
        name: name of the metric.
        higher_is_better: whether a higher value is better.
    """

    name: str
    higher_is_better: bool = True

    def gain(self, score: float, reference: float) -> float:
        """By how much a score is better than another; negative if it is worse."""
        return score - reference if self.higher_is_better else reference - score

    def are_shares(self, scores: Iterable[float]) -> bool:
        """Whether differences of these scores are given in points (hundredths), like those of an accuracy.

        An error between 0 and 1 may have any scale, so its differences are not points.
        """
        return self.higher_is_better and all(0 <= score <= 1 for score in scores)

    @property
    def difference(self) -> str:
        """The heading of a column of gains."""
        return "difference" if self.higher_is_better else "better by"

    def __str__(self) -> str:
        """The name, with the direction if lower is better."""
        return self.name if self.higher_is_better else f"{self.name} (lower is better)"


def signed(gain: float, are_shares: bool) -> str:
    """A gain with its sign: in points, or plain.

    >>> signed(-0.0625, are_shares=True), signed(0.25, are_shares=False)
    ('-6.2 points', '+0.250')
    """
    scaled, digits, unit = (100 * gain, 1, " points") if are_shares else (gain, 3, "")
    return f"{round(scaled, digits) + 0.0:+.{digits}f}{unit}"  # no -0.0
