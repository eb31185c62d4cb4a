"""Colors of classes."""

from __future__ import annotations

from collections.abc import Iterable

COLOURS = (
    # The palette of Okabe and Ito (2008), without the black.
    "#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7",
    # Each is perceptually as far as possible from those before it: at least as far as those are apart.
    "#7F00FF", "#000075", "#00FF7F", "#FF007F", "#F032E6", "#00FFFF", "#808000",
    "#800000", "#4363D8", "#33A02C", "#AAFFC3", "#7A0177", "#9A6324", "#FF9999", "#8DB600",
)  # fmt: skip


def colours_of(classes: Iterable[int]) -> dict[int, str]:
    """A color for each class, all different as long as there are enough; mostly the same in every picture.

    Args:
        classes: numbers of the classes that are shown.
    """
    found: dict[int, str] = {}
    ahead = sorted(set(classes))
    while ahead:
        free, waiting = dict.fromkeys(range(len(COLOURS))), []
        for number in ahead:
            own = number % len(COLOURS)
            if own in free:
                del free[own]
                found[number] = COLOURS[own]
            else:
                waiting.append(number)
        given = dict(zip(waiting, free, strict=False))
        found |= {number: COLOURS[place] for number, place in given.items()}
        ahead = waiting[len(given) :]
    return found
