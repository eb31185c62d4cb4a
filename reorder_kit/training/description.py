"""The files written into a run folder before training begins."""

from __future__ import annotations

from pathlib import Path

from accelerate import Accelerator

from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.providers import write_plugins
from reorder_kit.experiment.recorded_data import OpenedData
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.recipe.write_yaml import write_yaml
from reorder_kit.runs.fitted_record import FittedRecord
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.beginning import Beginning
from reorder_kit.training.environment import describe_environment
from reorder_kit.whole_file import write_unless_same


def write_description(
    experiment: Experiment,
    beginning: Beginning,
    data: OpenedData,
    split_file: Path,
    folder: RunFolder,
    accelerator: Accelerator,
    host: PluginHost,
) -> None:
    """Write the description of a run and of its data.

    Args:
        experiment: the parts.
        beginning: what was determined before the model was built.
        data: its images.
        split_file: the file for their names.
        folder: the run folder.
        accelerator: the device.
        host: the available plugins.
    """
    environment = describe_environment(str(accelerator.device))
    environment = environment.model_copy(update={"folder": str(folder.path.absolute())})
    folder.path.mkdir(parents=True, exist_ok=True)
    # The recipe comes first, because a run with a recipe can be resumed. A run that is resumed before its first
    # checkpoint replaces what has changed, and keeps the rest.
    write_unless_same(folder.recipe, write_yaml(experiment.resolved(), str(folder.recipe)))
    data.write(folder, split_file)
    write_plugins(folder, host)
    environment.write(folder.environment)
    FittedRecord(fitted=dict(beginning.context.fitted), measured=beginning.measured).write(folder.fitted)
