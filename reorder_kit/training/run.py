"""A recipe from start to end: the run, its controls, and the result."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from accelerate import Accelerator

from reorder_kit.analysis.influence import SlotInfluence
from reorder_kit.analysis.reach_doubt import reach_doubt
from reorder_kit.data.data_loading import require_samples, steps_of_epoch
from reorder_kit.experiment.beside import compose_beside
from reorder_kit.experiment.doubts import doubts_of_phases
from reorder_kit.experiment.experiment import Experiment
from reorder_kit.experiment.memory import refuse_hopeless
from reorder_kit.experiment.recorded_data import OpenedData, data_key, open_data, reopen_data
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import DataSplits, EvaluatedControl
from reorder_kit.interfaces.run_events import RunInfo
from reorder_kit.model.one_pass import SeveralPassesError
from reorder_kit.orders.npy_file import write_npy
from reorder_kit.runs.result import ControlMetrics, ControlResult, Reach, RunMetrics, RunOrder, RunResult
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.beginning import begin, on_one_process
from reorder_kit.training.beside import evaluate_beside
from reorder_kit.training.claim import claim_begun, claim_in_program, claim_new, claimed
from reorder_kit.training.description import write_description
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.encoder_cost import encoder_cost
from reorder_kit.training.failing_machine import resumable
from reorder_kit.training.image_scores import ImageScores
from reorder_kit.training.learned_order_score import score_learned_order
from reorder_kit.training.order_log import order_file
from reorder_kit.training.order_summary import OrderSummary
from reorder_kit.training.planted import planted_figures
from reorder_kit.training.predictions import predict_some
from reorder_kit.training.retraining import check_phases
from reorder_kit.training.tracking import summary_of
from reorder_kit.training.trainer import Trainer
from reorder_kit.training.validated_search import begun_in, settle

_log = logging.getLogger(__name__)

INFLUENCE_IMAGES = 256
INFLUENCE_NOTE = "by slot of the order before block 0, although the final order is composed over all blocks"


@names_plugins
def run_experiment(
    experiment: Experiment,
    host: PluginHost,
    out: Path | None = None,
    resume: bool = False,
    images_of: RunFolder | None = None,
) -> tuple[RunFolder, RunResult]:
    """Train a run and its controls.

    Args:
        experiment: the parts.
        host: the plugins, which provide the parts and follow the run.
        out: the run folder; the first free one of ``runs/<name>``, ``runs/<name>-2``, ... if not given.
        resume: resume a stopped run: the one in ``out``, or the last one with that name.
        images_of: the run whose images to use, for instance to train its weights further; the current data if not
            given.

    Returns:
        The run folder and the result.

    Raises:
        ReorderKitError: if the run folder holds another run, another process trains in it, or training cannot continue.
    """
    accelerator = build_accelerator(experiment.recipe.train)
    with (
        claimed(accelerator, partial(claim_begun if resume else claim_new, experiment, out)) as folder,
        resumable(folder, accelerator.num_processes, is_part=False),
    ):
        return folder, _run(experiment, host, folder, folder.split_file, accelerator, images_of)


@names_plugins
def run_in_program(experiment: Experiment, host: PluginHost, folder: Path, split_file: Path | None) -> RunResult:
    """Train a run of a study or another program: begin it, resume it, or read it if it is finished.

    Args:
        experiment: the parts.
        host: the plugins, which provide the parts and follow the run.
        folder: the run folder. While another process trains in it, this one waits.
        split_file: the names of the images, if other runs with the same data share them; in the run folder if not
            given. If the file exists, the run uses these images.

    Raises:
        ReorderKitError: if the run folder holds another run, or training cannot continue.
    """
    accelerator = build_accelerator(experiment.recipe.train)
    with (
        claimed(accelerator, partial(claim_in_program, experiment, folder)) as claim,
        resumable(claim, accelerator.num_processes, is_part=True),
    ):
        return _run(experiment, host, claim, split_file or claim.split_file, accelerator)


def _run(
    experiment: Experiment,
    host: PluginHost,
    folder: RunFolder,
    split_file: Path,
    accelerator: Accelerator,
    images_of: RunFolder | None = None,
) -> RunResult:
    """Train a run and its controls in a folder that no other process writes to."""
    if folder.is_finished:
        return folder.read_result()
    name = experiment.recipe.name
    trained = compose_beside(experiment, host, folder, name)
    if images_of is None or folder.latest_checkpoint() is not None:
        data = open_data(experiment, folder, split_file)
    else:
        data = reopen_data(experiment, images_of)
    splits = data.splits
    refuse_hopeless(experiment, name, folder.path, splits.image, len(splits.train))
    for each in (experiment, *trained.values()):
        _check_length(each, experiment, splits, accelerator.num_processes)
    trainer = _train(name, experiment, data, split_file, folder, accelerator, host)
    with trainer.tracking:
        controls = _controls(experiment, trained, trainer, data, split_file, folder, accelerator, host)
        return _finish(trainer, experiment, splits, folder, accelerator, host, controls)


def _controls(
    experiment: Experiment,
    trained: Mapping[str, Experiment],
    trainer: Trainer,
    data: OpenedData,
    split_file: Path,
    folder: RunFolder,
    accelerator: Accelerator,
    host: PluginHost,
) -> dict[str, ControlResult]:
    """Train or evaluate each control, and return the results."""
    name = experiment.recipe.name
    controls: dict[str, ControlResult] = {}
    for control in experiment.beside:
        words = control.words_for(is_consensus=not trainer.model.policy.is_static)
        if isinstance(control, EvaluatedControl):
            controls[control.name] = evaluate_beside(
                control, words, lambda change: trainer.evaluate("test", change=change), data.splits.classes
            )
            continue
        beside = RunFolder(folder.controls / control.name)
        if not beside.is_finished:
            changed = trained[control.name]
            of_control, names_at = data, split_file
            if changed.recipe.data != experiment.recipe.data:
                names_at = split_file if data_key(changed) == data_key(experiment) else beside.split_file
                of_control = open_data(changed, beside, names_at)
            other = _train(f"{name}/controls/{control.name}", changed, of_control, names_at, beside, accelerator, host)
            with other.tracking:
                _finish(other, changed, of_control.splits, beside, accelerator, host, {})
            accelerator.free_memory()  # it keeps every model that it has prepared
        accelerator.wait_for_everyone()
        metrics = beside.read_result().metrics
        figures = ControlMetrics(test=metrics.test, validation=metrics.validation)
        controls[control.name] = ControlResult(words=words, metrics=figures)
    return controls


def _check_length(each: Experiment, main: Experiment, splits: DataSplits, processes: int) -> None:
    """Before any training, refuse a run or a control whose search leaves no epoch for new weights.

    Args:
        each: the run, or a control.
        main: the run.
        splits: its data.
        processes: the number of processes.
    """
    sources = each.data_source, main.data_source
    has_same_images = sources[0].name == sources[1].name and sources[0].options == sources[1].options
    recipe = each.recipe
    train = splits.train if has_same_images or recipe.train.steps is None else each.open_data().train
    require_samples(len(train), "train", 1)
    steps_per_epoch = steps_of_epoch(len(train), processes, recipe.data.batch_size, recipe.train.accumulate)
    check_phases(each.phases, recipe.train, steps_per_epoch)
    if each is main and recipe.train.steps is not None:  # otherwise checked with the recipe
        for doubt in doubts_of_phases(main, recipe.train.epochs_of(steps_per_epoch)):
            _log.warning("%s", doubt)


def _train(
    name: str,
    experiment: Experiment,
    data: OpenedData,
    split_file: Path,
    folder: RunFolder,
    accelerator: Accelerator,
    host: PluginHost,
) -> Trainer:
    beginning = begin(experiment, data.splits, begun_in(experiment, folder), accelerator)
    context, start = beginning.context, beginning.start
    describe = partial(write_description, experiment, beginning, data, split_file, folder, accelerator, host)
    settled = experiment
    if experiment.trials is not None:
        settled = settle(name, experiment, data, split_file, beginning, folder, accelerator, host, describe)
    # Build the model before writing anything, so that a failure leaves no folder behind.
    trainer = Trainer(name, settled, data.splits, context, start, folder, accelerator, host)
    if accelerator.is_main_process and folder.latest_checkpoint() is None:
        describe()
    accelerator.wait_for_everyone()
    with trainer.tracking:
        trainer.train()
        data.require_names(split_file)
        if accelerator.is_main_process:
            order_file(name, trainer.info.grid, trainer.summarize_order()).save(folder.order)
        accelerator.wait_for_everyone()
    return trainer


def _finish(
    trainer: Trainer,
    experiment: Experiment,
    splits: DataSplits,
    folder: RunFolder,
    accelerator: Accelerator,
    host: PluginHost,
    controls: Mapping[str, ControlResult],
) -> RunResult:
    """Read the test split, once, and write the result."""
    image_scores = ImageScores(len(splits.test))
    test = trainer.evaluate("test", image_scores=image_scores)
    scores = image_scores.gather()
    if accelerator.is_main_process and scores is not None:
        write_npy(folder.test_scores, scores)
    accelerator.wait_for_everyone()  # all list the same files
    summary = trainer.summarize_order()
    info = trainer.info_with(summary)
    result = RunResult(
        name=info.name,
        headline=info.headline,
        higher_is_better=info.higher_is_better,
        metrics=RunMetrics(test=test, validation=trainer.validation),
        order=_scored(_order(trainer, experiment, info, summary, folder), experiment, splits, info, accelerator),
        controls=controls,
        seconds=trainer.seconds,
        images_per_second=trainer.images_per_second,
        encoder=encoder_cost(
            trainer.evaluated_model,
            splits.validation,
            trainer.context.kind,
            "validation",
            experiment.recipe.data.batch_size,
            accelerator,
        ),
        environment=folder.read_environment(),
        files=folder.digests_at_the_end(),
        validated=folder.read_validated(),
    )
    accelerator.wait_for_everyone()
    if accelerator.is_main_process:
        # Before the result: a run with a result is finished, and nothing more is done for it.
        _show_predictions(trainer, experiment, splits, accelerator, host)
        result.write(folder.result)
        epochs = {name: run.read_epochs() for name, run in {info.name: folder, **folder.beside}.items()}
        try:
            host.announce("run_finished", run=info, result=result, epochs=epochs)
        finally:  # if warnings are errors, one may end this; the run has finished anyway
            trainer.tracking.finish(summary_of(result))  # after the pictures are drawn
    accelerator.wait_for_everyone()
    if accelerator.is_main_process and result.order.reach_doubt:
        _log.warning("%s: %s", info.name, result.order.reach_doubt)  # may raise, so it comes last
    return result


def _scored(
    order: RunOrder, experiment: Experiment, splits: DataSplits, info: RunInfo, accelerator: Accelerator
) -> RunOrder:
    """The order's facts, with a closed-form score if the order was learned."""
    if not experiment.learns or experiment.learner is None or experiment.learner.is_rule:
        return order
    scored: RunOrder = on_one_process(accelerator, lambda: score_learned_order(experiment, splits, info.grid, order))
    return scored


def _order(
    trainer: Trainer, experiment: Experiment, info: RunInfo, summary: OrderSummary, folder: RunFolder
) -> RunOrder:
    """The facts about the order at the end of a run."""
    prior = experiment.prior_of(info.start, info.grid)
    final, start = summary.order, info.start
    influence, reason, note = _influence(trainer)
    doubt = "" if influence is None else _reach_doubt(trainer, experiment, info, influence)
    scramble, hidden = experiment.planted_order(info.grid), experiment.data_source.hidden_order()
    return RunOrder(
        start=start.indices.tolist(),
        final=final.indices.tolist(),
        kendall_tau_to_start=final.kendall_tau(start),
        mean_rank_shift=final.mean_rank_shift(start),
        adjacency=final.adjacency(info.grid),
        is_consensus=summary.is_consensus,
        spread=summary.spread,
        examples=[order.indices.tolist() for order in summary.examples] if summary.is_consensus else None,
        planted=planted_figures(scramble, hidden, final, info.grid),
        prior=None if prior is None else prior.model_copy(update={"measured": folder.read_measured()}),
        reach=Reach.of_slots(info.slots_read),
        influence=None if influence is None else influence.shares.tolist(),
        influence_does_not_apply=reason,
        influence_note=note,
        reach_doubt=doubt,
    )


def _show_predictions(
    trainer: Trainer, experiment: Experiment, splits: DataSplits, accelerator: Accelerator, host: PluginHost
) -> None:
    info = trainer.info
    predictions = predict_some(
        trainer.evaluated_model, experiment.task, splits.test, trainer.context, accelerator, info.name, "test"
    )
    if predictions is not None:
        host.announce("predictions_made", directory=info.directory, predictions=predictions)


def _influence(trainer: Trainer) -> tuple[SlotInfluence | None, str, str]:
    """Influence of each slot on the loss over some validation images; why there is none; which slots it refers to."""
    try:
        profile = trainer.influence(INFLUENCE_IMAGES)
    except SeveralPassesError as error:
        return None, error.message, ""
    return profile, "", "" if trainer.model.policy.blocks == (0,) else INFLUENCE_NOTE


def _reach_doubt(trainer: Trainer, experiment: Experiment, info: RunInfo, influence: SlotInfluence) -> str:
    """How influence contradicts the declared reach. A dense task reads every slot, whatever the backbone declares."""
    if info.reach is None or experiment.task.is_dense:
        return ""
    return reach_doubt(experiment.backbone.name, trainer.model.facts, info.reach, influence)
