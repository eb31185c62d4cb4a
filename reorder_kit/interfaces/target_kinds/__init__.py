"""Kinds of targets that come with the package, one per file. Each says what a target of its kind is."""

from reorder_kit.interfaces.target_kind import TargetKind
from reorder_kit.interfaces.target_kinds.boxes import BOXES
from reorder_kit.interfaces.target_kinds.caption import CAPTION
from reorder_kit.interfaces.target_kinds.class_number import CLASS
from reorder_kit.interfaces.target_kinds.mask import MASK
from reorder_kit.interfaces.target_kinds.multi_label import MULTI_LABEL
from reorder_kit.interfaces.target_kinds.none import NONE

BUILT_IN: tuple[TargetKind, ...] = (CLASS, MULTI_LABEL, BOXES, MASK, CAPTION, NONE)
"""All of them. A plugin's own kinds need no registration."""

__all__ = ["BOXES", "BUILT_IN", "CAPTION", "CLASS", "MASK", "MULTI_LABEL", "NONE"]
