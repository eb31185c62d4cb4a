"""The worst class, which a headline metric can hide."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from reorder_kit.statistics.headline import Headline

if TYPE_CHECKING:
    from reorder_kit.runs.figures import Figures

_NAMED = 5


def describe_worst_class(figures: Figures, headline: Headline) -> list[str]:
    """Name the class a model is worst at, and classes without a score; empty if no figure is per class.

    Args:
        figures: the figures of a split; ``per_class`` has a number for each class, None if no image has the class.
        headline: tells whether higher is better.
    """
    # Imported on first use because it loads torch.
    from reorder_kit.runs.figures import is_number

    by_class = figures.root.get("per_class")
    if not isinstance(by_class, Mapping):
        return []
    measured = {name: value for name, value in by_class.items() if is_number(value)}
    missing = [name for name in by_class if name not in measured]
    lines = []
    if len(measured) > 1:
        worst = (min if headline.higher_is_better else max)(measured, key=measured.__getitem__)
        lines.append(f"Worst of {len(measured)} classes: {worst}, {measured[worst]:.3f}.")
    if missing:
        more = f" and {len(missing) - _NAMED} more" if len(missing) > _NAMED else ""
        lines.append(f"Not measured because no image has them: {', '.join(missing[:_NAMED])}{more}.")
    return lines
