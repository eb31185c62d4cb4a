"""Validate refuses exactly what a run refuses before its first step: random recipes with any components."""

from __future__ import annotations

import functools
import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, event, example, given, note, settings
from hypothesis import strategies as st

from campaign import CASES, cases
from made_results import ENVIRONMENT, figures, run_result
from odd_components import OddPlugin
from reorder_kit.cli import validate as command
from reorder_kit.data import scene_drawing as _scene_drawing
from reorder_kit.data_sources import digits, scenes
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment import compose as composing
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.doubts import doubts
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.validate import validate
from reorder_kit.interfaces import prior as priors
from reorder_kit.orders.checksums import digest_of
from reorder_kit.runs.result import RunResult
from reorder_kit.testing import host_with
from reorder_kit.training import description
from reorder_kit.training import run as running
from reorder_kit.training.trainer import Trainer

HOST = host_with(OddPlugin())
EMBEDDED = ("digits", "scenes", "planted-chain", "shapes")
# Options that keep a component small, and values other than the defaults. All other options are varied by their schema.
SMALL: dict[str, dict[str, Any]] = {
    "digits": {"validation_images": 4},
    "scenes": {"image_size": 32, "train_images": 20, "validation_images": 4, "test_images": 4},
    "planted-chain": {"train_images": 20, "validation_images": 4, "test_images": 4},
    "vit": {"dim": 8, "heads": 2, "depth": 2},
    "timm": {"model": "test_vit"},
    "local": {"dim": 8, "heads": 2},
    "longformer": {"dim": 8, "heads": 2, "depth": 2},
    "arm": {"dim": 8, "depth": 2, "state": 2},
    "hierarchical": {"dim": 8},
    "mamba": {"dim": 8, "depth": 2, "state": 2},
    "mamba2": {"dim": 8, "depth": 2, "state": 2, "head_dim": 4},
    "gated-deltanet": {"dim": 8, "depth": 2, "heads": 2},
    "recurrent": {"dim": 8, "depth": 2},
    "sparse": {"dim": 8, "heads": 2, "depth": 2},
    "transformer-xl": {"dim": 8, "heads": 2, "depth": 2},
    "vmamba": {"dim": 8, "depths": [1, 1]},
    "violin": {"dim": 8, "heads": 2, "depth": 2},
}
# Named models, large ones and files are too expensive; sizes of splits are those above.
LEFT_ALONE = {"model", "pretrained", "model_args", "size", "file", "train_images", "validation_images", "test_images"}
LEFT_ALONE |= {"image_size", "digit_size", "patch_size", "grid", "start"}


@functools.cache
def schema_of(kind: str, name: str) -> tuple[dict[str, Any], dict[str, Any]]:
    schema = HOST.registries[kind].get(name).Options.model_json_schema()
    return schema.get("properties", {}), schema.get("$defs", {})


class Values:
    """Values of a JSON schema.

    Args:
        definitions: what it refers to.
        beyond: how far beyond its bounds.
    """

    def __init__(self, definitions: dict[str, Any], beyond: int) -> None:
        self.definitions, self.beyond = definitions, beyond

    def of(self, schema: dict[str, Any]) -> st.SearchStrategy[Any]:
        if "$ref" in schema:
            return self.of(self.definitions[schema["$ref"].rpartition("/")[2]])
        if "anyOf" in schema:
            return st.one_of([self.of(each) for each in schema["anyOf"]])
        if "enum" in schema:
            return st.sampled_from([*schema["enum"], *["unheard-of"] * self.beyond])
        match schema.get("type"):
            case "boolean":
                return st.booleans()
            case "integer":
                low, high = self._bounds(schema, 1)
                first = int(low or 0) - self.beyond
                return st.integers(first, first + 5 if high is None else min(first + 5, int(high) + self.beyond))
            case "number":
                low, high = self._bounds(schema, 0.01)
                ends = [end for end in (low, high) if end is not None]
                inside = [value for value in (0.5, 1, 2.5) if (low or 0) <= value <= (2.5 if high is None else high)]
                outside = [end + sign for end in ends for sign in (-1, 1) if self.beyond]
                return st.sampled_from([*inside, *ends, *outside])
            case "array" if "prefixItems" in schema:
                return st.tuples(*map(self.of, schema["prefixItems"])).map(list)
            case "array":
                return st.lists(self.of(schema.get("items", {})), max_size=3)
            case "object":
                fields = schema.get("properties", {})
                return st.fixed_dictionaries({}, optional={key: self.of(each) for key, each in fields.items()})
            case _:
                return st.just(schema.get("const", schema.get("default")))

    def _bounds(self, schema: dict[str, Any], step: float) -> tuple[float | None, float | None]:
        low, high = schema.get("minimum"), schema.get("maximum")
        if "exclusiveMinimum" in schema:
            low = schema["exclusiveMinimum"] + step
        if "exclusiveMaximum" in schema:
            high = schema["exclusiveMaximum"] - step
        return low, high


@st.composite
def sections(draw: st.DrawFn, kind: str, name: str, most: int = 2) -> dict[str, Any]:
    """A component with up to this many random options."""
    properties, definitions = schema_of(kind, name)
    varied = sorted(set(properties) - LEFT_ALONE)
    chosen = draw(st.lists(st.sampled_from(varied), max_size=most, unique=True)) if varied else []
    drawn = Values(definitions, beyond=int(draw(SELDOM)))
    return {"name": name, **SMALL.get(name, {}), **{option: draw(drawn.of(properties[option])) for option in chosen}}


SELDOM = st.sampled_from([False] * 19 + [True])


def named(kind: str) -> st.SearchStrategy[str]:
    return st.sampled_from(sorted(set(HOST.registries[kind]) - {"custom", "raced"}))


def mostly(*usual: Any, beside: tuple[Any, ...]) -> st.SearchStrategy[Any]:
    """One of the first, or rarely one of the others."""
    return SELDOM.flatmap(lambda seldom: st.sampled_from(beside if seldom else usual))


@st.composite
def recipes(draw: st.DrawFn) -> dict[str, Any]:
    data = draw(sections("data-sources", draw(st.sampled_from(EMBEDDED)), 1))
    data["batch_size"] = draw(mostly(4, 16, beside=(0,)))
    if data["name"] == "planted-chain":
        data["grid"] = draw(mostly([4, 4], [2, 3], [1, 2], beside=([3, 3],)))
    elif draw(st.integers(0, 5)) == 5:
        data["plant"] = {"order": draw(mostly("random", "hilbert", "leaping", beside=("nothing",)))}
    backbone = draw(sections("backbones", draw(named("backbones"))))
    sizes = {"planted-chain": [1], "digits": [2, 4, 8], "scenes": [8, 16], "shapes": [1, 2]}[data["name"]]
    backbone["patch_size"] = draw(mostly(*sizes, beside=(3,)))
    order: dict[str, Any] = {"start": draw(starts())}
    if draw(st.integers(0, 4)):
        order["learner"] = draw(learners())
    task = draw(tasks(data["name"]))
    controls: list[str] = []
    if draw(st.integers(0, 5)) == 5:
        order["control"] = draw(mostly("random-fixed", "random-per-batch", "null-reward", beside=("fixed-start",)))
    else:
        usual = ["random-fixed", "shuffled-targets", "random-per-batch"]
        usual += ["fixed-start", "learned-static"] if "learner" in order else []
        usual += ["shorter", "other-learner"] if task["name"] == "demanding" else []
        few = st.lists(mostly(*usual, beside=("null-reward", "other-image", "learned-static")), max_size=2, unique=True)
        controls = draw(few)
    epochs, steps = mostly(1, 2, 3, 7, 60, beside=(0, 2.5, None)), st.sampled_from([1, 5, 12, 60])
    length = st.one_of(*[st.fixed_dictionaries({"epochs": epochs})] * 3, st.fixed_dictionaries({"steps": steps}))
    return {
        "format_version": 1,
        "name": "random",
        "data": data,
        "task": task,
        "backbone": backbone,
        "order": order,
        "controls": controls,
        "train": {
            "device": "cpu",
            "precision": draw(mostly("auto", "fp32", beside=("fp16",))),
            "accumulate": draw(st.sampled_from([1, 1, 3])),
            "ema_decay": draw(mostly(None, 0.9, beside=(1.0,))),
            **draw(length),
        },
    }


@st.composite
def starts(draw: st.DrawFn) -> Any:
    if draw(st.integers(0, 9)) == 0:
        return {"prior": draw(sections("priors", draw(named("priors"))))}
    return draw(sections("orderings", draw(named("orderings"))))


@st.composite
def learners(draw: st.DrawFn) -> dict[str, Any]:
    name = draw(st.one_of(named("order-learners"), st.sampled_from(["odd", "rewarded"])))
    learner = draw(sections("order-learners", name))
    properties, _ = schema_of("order-learners", name)
    if "search_epochs" in properties:
        phases = {
            "search": st.sampled_from(["while-training", "then-retrain", "then-retrain"]),
            "warmup_epochs": st.sampled_from([None, 0, 0.5, 1, 5]),
            "search_epochs": st.sampled_from([None, 0, 1, 1.5, 2, 55]),
        }
        learner |= draw(st.fixed_dictionaries({}, optional=phases))
    elif "before" in properties:
        learner["before"] = draw(mostly([0], [0, 1], beside=([1], [], [0, 0], [0, 5])))
    return learner


@st.composite
def tasks(draw: st.DrawFn, data: str) -> dict[str, Any]:
    fitting = {"scenes": sorted(HOST.tasks)}.get(data, ["classification", "demanding", "demanding"])
    return draw(sections("tasks", draw(st.sampled_from(fitting))))


class Untrained:
    """A host's runs without the slow parts: no step is taken, and nothing is evaluated."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        patch.setattr(Trainer, "train", lambda self: None)
        patch.setattr(Trainer, "evaluate", lambda self, *arguments, **options: figures(images=0))
        patch.setattr(description, "describe_environment", lambda device: ENVIRONMENT)
        patch.setattr(running, "_finish", self._finish)
        patch.setattr(priors, "PRIOR_IMAGES", 2)
        for module in (digits, scenes, _scene_drawing):
            if hasattr(module, "load_digits"):
                patch.setattr(module, "load_digits", functools.cache(module.load_digits))

    @staticmethod
    def _finish(trainer: Any, experiment: Any, splits: Any, folder: Any, *others: Any) -> RunResult:
        result = run_result().model_copy(update={"files": {folder.recipe.name: digest_of(folder.recipe)}})
        result.write(folder.result)
        return result


@pytest.fixture(scope="module")
def untrained():
    with pytest.MonkeyPatch.context() as patch:
        yield Untrained(patch)


def refusal_of_run(content: dict[str, Any]) -> ReorderKitError | None:
    """Why a run, including its controls, is refused; None if it reaches its first step."""
    folder = Path(tempfile.mkdtemp(dir=os.environ.get("PYTEST_TMP")))
    try:
        running.run_experiment(compose(content, HOST, "random"), HOST, folder / "run")
    except ReorderKitError as error:
        return error
    finally:
        shutil.rmtree(folder)
    return None


def refusal_of_unchecked_run(content: dict[str, Any]) -> ReorderKitError | None:
    """The same without the compatibility checks of validate: what the run itself would notice."""
    with pytest.MonkeyPatch.context() as patch:
        for check in ("misfits_of_phases", "misfits_of_parts", "misfits_of_orders"):
            patch.setattr(composing, check, lambda *arguments: [])
        return refusal_of_run(content)


def check(content: dict[str, Any]) -> None:
    """Validate and run agree."""
    note(json.dumps(content))
    experiment, invalid = composed(content)
    if experiment is None:
        refused = refusal_of_unchecked_run(content)
        event("the run refuses it, too" if type(refused) is ReorderKitError else "not composed")
        assert refused is not None, f"only validate refuses it: {invalid}"
        return
    doubts(experiment)
    command._summary(experiment)
    refused = refusal_of_run(content)
    if refused is not None and _only_data_tells(content, refused):
        event("only data tells")
        return
    event("runs")
    assert refused is None, f"only a run refuses it: {refused}"


def composed(content: dict[str, Any]) -> tuple[Experiment | None, RecipeError | None]:
    try:
        return validate(content, HOST, "random"), None
    except RecipeError as error:
        return None, error


def _only_data_tells(content: dict[str, Any], refused: ReorderKitError) -> bool:
    """The shape of images that a source does not say; how many images and classes there are."""
    if content["data"].get("is_known") is False or "task.positive_weights has" in refused.message:
        return True
    return "steps" in content["train"] and "raise train.steps" in str(refused.hint)


def retraining(**learner: Any) -> dict[str, Any]:
    return {
        "format_version": 1,
        "name": "random",
        "data": {"name": "digits", "batch_size": 600},
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "heads": 2},
        "order": {"learner": {"name": "softsort", "search": "then-retrain", **learner}},
        "controls": ["fixed-start"],
        "train": {"epochs": 60, "device": "cpu"},
    }


@pytest.mark.usefixtures("untrained")
@given(recipes())
@example(retraining(search_epochs=55))
@example(retraining(warmup_epochs=None))
@settings(max_examples=cases(60), deadline=None, derandomize=not CASES, suppress_health_check=list(HealthCheck))
def test_recipes_at_random(content):
    check(content)


@pytest.mark.slow
@pytest.mark.usefixtures("untrained")
@given(recipes())
@settings(max_examples=500, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
def test_many_recipes_at_random(content):
    check(content)
