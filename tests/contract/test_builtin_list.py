"""Every component file is a built-in plugin, and every component has a description."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from typing import get_args

import pydantic
import pytest

import reorder_kit
from reorder_kit.host import builtin
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ComponentOptions

PACKAGE = Path(reorder_kit.__file__).parent
HOST = PluginHost(third_party=False)
COMPONENTS = [
    pytest.param(kind, registry.get(name), id=f"{kind} {name}")
    for kind, registry in HOST.registries.items()
    for name in registry
]


def modules_with_hooks():
    """Files in which a top-level function is marked."""
    for file in PACKAGE.rglob("*.py"):
        if re.search(r"^@hookimpl", file.read_text(), re.MULTILINE):
            yield ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)


def test_every_file_with_a_hook_is_a_built_in_plugin_and_no_other():
    assert sorted(modules_with_hooks()) == sorted(builtin.MODULES)


def test_there_are_built_ins_of_every_kind_but_trackers():
    assert [kind for kind, registry in HOST.registries.items() if not len(registry)] == ["trackers"]


def test_every_built_in_loads():
    assert [(record.name, record.reason) for record in HOST.plugins if record.status != "ok"] == []
    assert all(record.provides or record.hooks for record in HOST.plugins)


@pytest.mark.parametrize(("kind", "component"), COMPONENTS)
def test_a_component_says_what_it_is(kind, component):
    doc = component.__dict__.get("__doc__") or ""
    first_paragraph = inspect.cleandoc(doc).split("\n\n")[0]
    assert first_paragraph.endswith((".", ")")), "the docstring starts with whole sentences"


@pytest.mark.parametrize(("kind", "component"), COMPONENTS)
def test_a_component_lives_in_a_file_of_its_own_with_a_docstring(kind, component):
    module = inspect.getmodule(component)
    assert module.__doc__
    assert (
        len([other for _, other in (param.values for param in COMPONENTS) if inspect.getmodule(other) is module]) == 1
    )
    assert module.__name__.split(".")[1] == kind.replace("-", "_")


@pytest.mark.parametrize(("kind", "component"), COMPONENTS)
def test_every_option_is_described_and_unknown_ones_are_errors(kind, component):
    for options in option_models(component.Options):
        assert issubclass(options, ComponentOptions)
        assert options.model_config["extra"] == "forbid"
        undescribed = [name for name, field in options.model_fields.items() if not (field.description or "").strip()]
        assert undescribed == [], options


def option_models(model):
    """A model and the models its fields hold."""
    yield model
    for field in model.model_fields.values():
        for kind in (field.annotation, *get_args(field.annotation)):
            if isinstance(kind, type) and issubclass(kind, pydantic.BaseModel):
                yield from option_models(kind)


@pytest.mark.parametrize(("kind", "component"), COMPONENTS)
def test_what_others_published_names_its_source(kind, component):
    without_a_source = {
        "row",
        "column",
        "boustrophedon",
        "diagonal",
        "spiral",
        "center-out",
        "random",
        "custom",
        "raced",
        "image-folder",
        "pixels",
        "pixel-deviation",
        "influence-matched",
    }
    without_a_source |= {"multi-label-csv", "multi-label-folder"}
    doc = f"{inspect.getmodule(component).__doc__}\n{component.__doc__}"
    assert component.name in without_a_source or re.search(r"https://|\b(19|20)\d\d\b", doc)
