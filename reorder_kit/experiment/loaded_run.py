"""A trained run, opened again."""

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
    """The trained model of a run with all that is needed to use it.

    Args:
        folder: the run folder.
        experiment: the parts.
        context: what its task was told.
        model: in evaluation mode, with the weights that were trained, averaged where the recipe averages.
        progress: where training stood at the checkpoint.
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
        """Load a run onto the CPU; its data is not touched.

        Args:
            path: the run folder.
            host: where its components come from; the installed plugins if not given.
            places: where its data is now, if it is elsewhere, as ``[("data.root", "/data/photos")]``.
            allow_download: let its data source fetch what is not there, once its data is opened. Weights are never
                fetched from elsewhere: those of the run are in its checkpoint.

        Raises:
            ReorderKitError: if the folder holds no checkpoint, one of another format, or one that cannot be read; if a
                plugin is missing; if a place is none; if its backbone cannot be built without a download.
        """
        folder = RunFolder(Path(path))
        checkpoint = folder.checkpoint()
        if checkpoint is None:
            raise ReorderKitError(f"{path} holds no checkpoint", "give the folder of a run, as in runs/quickstart")
        experiment = reopen(folder, host or PluginHost.from_environment(), places, allow_download)
        untrained = experiment.without_downloads()
        saved = checkpoint.facts
        facts = untrained.facts(saved.image)
        if facts.downloads:
            raise ReorderKitError(
                f"{path}: backbone {experiment.backbone.name!r} downloads weights, though those of the run are here",
                "its author has to say in without_downloads() how it is built without",
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
        # A finished search stays finished, also where the model is trained on.
        model.policy.advance(progress)
        return cls(folder, experiment, context, model.eval(), progress)

    def on(self, device: torch.device | str) -> Self:
        """The same run with its model on another device."""
        self.model.to(device)
        return replace(self, context=replace(self.context, device=device))

    @property
    def evaluated_model(self) -> OrderedModel:
        """What evaluation and export read: the model, or what its task takes for it, such as a teacher."""
        return for_evaluation(self.experiment.task, self.model)
