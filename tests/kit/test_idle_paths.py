"""The rule of idle options, within lists and mappings, and with paths that lead nowhere."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pydantic import Field

from reorder_kit.backbones.local import Local
from reorder_kit.interfaces import ComponentOptions, Encoded, ImageShape
from reorder_kit.testing._backbone_facts import idle_options_change_nothing
from reorder_kit.testing.backbone import backbone_case
from wrong import assert_caught


class Part(ComponentOptions):
    used: int = Field(1, description="added")
    idle: int = Field(1, description="not looked at")


class InParts(Local):
    """It adds up the parts that are used."""

    idle = ""

    class Options(Local.Options):
        several: list[Part] = Field([Part(), Part()], description="a list")
        some: tuple[Part, ...] = Field((Part(),), description="a tuple")
        named: dict[str, Part] = Field({"one": Part()}, description="a mapping")
        numbered: dict[int, int] = Field({3: 1, 4: 1}, description="a mapping from numbers, of which 3 is used")

    @classmethod
    def facts(cls, options, image):
        return replace(super().facts(options, image), idle={cls.idle: "so"})

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        options = self.options
        parts = [*options.several, *options.some, *options.named.values()]
        added = sum(part.used for part in parts) + options.numbered[3]
        encoded = super().encode(sequence, start, stop, extra_tokens).sequence
        return Encoded(encoded.with_patches(encoded.patches + added))


def case_of(path):
    wrong = type("InParts", (InParts,), {"idle": path})
    return backbone_case(wrong, {"patch_size": 4, "dim": 8, "heads": 2, "depth": 1}, ImageShape(1, 8, 8))


@pytest.mark.parametrize("path", ["several.1.idle", "some.0.idle", "named.one.idle", "numbered.4"])
def test_an_idle_option_may_lie_within_others(path):
    idle_options_change_nothing(case_of(path))


@pytest.mark.parametrize("path", ["several.1.used", "some.0.used", "named.one.used", "numbered.3"])
def test_one_that_changes_something_is_caught(path):
    assert_caught(idle_options_change_nothing, case_of(path), f"{path} is idle, but 2 changes the output")


OF_LISTS = [
    "several.2.idle",
    "several.-1.idle",
    "several.one",
    "several.idle",
    "some.01.idle",
    "several.0.model_fields",
]
NOWHERE = ["", "named.two", "numbered.5", "dim.0", "window.", "depth.real", "readout.upper", "model_copy", *OF_LISTS]


@pytest.mark.parametrize("path", NOWHERE)
def test_a_path_that_leads_nowhere_is_caught(path):
    assert_caught(idle_options_change_nothing, case_of(path), f"{path!r} is in idle, but is not an option")
