"""A study at several training lengths: how a recipe gets another length, and how it is called."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from reorder_kit.errors import Problem, RecipeError
from reorder_kit.recipe.settings import TrainSettings

USUAL = 1.0
"""The length that the recipe says."""


def lengthened(content: Mapping[str, Any], length: float) -> dict[str, Any]:
    """The recipe as if it said so many times its epochs or steps.

    The step size decays over the longer run. What a recipe gives in epochs, such as a warm-up or the phases of a
    learner, stays.

    Args:
        content: a recipe as plain data; where its length is a mistake, that is left to those who check it.
        length: how many times as long.

    Raises:
        RecipeError: if that is no whole number of epochs or steps.

    >>> lengthened({"train": {"epochs": 60, "device": "cpu"}}, 0.5)
    {'train': {'epochs': 30, 'device': 'cpu'}}
    """
    train = content.get("train", {})
    if length == USUAL or not isinstance(train, Mapping):
        return dict(content)
    unit = "steps" if train.get("steps") is not None else "epochs"
    count: Any = train.get(unit, TrainSettings.model_fields[unit].default)
    if type(count) is not int:
        return dict(content)
    longer = count * length
    if not math.isclose(longer, round(longer), rel_tol=1e-9) or round(longer) < 1:
        reason = f"{length:g} times {count} {unit} are {longer:g}, which is no whole number of {unit}"
        raise RecipeError([Problem("lengths", reason, f"give multiples of 1/{count}, such as 1")], "the study")
    return {**content, "train": {**train, unit: round(longer)}}


def folder_of(length: float) -> str | None:
    """The folder of the rows of a length; None of the usual one, whose rows need none.

    >>> folder_of(4.0), folder_of(1.0)
    ('length-4', None)
    """
    return None if length == USUAL else f"{FOLDER}{length:g}"


FOLDER = "length-"


def words_of(length: float) -> str:
    """For headings and sentences.

    >>> words_of(4.0), words_of(0.5)
    ('4x training', '0.5x training')
    """
    return f"{length:g}x training"
