"""Controls, one per file. Each file holds everything its control changes, and its wording."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, get_args

from reorder_kit.controls._checks import NamedControls, misfits_of_controls, named_controls
from reorder_kit.controls.fixed_start import FixedStart
from reorder_kit.controls.learned_static import LearnedStatic
from reorder_kit.controls.null_reward import NullReward
from reorder_kit.controls.other_image import OtherImage
from reorder_kit.controls.other_image_same_class import OtherImageSameClass
from reorder_kit.controls.random_fixed import RandomFixed
from reorder_kit.controls.random_per_batch import RandomPerBatch
from reorder_kit.controls.shuffled_targets import ShuffledTargets
from reorder_kit.errors import ComponentError, ReorderKitError, quoted
from reorder_kit.interfaces import Task
from reorder_kit.interfaces.component import NAMES_ARE, is_name
from reorder_kit.interfaces.control import Control, Need

_BUILT_IN = (
    FixedStart(),
    LearnedStatic(),
    NullReward(),
    RandomFixed(),
    RandomPerBatch(),
    ShuffledTargets(),
    OtherImage(),
    OtherImageSameClass(),
)
BUILT_IN: Mapping[str, Control] = MappingProxyType({control.name: control for control in _BUILT_IN})
"""The controls that come with the package, by name."""


def controls_of(task: Task) -> dict[str, Control]:
    """The controls that a recipe with this task can name, by name: the built-in ones, then the task's own.

    Raises:
        ReorderKitError: if the task has a control whose name is taken, or that has an unknown need.
    """
    known = dict(BUILT_IN)
    found: Any = task.controls()
    if not isinstance(found, Sequence) or not all(isinstance(each, Control) for each in found):
        raise ComponentError(task.kind.name, task.name, "controls did not return a list of controls")
    for control in found:
        name: Any = getattr(control, "name", None)
        if not is_name(name):
            reason = f"its control {type(control).__name__} has an invalid name, {quoted(name)}"
            raise ComponentError(task.kind.name, task.name, reason, NAMES_ARE)
        if not isinstance(getattr(control, "words", None), str):
            raise ComponentError(task.kind.name, task.name, f"its control {name!r} has no words", "describe it")
        if control.name in known:
            raise ReorderKitError(f"task {task.name!r} has a control {control.name!r}, but that name is taken")
        if unknown := sorted(control.needs - set(get_args(Need))):
            raise ReorderKitError(
                f"control {control.name!r} of task {task.name!r} needs {unknown[0]!r}, which is not a known need",
                f"known: {', '.join(get_args(Need))}",
            )
        known[control.name] = control
    return known


__all__ = [
    "BUILT_IN",
    "FixedStart",
    "LearnedStatic",
    "NamedControls",
    "NullReward",
    "OtherImage",
    "OtherImageSameClass",
    "RandomFixed",
    "RandomPerBatch",
    "ShuffledTargets",
    "controls_of",
    "misfits_of_controls",
    "named_controls",
]
