"""Build models and load weights into them."""

from __future__ import annotations

from pathlib import Path

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.same_classes import difference_of_classes
from reorder_kit.interfaces import NONE, Backbone, Policy, TaskContext
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.model.task_checks import head_of, require_state
from reorder_kit.orders.order import Order
from reorder_kit.recipe.read_yaml import read_recipe_file
from reorder_kit.recipe.settings import WeightsSettings
from reorder_kit.runs.checkpoint import Checkpoint
from reorder_kit.runs.run_folder import RunFolder

MODEL_WEIGHTS, AVERAGED_WEIGHTS = "model.safetensors", "ema.safetensors"
POLICY_WEIGHTS, STATE_WEIGHTS = "policy.safetensors", "state.safetensors"
EVALUATED_WEIGHTS = "evaluated.safetensors"
"""The backbone and head that a task evaluates instead of the model, such as a teacher's."""


def build_model(experiment: Experiment, context: TaskContext, start: Order) -> OrderedModel:
    """A model at the beginning of training.

    Its weights depend only on the recipe's seed, or are those of the run that the recipe takes them from; they never
    depend on order or learner. The global random stream is left unchanged.

    Args:
        experiment: the parts.
        context: what is known about the run.
        start: the order to start from, which is the untrained policy's best order.

    Raises:
        ReorderKitError: if the weights that the recipe names are missing, or belong to another model.
    """
    weights, policy_run = experiment.recipe.train.weights, experiment.recipe.order.weights
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(experiment.recipe.seed)
        backbone = experiment.build_backbone(context.image)
        head = head_of(experiment.task, context)
        policy = experiment.build_policy(start, context.facts, context.classes)
        if weights is not None:
            take_weights({"backbone": backbone, "head": head}, weights, context)
        state = experiment.task.build_state(context, backbone, head)
        require_state(state, experiment.task)
    if policy_run is not None and experiment.learner is not None and experiment.learns:
        take_policy(policy, policy_run, experiment.learner.name)
    return OrderedModel(backbone, policy, head, state)


def take_weights(modules: dict[str, torch.nn.Module], weights: WeightsSettings, context: TaskContext) -> None:
    """Put the final weights of a finished run into parts of a model.

    Args:
        modules: ``backbone`` and ``head``.
        weights: which weights to take, and from which run.
        context: what is known about the run that takes them.

    Raises:
        ReorderKitError: if the run is not finished, its weights belong to another model, or its head has learned other
            classes.
    """
    checkpoint = finished_checkpoint(weights.run)
    if "head" in weights.parts and context.kind != NONE:
        # Outputs are identified only by number, and only the task knows what a number means inside a head.
        difference = difference_of_classes(checkpoint.facts.classes, context.classes)
        if difference is not None:
            raise ReorderKitError(
                f"train.weights: {weights.run}: its head has learned other classes: {difference}",
                "take only the backbone: {run: RUN, parts: [backbone]}",
            )
    try:
        load_parts({name: modules[name] for name in weights.parts}, checkpoint, _evaluated_weights(checkpoint))
    except OtherModelError as error:
        raise ReorderKitError(
            f"train.weights: {weights.run}: the weights belong to another model: {error.first}",
            "give the run of a recipe with the same data and backbone, or name fewer parts",
        ) from None


def take_policy(policy: Policy, run: Path, learner: str) -> None:
    """Continue from what another run's policy has learned, without its running baselines.

    Args:
        policy: as its learner builds it.
        run: the other run.
        learner: name of the policy's learner; another learner's parameters may fit in shape but have another meaning.

    Raises:
        ReorderKitError: if the run is not finished, or has another learner, grid or options.
    """
    hint = "give a run with the same order.learner and grid, or start from its order with order.start: {file: ...}"
    checkpoint = finished_checkpoint(run)
    section = read_recipe_file(RunFolder(run).recipe)["order"]["learner"]  # the recipe belongs to the result
    other = None if section is None else section["name"]
    if other != learner:
        raise ReorderKitError(
            f"order.weights: {run}: the learner of that run is {other or 'none'}, not {learner}", hint
        )
    try:
        load_module(policy, checkpoint, POLICY_WEIGHTS)
    except OtherModelError as error:
        reason = f"order.weights: {run}: the policy belongs to another learner or grid: {error.first}"
        raise ReorderKitError(reason, hint) from None
    policy.reset_baselines()


def finished_checkpoint(run: Path) -> Checkpoint:
    """The last checkpoint of a finished run.

    Raises:
        ReorderKitError: if the run is not finished, or its checkpoint is missing or damaged.
    """
    folder = RunFolder(run)
    folder.read_result()
    checkpoint = folder.checkpoint()
    if checkpoint is None:
        raise ReorderKitError(f"{run} has no checkpoint", "give the folder of a run, such as runs/quickstart")
    return checkpoint


def trained_weights(checkpoint: Checkpoint) -> str:
    """The name of the file with the trained weights, averaged if the recipe averages weights."""
    return AVERAGED_WEIGHTS if checkpoint.holds(AVERAGED_WEIGHTS) else MODEL_WEIGHTS


def _evaluated_weights(checkpoint: Checkpoint) -> str:
    """The name of the file with the weights that are evaluated."""
    return EVALUATED_WEIGHTS if checkpoint.holds(EVALUATED_WEIGHTS) else trained_weights(checkpoint)


class OtherModelError(ReorderKitError):
    """Weights belong to another model.

    Args:
        file: the file of the weights.
        error: the error from torch.
    """

    def __init__(self, file: Path, error: RuntimeError) -> None:
        self.first = str(error).removeprefix("Error(s) in loading state_dict for ").partition("\n\t")[2] or str(error)
        self.first = self.first.partition("\n")[0].strip()
        super().__init__(
            f"{file}: the weights belong to another model: {self.first}",
            "use the plugin versions that the run was trained with, which plugins.json lists",
        )


def load_module(module: torch.nn.Module, checkpoint: Checkpoint, name: str) -> None:
    """Put saved weights into a module.

    Args:
        module: the module.
        checkpoint: holds the weights.
        name: the name of the file.

    Raises:
        OtherModelError: if the weights belong to another module.
        ReorderKitError: if the file is missing or damaged.
    """
    _load(module, checkpoint.tensors(name), checkpoint.path / name)


def load_parts(modules: dict[str, torch.nn.Module], checkpoint: Checkpoint, name: str) -> None:
    """Put saved weights into parts of a model.

    Args:
        modules: ``backbone``, ``head`` or both.
        checkpoint: holds the weights.
        name: the name of the file with both.

    Raises:
        OtherModelError: if the weights belong to another model.
        ReorderKitError: if the file is missing or damaged.
    """
    weights = checkpoint.tensors(name)
    for part, module in modules.items():
        prefix = f"{part}."
        of_part = {name.removeprefix(prefix): value for name, value in weights.items() if name.startswith(prefix)}
        _load(module, of_part, checkpoint.path / name)


def _load(module: torch.nn.Module, weights: dict[str, torch.Tensor], file: Path) -> None:
    try:
        module.load_state_dict(weights)
    except RuntimeError as error:
        raise OtherModelError(file, error) from None


def frozen_parts(backbone: Backbone, head: torch.nn.Module, weights: WeightsSettings | None) -> list[torch.nn.Module]:
    """The parts that are not trained."""
    parts = {"backbone": backbone, "head": head}
    return [] if weights is None else [parts[name] for name in weights.freeze]


def evaluated_parts(trained: OrderedModel, evaluated: OrderedModel) -> dict[str, torch.nn.Module]:
    """The parts to save of the model that a task evaluates; empty if it evaluates the trained model itself."""
    if evaluated.backbone is trained.backbone and evaluated.head is trained.head:
        return {}
    return {"evaluated": torch.nn.ModuleDict({"backbone": evaluated.backbone, "head": evaluated.head})}
