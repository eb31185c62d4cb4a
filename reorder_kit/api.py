"""What the package offers to Python programs, beside the classes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float
from pydantic import ValidationError
from torch import Tensor, nn

from reorder_kit.backbones.vit import Vit
from reorder_kit.errors import RecipeError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.experiment.loaded_run import LoadedRun
from reorder_kit.host.installed import installed_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import Batch, Features
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.recipe.library import read_recipe
from reorder_kit.recipe.overrides import override
from reorder_kit.recipe.problems import problems_of

if TYPE_CHECKING:
    from timm.models.vision_transformer import VisionTransformer

    from reorder_kit.runs.result import RunResult


def run(
    recipe: str | Path | Mapping[str, Any],
    overrides: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    host: PluginHost | None = None,
) -> RunResult:
    """Train a recipe and return what came out; ``as_dict()`` is the content of its ``result.json``.

    >>> result = run("quickstart", {"train.epochs": 3})  # doctest: +SKIP
    >>> result.metrics.test["top1"], result.order.final[:4]  # doctest: +SKIP

    Args:
        recipe: a file, the name of a shipped recipe, or a recipe's content.
        overrides: new values by dotted field path.
        out: the run folder; ``runs/<name>`` or the next free one like it if not given.
        resume: go on with a run that was stopped.
        host: the plugins; all installed ones if not given.

    Raises:
        ReorderKitError: if something about recipe, data or run folder is wrong.
    """
    # Imported on first use: accelerate and timm take seconds, and not everyone who asks for an order trains.
    from reorder_kit.training.run import run_experiment

    host = host or PluginHost.from_environment()
    content, source = (recipe, "recipe") if isinstance(recipe, Mapping) else read_recipe(str(recipe))
    experiment = compose(override(content, (overrides or {}).items()), host, source)
    return run_experiment(experiment, host, None if out is None else Path(out), resume)[1]


def order(name: str, height: int, width: int, host: PluginHost | None = None, **options: Any) -> Order:
    """The order that an ordering gives for a grid.

    >>> order("snake", 2, 2).indices.tolist()
    [0, 1, 2, 3]

    Args:
        name: of the ordering.
        height: rows of patches.
        width: columns of patches.
        host: the plugins; all installed ones if not given.
        options: of the ordering, such as ``reverse=True``.

    Raises:
        ReorderKitError: if there is no such ordering or option.
    """
    host = host or installed_plugins()
    ordering = host.orderings.get(name)
    try:
        checked = ordering.Options.model_validate(options, context={"host": host})
    except ValidationError as error:
        raise RecipeError(problems_of(error, ordering.Options), f"ordering {name!r}") from None
    return ordering(checked).order(Grid(height, width))


def load_run(
    path: str | Path,
    host: PluginHost | None = None,
    places: Mapping[str, Any] | None = None,
    allow_download: bool = False,
) -> LoadedRun:
    """The trained model of a run, in evaluation mode, on the CPU, with its task, recipe and progress.

    Args:
        path: the run folder.
        host: the plugins; all installed ones if not given.
        places: where its data is now, if it is elsewhere, as ``{"data.root": "/data/photos"}``.
        allow_download: let its data source fetch what is not there when the data is opened.

    Raises:
        ReorderKitError: if the folder holds no checkpoint, one of another format, or one that cannot be read.
    """
    return LoadedRun.open(path, host, tuple((places or {}).items()), allow_download)


def wrap(model: VisionTransformer, order: Order | str) -> nn.Module:
    """A timm VisionTransformer that reads its patches in an order; images to the same outputs as before.

    Args:
        model: the model; its weights are shared, not copied.
        order: the order, or the name of an ordering.

    Raises:
        ReorderKitError: if the order does not fit the model's grid.
    """
    if hasattr(model, "head_dist"):
        raise ReorderKitError("a distilled model has a second head, which reads a second token", "wrap one without it")
    backbone = Vit.from_timm(model)
    grid = backbone.grid
    if isinstance(order, str):
        host = installed_plugins()
        ordering = host.orderings.get(order)
        order = ordering(ordering.Options.model_validate({}, context={"host": host})).order(grid)
    if not order.is_static or order.num_patches != grid.num_patches:
        raise ReorderKitError(f"{order!r} is no static order of the model's {grid} grid of {grid.num_patches} patches")
    return _Outputs(OrderedModel(backbone, FixedOrder(order), _TimmHead(model)))


class _TimmHead(nn.Module):
    """The classifier of a timm model, without registering its other parts a second time."""

    def __init__(self, model: VisionTransformer) -> None:
        super().__init__()
        self.head = model.head

    def forward(self, features: Features) -> Float[Tensor, "batch output"]:
        outputs: Float[Tensor, "batch output"] = self.head(features.summary())
        return outputs


class _Outputs(nn.Module):
    """Only the outputs of an ordered model, as other code expects of a model."""

    def __init__(self, model: OrderedModel) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Float[Tensor, "batch channel height width"]) -> torch.Tensor:
        outputs: torch.Tensor = self.model(Batch(images)).outputs
        return outputs
