"""The contract of tasks."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch

from reorder_kit.interfaces import Batch, ReorderKitError, StepResult, SupervisedTask, TargetKind, Task
from reorder_kit.testing._task_case import IMAGES, PROGRESS, TARGETS, TaskCase, in_two_parts
from reorder_kit.testing.component import (
    COMPONENT_RULES,
    OptionsGiven,
    expect_no_draw,
    options_of,
    with_other_random_numbers,
)
from reorder_kit.testing.rule import Rule, SeenError, expect, expect_close, expect_equal, hold, rule


@rule
def says_what_it_learns_from_and_what_counts(case: TaskCase) -> None:
    """Declare ``target_kinds``, ``headline``, ``higher_is_better``, ``margin`` and ``is_dense``."""
    task = case.task
    kinds = task.target_kinds
    expect(isinstance(kinds, tuple) and kinds, f"target_kinds is {kinds!r}")
    expect(all(isinstance(kind, TargetKind) for kind in kinds), f"target_kinds is {kinds!r}")
    expect(isinstance(task.headline, str) and task.headline, f"headline is {task.headline!r}")
    for name in ("higher_is_better", "is_dense"):
        expect(isinstance(getattr(task, name), bool), f"{name} is {getattr(task, name)!r}")
    expect(task.margin > 0, f"margin is {task.margin!r}")


@rule
def every_image_has_a_loss_and_a_reward(case: TaskCase) -> None:
    """Return from ``step`` a finite loss of each image in single precision, and a ``Pass`` for each reading with its
    proposals and the reward of each image, without gradient.
    """
    result = case.step(case.model(), case.batch())
    expect_equal(tuple(result.loss.shape), (IMAGES,), "the shape of the loss")
    expect_equal(result.loss.dtype, torch.float32, "the type of the loss")
    expect(result.loss.isfinite().all(), f"the loss is {result.loss.tolist()}")
    for each in result.passes:
        expect_equal(tuple(each.reward.shape), (IMAGES,), "the shape of a reward")
        expect(not each.reward.requires_grad, "a reward has a gradient")
        expect(each.proposals, "a pass has no proposals: pass on those of the features or of the model's output")


@rule
def a_step_draws_nothing_and_changes_nothing(case: TaskCase) -> None:
    """Draw masks and mixup in ``prepare``, and change the state in ``after_step``: steps are repeated and compared."""
    model, batch = case.model().eval(), case.batch()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    images = batch.images.clone()
    with torch.no_grad():
        expect_no_draw(lambda: case.step(model, batch))
        first = case.step(model, batch).loss
        again = with_other_random_numbers(lambda: case.step(model, batch).loss)
    expect(torch.equal(again, first), "the same step, repeated, has a different loss")
    changed = [name for name, value in model.state_dict().items() if not torch.equal(value, before[name])]
    expect(not changed, f"a step changes {', '.join(changed)}")
    expect(torch.equal(batch.images, images), "a step changes the images")


@rule
def the_loss_of_an_image_does_not_depend_on_the_others(case: TaskCase) -> None:
    """Divide by a quantity of the image, not of the batch; a loss that compares images needs a ``Task`` with its own
    ``step``, not a ``SupervisedTask``.
    """
    if isinstance(case.task, SupervisedTask):
        model, batch = case.model().eval(), case.batch()
        whole = case.step(model, batch).loss
        parts = torch.cat([case.step(model, part).loss for part in in_two_parts(batch)])
        expect_close(parts, whole, "images in two batches have different losses than in one")


@rule
def the_loss_reaches_every_parameter(case: TaskCase) -> None:
    """Use every weight of the head in the loss; modules that are not optimized belong in ``build_state``."""
    model = case.model()
    torch.autograd.backward(case.step(model, case.batch()).loss.mean())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            gradient = parameter.grad
            expect(gradient is not None and gradient.any(), f"the loss does not reach {name}")


@rule
def a_step_down_the_gradient_lowers_the_loss(case: TaskCase) -> None:
    """Return a loss that training should minimize, and do not detach any part of it."""
    model, batch = case.model(), case.batch()
    optimizer = torch.optim.SGD([each for each in model.parameters() if each.requires_grad], lr=0.02)
    loss = _with_the_same_dropout(partial(case.step, model, batch)).loss.mean()
    torch.autograd.backward(loss)
    optimizer.step()
    before, after = loss.detach(), _with_the_same_dropout(partial(case.step, model, batch)).loss.mean().detach()
    expect(after < before, f"a small step of SGD changes the loss from {before.item()} to {after.item()}")


@rule
def preparing_keeps_the_images_in_number_and_shape(case: TaskCase) -> None:
    """Return from ``prepare`` a batch with the same number of images of the same shape; put further tensors into
    ``prepared``.
    """
    for training in (True, False):
        raw = case.raw_batch(training)
        prepared = case.task.prepare(raw, training, case.context)
        expect_equal(prepared.images.shape, raw.images.shape, "the shape of the prepared images")
        sizes = {name: len(tensor) for name, tensor in prepared.prepared.items()}
        expect(set(sizes.values()) <= {IMAGES}, f"the first axis of the prepared tensors is not the batch: {sizes}")


@rule
def preparing_draws_from_the_batch_alone(case: TaskCase) -> None:
    """Draw with ``batch.random(name, ...)``: orders, and runs of a study, are compared on the same masks."""
    for training in (True, False):
        expect_no_draw(partial(case.batch, training))
        first, again = case.batch(training), with_other_random_numbers(partial(case.batch, training))
        expect(torch.equal(again.images, first.images), "prepared again, the images differ")
        for name, value in first.prepared.items():
            expect(torch.equal(again.prepared[name], value), f"prepared again, {name} differs")


@rule
def the_figures_have_the_headline_and_do_not_depend_on_batches(case: TaskCase) -> None:
    """Accumulate the metrics over images, and return the headline among plain numbers; figures by class may be None."""
    model, batch = case.model(), case.batch(training=False)
    whole, parts = case.task.build_metrics(case.context), case.task.build_metrics(case.context)
    whole.update(case.predictions(model, batch), batch)
    for part in in_two_parts(batch):
        parts.update(case.predictions(model, part), part)
    figures, figures_of_parts = whole.compute(), parts.compute()
    expect(
        case.task.headline in figures, f"the headline metric {case.task.headline!r} is not among {', '.join(figures)}"
    )
    expect(math.isfinite(figures[case.task.headline]), f"the headline is {figures[case.task.headline]}")
    expect_equal(set(figures_of_parts), set(figures), "the figures of images in two batches")
    for name, value in figures.items():
        for key, number in _numbers(value).items():
            is_plain = type(number) in (float, int) or (number is None and isinstance(value, dict))
            expect(is_plain, f"{name} is a {type(number).__name__}")
            other = _numbers(figures_of_parts[name])[key]
            expect(_are_alike(number, other), f"{name} is {number} for images in one batch, but {other} in two")


@rule
def the_headline_is_the_mean_score_of_the_images(case: TaskCase) -> None:
    """Return from ``score_per_image`` the contribution of each image to the headline; None if that is not a mean over
    images.
    """
    model, batch = case.model(), case.batch(training=False)
    predicted = case.predictions(model, batch)
    scores = case.task.score_per_image(predicted, batch)
    if scores is not None:
        expect_equal((tuple(scores.shape), scores.dtype), ((IMAGES,), torch.float32), "shape and type of the scores")
        metrics = case.task.build_metrics(case.context)
        metrics.update(predicted, batch)
        headline, mean = metrics.compute()[case.task.headline], float(scores.mean())
        close = math.isclose(headline, mean, rel_tol=1e-6, abs_tol=1e-6)
        expect(close, f"the headline is {headline}, but the mean score of the images is {mean}")


@rule
def every_image_has_an_annotation_or_none_has(case: TaskCase) -> None:
    """Return an ``Annotation`` for each image, with a text for each box, or none at all."""
    batch = case.batch(training=False)
    predicted = case.predictions(case.model(), batch)
    answers = case.task.annotate_predictions(predicted, case.context)
    for drawn in (answers, case.task.annotate_targets(batch, case.context)):
        expect(len(drawn) in (0, IMAGES), f"{len(drawn)} annotations for {IMAGES} images")
        for each in drawn:
            expect_equal(len(each.box_texts), len(each.boxes), "the number of texts for boxes")


@rule
def predicting_needs_no_targets(case: TaskCase) -> None:
    """Return the same predictions from ``predict`` for images only and for the outputs of the step."""
    model, batch = case.model().eval(), case.batch(training=False)
    evaluated = case.task.model_for_evaluation(model)
    bare = Batch(batch.images, seeds=batch.seeds, views=batch.views, prepared=batch.prepared)
    with torch.no_grad():
        result = case.task.step(evaluated, batch, PROGRESS)
        alone, given = case.task.predict(evaluated, bare), case.task.predict(evaluated, batch, result)
    expect_equal(type(given).__name__, type(alone).__name__, "the type of predictions with targets")
    if isinstance(alone, torch.Tensor):
        expect_close(given, alone, "predictions without targets differ from those of a step")


@rule
def what_is_fitted_is_plain_data(case: TaskCase) -> None:
    """Return plain JSON data from ``fit``, the same each time: it is stored as ``fitted.json``."""
    fitted = dict(case.context.fitted)
    try:
        again = json.loads(json.dumps(fitted, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise SeenError(f"the return value of fit is not valid JSON data: {error}") from error
    expect_equal(again, fitted, "the value after reading it back from JSON")
    another = dict(with_other_random_numbers(lambda: case.fit(case.component(case.options))))
    expect_equal(another, fitted, "the value that another task fits to the same data")


TASK_RULES: tuple[Rule[Any], ...] = (
    *COMPONENT_RULES,
    says_what_it_learns_from_and_what_counts,
    every_image_has_a_loss_and_a_reward,
    a_step_draws_nothing_and_changes_nothing,
    the_loss_of_an_image_does_not_depend_on_the_others,
    the_loss_reaches_every_parameter,
    a_step_down_the_gradient_lowers_the_loss,
    preparing_keeps_the_images_in_number_and_shape,
    preparing_draws_from_the_batch_alone,
    the_figures_have_the_headline_and_do_not_depend_on_batches,
    the_headline_is_the_mean_score_of_the_images,
    every_image_has_an_annotation_or_none_has,
    predicting_needs_no_targets,
    what_is_fitted_is_plain_data,
)


def task_case(
    task: type[Task],
    options: OptionsGiven = None,
    targets: Sequence[Any] | None = None,
    target_kind: TargetKind | None = None,
) -> TaskCase:
    """A case for the rules of tasks, with the first of the task's target kinds if none is given; see
    :func:`check_task`.
    """
    chosen = options_of(task, options)
    kinds = task(chosen).target_kinds
    kind = kinds[0] if target_kind is None else target_kind
    if kind not in kinds:
        learned = " and ".join(map(str, kinds))
        raise ReorderKitError(f"{task.__name__} does not learn from targets of kind {kind}", f"check it with {learned}")
    if targets is None and kind not in TARGETS:
        reason = f"the test kit has no targets of kind {kind}"
        raise ReorderKitError(reason, f"pass {IMAGES} of them to check_task, and the kind as target_kind")
    given = TARGETS[kind]() if targets is None else list(targets)
    if len(given) != IMAGES:
        raise ReorderKitError(f"{len(given)} targets were given", f"pass {IMAGES} targets to check_task")
    return TaskCase(task, chosen, kind, tuple(given))


def check_task(
    task: type[Task],
    options: OptionsGiven = None,
    targets: Sequence[Any] | None = None,
    target_kind: TargetKind | None = None,
) -> None:
    """Check a task against its contract, with a small model and six images of 32x32 pixels in seven classes.

    Args:
        task: the class.
        options: options as in a recipe, or an instance of its options class if one is a part; the defaults if not
            given.
        targets: targets of six samples, for a target kind that the package does not have.
        target_kind: the kind of the targets; if not given, the first of the task's kinds if targets are given, and each
            of its kinds otherwise.

    Raises:
        BrokenRulesError: naming each broken rule, what was seen, and what to do.
        ReorderKitError: if the options are refused, there are no targets to test with, or the task does not learn from
            their kind.

    >>> from reorder_kit.tasks.classification import Classification
    >>> check_task(Classification)
    """
    kinds: Sequence[TargetKind | None] = (target_kind,)
    if targets is None and target_kind is None:
        kinds = task(options_of(task, options)).target_kinds
    for kind in kinds:
        hold(task_case(task, options, targets, kind), TASK_RULES)


def _with_the_same_dropout(step: Callable[[], StepResult]) -> StepResult:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return step()


def _are_alike(number: float | None, other: float | None) -> bool:
    if number is None or other is None:
        return number is other
    return math.isclose(number, other, rel_tol=1e-6, abs_tol=1e-6) or (math.isnan(number) and math.isnan(other))


def _numbers(value: Any) -> Mapping[str, Any]:
    """The numbers of a figure, or of figures by class."""
    return value if isinstance(value, dict) else {"": value}
