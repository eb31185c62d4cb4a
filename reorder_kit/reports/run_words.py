"""What a single run shows, and what it cannot show."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from scipy.stats import binomtest

from reorder_kit.controls import FixedStart, LearnedStatic, NullReward
from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.reports.decimals import decimal
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.figures import Figures, words_of_absence
from reorder_kit.runs.result import ComparedControl


def interval_over_images(headline: str, test: Figures) -> tuple[float, float] | None:
    """Wilson's 95% interval of an accuracy over test images; None for a metric that is not a share of images.

    Args:
        headline: the metric.
        test: the figures of the test images.
    """
    if headline != "top1" or not test.images:
        return None
    right = round(test.score(headline) * test.images)
    interval = binomtest(right, test.images).proportion_ci(0.95, method="wilson")
    return float(interval.low), float(interval.high)


def run_verdict(record: RunRecord) -> list[str]:
    """Sentences about the figures of a run and its controls."""
    compared = record.result.compared_controls
    controls = {control.name: control.score for control in compared}
    return [
        _score(record),
        *([] if record.result.validated is None else [record.result.validated.words]),
        *words_of_absence(record.result.metrics.test, "test"),
        *_against_start(record, controls),
        *_from_scratch(record, controls),
        *_other_controls(record, compared, controls),
        *_left_out(record),
        *_selection(record),
        _caution(controls),
    ]


def start_of(record: RunRecord) -> str:
    """The start of the run in words."""
    start = record.recipe["order"]["start"]
    if "prior" in start:
        prior = record.result.order.prior
        chosen, name = None if prior is None else prior.chosen, start["prior"]["name"]
        return f"the choice of the prior {name} ({chosen})" if chosen else f"the order of the prior {name}"
    if "race" in start:
        return f"the winner of the race {start['race']}"
    return f"the order of {start['file']}" if "file" in start else str(start["name"])


def _score(record: RunRecord) -> str:
    test = record.result.metrics.test
    over = f" on {test.images} images" if test.images else ""
    interval = interval_over_images(record.headline, test)
    within = f" (95% interval over images {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    figure = f"test {record.headline} {record.score:.3f}{over}{within}"
    learner = record.learner
    if record.own_control is not None:
        return f"This run is the control {record.own_control}: {figure}."
    if learner is None:
        return f"No order was learned: {figure} in the starting order, {start_of(record)}."
    if record.spread is not None:
        return f"{learner} has no single order: {words_of_spread(record.spread)}. In these orders: {figure}."
    if record.start == record.final and record.result.validated is not None:
        return f"Trained in the starting order, {start_of(record)}, which {learner} did not improve: {figure}."
    if record.start == record.final:
        return f"{learner} did not change the starting order, {start_of(record)}: {figure}."
    return f"The order that {learner} learned, starting from {start_of(record)}, gives {figure}."


def _against_start(record: RunRecord, controls: Mapping[str, float]) -> list[str]:
    if FixedStart.name not in controls:
        return []
    fixed = controls[FixedStart.name]
    against = _against(record, record.score, fixed, controls)
    return [f"That is {against} the same training in the fixed start ({fixed:.3f})."]


def _from_scratch(record: RunRecord, controls: Mapping[str, float]) -> list[str]:
    if LearnedStatic.name not in controls:
        return []
    scratch = controls[LearnedStatic.name]
    which = "learned order"
    if record.spread is not None:
        which = "consensus order, the same for all images,"
    elif record.slots.reached is None:
        which = "composed order of all blocks, before block 0 only,"
    said = f"Trained in the {which} from the first step, the score is {scratch:.3f}"
    if FixedStart.name not in controls:
        return [f"{said}."]
    return [f"{said}, {_against(record, scratch, controls[FixedStart.name], controls)} the fixed start."]


def _other_controls(
    record: RunRecord, compared: Sequence[ComparedControl], controls: Mapping[str, float]
) -> Iterator[str]:
    """Controls that cannot know a good order; a learner without a reward that gains half as much casts doubt."""
    for control in compared:
        if control.name in (FixedStart.name, LearnedStatic.name):
            continue
        sentence = f"The control {control.name}, {control.words}, has {control.score:.3f}"
        if control.is_evaluated:
            sentence += f"; on the same images, the run itself has {control.own:.3f}"
        start = controls.get(FixedStart.name, record.score)
        gain, of_noise = (record.metric.gain(score, start) for score in (record.score, control.score))
        if control.name == NullReward.name and 0 < gain <= 2 * of_noise:
            sentence += ": at least half of the gain, which therefore need not come from the order"
        yield f"{sentence}."


def _left_out(record: RunRecord) -> list[str]:
    return [f"The control {name} was left out: {reason}." for name, reason in record.result.left_out_controls.items()]


def _selection(record: RunRecord) -> list[str]:
    if not record.is_selection:
        return []
    return [
        f"{record.slots.clause}: this is a selection case. "
        "The order selects which patches are read, so a difference is not due to ordering alone."
    ]


def _caution(controls: Mapping[str, float]) -> str:
    if not controls:
        return "This run has no controls, so it does not show whether the order matters."
    return "Each score is from one run with one seed. Whether the differences hold takes a study over seeds."


def _against(record: RunRecord, score: float, other: float, controls: Mapping[str, float]) -> str:
    """How much better or worse a score is; the caller appends what it is compared with."""
    gain = record.metric.gain(score, other)
    if record.metric.are_shares([record.score, *controls.values()]):
        return f"{decimal(100 * gain, 1, sign=True)} points against"
    if record.metric.higher_is_better:
        return f"{decimal(gain, sign=True)} against"
    return f"{decimal(abs(gain))} {'worse' if gain < 0 else 'better'} than"
