"""A trained run, loaded again."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.building import (
    POLICY_WEIGHTS,
    STATE_WEIGHTS,
    build_model,
    load_module,
    load_parts,
    trained_weights,
)
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.reopening import Places, reopen
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import TaskContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.ordered_model import OrderedModel, for_evaluation
from reorder_kit.runs.run_folder import RunFolder


@dataclass(frozen=True, eq=False)
class LoadedRun:
    """The trained model of a run, with everything needed to use it.

    Args:
        folder: the run folder.
        experiment: the parts.
        context: its task's context.
        model: the model in evaluation mode, with the trained weights, averaged if the recipe averages weights.
        progress: the progress of training at the checkpoint.
    """

    folder: RunFolder
    experiment: Experiment
    context: TaskContext
    model: OrderedModel
    progress: Progress

    @classmethod
    def open(
        cls, path: str | Path, host: PluginHost | None = None, places: Places = (), allow_download: bool = False
    ) -> Self:
        """Load a run onto the CPU, without opening its data.

        Args:
            path: the run folder.
            host: provides its components; the installed plugins if not given.
            places: new locations of its data, such as ``[("data.root", "/data/photos")]``.
            allow_download: let its data source download missing files when its data is opened. Weights are never
                downloaded, because the run's weights are in its checkpoint.

        Raises:
            ReorderKitError: if the folder has no checkpoint, or one that has another format or cannot be read; if a
                plugin is missing; if a place is invalid; if its backbone cannot be built without a download.
        """
        folder = RunFolder(Path(path))
        checkpoint = folder.checkpoint()
        if checkpoint is None:
            raise ReorderKitError(f"{path} has no checkpoint", "give the folder of a run, such as runs/quickstart")
        experiment = reopen(folder, host or PluginHost.from_environment(), places, allow_download)
        untrained = experiment.without_downloads()
        saved = checkpoint.facts
        facts = untrained.facts(saved.image)
        if facts.downloads:
            raise ReorderKitError(
                f"{path}: backbone {experiment.backbone.name!r} downloads weights, although the run's weights are here",
                "its author must implement without_downloads() to build it without them",
            )
        context = TaskContext(
            facts=facts,
            image=saved.image,
            kind=experiment.kind,
            classes=saved.classes,
            fitted=folder.read_fitted(),
        )
        start = folder.read_start()
        if experiment.trials is not None:  # its policy keeps an order, which is in the checkpoint
            experiment, untrained = experiment.settled(start), untrained.settled(start)
        model = build_model(untrained, context, start)
        load_parts({"backbone": model.backbone, "head": model.head}, checkpoint, trained_weights(checkpoint))
        load_module(model.policy, checkpoint, POLICY_WEIGHTS)
        if model.state is not None:
            load_module(model.state, checkpoint, STATE_WEIGHTS)
        epochs = experiment.recipe.train.epochs_of(saved.steps_per_epoch)
        progress = experiment.phases(epochs).locate(Progress(saved.step, saved.steps_per_epoch, epochs))
        # A finished search stays finished, even if the model is trained further.
        model.policy.advance(progress)
        return cls(folder, experiment, context, model.eval(), progress)

    def on(self, device: torch.device | str) -> Self:
        """The same run with its model on another device."""
        self.model.to(device)
        return replace(self, context=replace(self.context, device=device))

    @property
    def evaluated_model(self) -> OrderedModel:
        """The model for evaluation and export: the trained one, or its task's replacement, such as a teacher."""
        return for_evaluation(self.experiment.task, self.model)
