"""The result of a run: the content of its ``result.json``."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import torch
from pydantic import model_validator

from reorder_kit.orders.matching import effective_slots
from reorder_kit.orders.slots_read import SlotsRead
from reorder_kit.runs.encoder_cost import EncoderCost
from reorder_kit.runs.environment import Environment
from reorder_kit.runs.figures import Figures, is_number
from reorder_kit.runs.file_digests import FileDigests
from reorder_kit.runs.fitted_record import MeasuredInfluence
from reorder_kit.runs.record import Count, Finite, Record, VersionedRecord
from reorder_kit.runs.validated_record import SearchVerdict
from reorder_kit.statistics.headline import Headline


class RunMetrics(Record):
    """The metrics of a run after its last epoch.

    Args:
        test: metrics of the test split, which is read once.
        validation: metrics of the validation split.
    """

    test: Figures
    validation: Figures


class ControlMetrics(Record):
    """The metrics of a control.

    Args:
        test: metrics of the test split, or of its comparable images.
        validation: metrics of the validation split; None for a control that is only evaluated.
    """

    test: Figures
    validation: Figures | None = None


class ControlResult(Record):
    """The result of a control of a run.

    Args:
        words: its description.
        metrics: its metrics; None if it was left out.
        own: the run's metrics on the same images in the same batches, for a control that is only evaluated.
        left_out: why there are no metrics; empty if there are.
    """

    words: str
    metrics: ControlMetrics | None = None
    own: ControlMetrics | None = None
    left_out: str = ""

    @model_validator(mode="after")
    def _has_figures_or_a_reason(self) -> Self:
        if (self.metrics is None) != bool(self.left_out):
            raise ValueError("should have either metrics or left_out")
        return self


class Reach(Record):
    """How many slots and patches are read.

    Args:
        slots: the number of slots with a path to the readout; None if patches are ordered again before a later block.
        of: the number of slots in use.
        left_out: the number of patches without a slot.
        is_selection: whether some patches are known not to be read.
    """

    slots: Count | None
    of: Count
    left_out: Count = 0
    is_selection: bool

    @classmethod
    def of_slots(cls, read: SlotsRead) -> Self:
        """The record of the slots that are read."""
        return cls(slots=read.reached, of=read.of, left_out=read.left_out, is_selection=read.is_selection)

    @property
    def slots_read(self) -> SlotsRead:
        """The same as an object that can describe it in words."""
        return SlotsRead(self.slots, self.of, self.left_out)


class UndoneScramble(Record):
    """How well an order undoes the scramble of all images.

    Args:
        hidden: ``hidden[k]`` is the true patch that was moved to place k.
        adjacency_in_true_image: the order's adjacency in the image before scrambling.
        kendall_tau_to_undone: Kendall's tau to the order that undoes the scramble.
    """

    hidden: list[int]
    adjacency_in_true_image: float
    kendall_tau_to_undone: float


class RestoredChain(Record):
    """How much of the data source's hidden order was found.

    Args:
        hidden: the hidden order.
        restored_neighbours: the number of its neighbors that are also neighbors in the order.
        of: the number of its neighbors.
    """

    hidden: list[int]
    restored_neighbours: int
    of: int


class ChosenByPrior(Record):
    """The prior that gave the starting order.

    Args:
        name: the name of the prior.
        chosen: the ordering that it chose; None if it made an order itself.
        measured: influence that it measured; None if it measured none.
    """

    name: str
    chosen: str | None
    measured: list[MeasuredInfluence] | None = None


class ClosedForm(Record):
    """How well a regression predicts if it sees each patch as well as the trained model: a cheap score of an order.

    Args:
        about: what is predicted, such as ``class``.
        images: the number of training images used.
        start: the score of the starting order: at most 1, and 0 or less if nothing can be predicted.
        final: the score of the learned order.
    """

    about: str
    images: Count
    start: Finite
    final: Finite


class RunOrder(Record):
    """The order of a run.

    Args:
        start: the patch in each slot of the starting order.
        final: the same for the order after the last epoch, or for the consensus if each image has its own.
        kendall_tau_to_start: 1 the same order, 0 an unrelated one, -1 the reverse.
        mean_rank_shift: mean number of slots by which a patch moved.
        adjacency: share of consecutive slots whose patches are neighbors in the image.
        is_consensus: whether each image has its own order, so that the run has no single one.
        spread: for a consensus, the mean Kendall distance of the images' orders to it; else None.
        examples: for a consensus, the orders of some images.
        planted: how close it comes to the known answer; None if the data does not hide one.
        prior: the prior that gave the starting order; None if there was none.
        reach: how many slots and patches are read.
        influence: share of each slot in the gradient of the loss; None if it does not apply.
        influence_does_not_apply: the reason if it does not apply.
        influence_note: the slots that influence refers to, if they are not those of the final order.
        reach_doubt: how influence contradicts the backbone's declared reach; empty if it does not.
        closed_form: closed-form scores of the start and of a learned order; None if no order was learned.
        closed_form_does_not_apply: why a learned order has no closed-form score.
    """

    start: list[int]
    final: list[int]
    kendall_tau_to_start: Finite
    mean_rank_shift: Finite
    adjacency: Finite
    is_consensus: bool = False
    spread: Finite | None = None
    examples: list[list[int]] | None = None
    planted: UndoneScramble | RestoredChain | None = None
    prior: ChosenByPrior | None = None
    reach: Reach
    influence: list[float] | None
    influence_does_not_apply: str = ""
    influence_note: str = ""
    reach_doubt: str = ""
    closed_form: ClosedForm | None = None
    closed_form_does_not_apply: str = ""

    @model_validator(mode="after")
    def _a_consensus_has_a_spread(self) -> Self:
        if self.is_consensus != (self.spread is not None):
            raise ValueError("should have a spread if it is a consensus, and none if it is not")
        return self

    @property
    def words_of_closed_form(self) -> list[str]:
        """The closed-form score of a learned order, or why it has none; empty if no order was learned."""
        if self.closed_form_does_not_apply:
            return [f"The learned order has no closed-form score: {self.closed_form_does_not_apply}."]
        found = self.closed_form
        if found is None:
            return []
        return [
            f"Closed-form score of the learned order: {found.final:.3f}, of the start: {found.start:.3f}. It says how "
            f"well a regression predicts the {found.about} of {found.images} training images if it sees patches as "
            "well as the trained model does. It is a cheap estimate, not a comparison of trained models."
        ]

    @property
    def words_of_effective_slots(self) -> list[str]:
        """The spread of influence before and after training, if a prior gave the start; else empty."""
        if self.prior is None or self.influence is None:
            return []
        before = [
            f"{each.effective_slots:.1f} {f'after {each.steps} steps' if each.steps else 'in untrained models'}"
            for each in self.prior.measured or []
        ]
        trained = f"{effective_slots(torch.tensor(self.influence)):.1f} after training"
        return [f"Effective slots, of {len(self.influence)}: {', '.join([*before, trained])}."]


@dataclass(frozen=True)
class ComparedControl:
    """A control compared with its run, by the headline metric on test images.

    Args:
        name: the name of the control.
        words: its description.
        figures: its test metrics.
        score: its headline.
        own: the run's headline on the same images.
        ahead: how much better the run is.
        validation: the headline on validation images; None for a control that is only evaluated.
    """

    name: str
    words: str
    figures: Figures
    score: float
    own: float
    ahead: float
    validation: float | None

    @property
    def is_evaluated(self) -> bool:
        """Whether it was only evaluated, not trained."""
        return self.validation is None


class RunResult(VersionedRecord):
    """The content of ``result.json``; a run that has one is finished.

    Args:
        name: the name of the run; with ``/controls/NAME`` for a control's run.
        headline: the main metric.
        higher_is_better: whether a higher headline is better.
        metrics: metrics after the last epoch.
        order: the start, the final order, and what is known about it.
        controls: controls by name, in the sequence of the recipe.
        validated: the trials' verdict on the learned order before the run trained in it; None if there were no trials.
        seconds: total training time, in seconds.
        images_per_second: throughput in the last epoch.
        encoder: the cost of encoding an image in the final order; None if no image could be read.
        environment: the run's environment.
        files: SHA-256 of the run folder's files that belong to the result, by name. The orders of epochs are listed in
            ``metrics.jsonl``, and the checkpoint's files in its ``state.json``.
    """

    version = 1

    name: str
    headline: str
    higher_is_better: bool
    metrics: RunMetrics
    order: RunOrder
    controls: Mapping[str, ControlResult]
    seconds: Finite
    images_per_second: Finite
    encoder: EncoderCost | None = None
    environment: Environment
    files: FileDigests
    validated: SearchVerdict | None = None

    @model_validator(mode="after")
    def _has_its_headline(self) -> Self:
        of_controls = [each.metrics for each in self.controls.values() if each.metrics is not None]
        for figures in (self.metrics.test, self.metrics.validation, *(metrics.test for metrics in of_controls)):
            if self.headline not in figures or not is_number(figures[self.headline]):
                raise ValueError(f"metrics should have a number for the headline {self.headline!r}")
        return self

    @property
    def metric(self) -> Headline:
        """The headline, with its direction."""
        return Headline(self.headline, self.higher_is_better)

    @property
    def score(self) -> float:
        """The headline on test images."""
        return self.metrics.test.score(self.headline)

    @property
    def checkpoint(self) -> str | None:
        """The SHA-256 of the file that lists the content of the run's checkpoint; None if the result lists none."""
        return next((digest for name, digest in self.files.items() if name.startswith("checkpoints/")), None)

    @property
    def compared_controls(self) -> list[ComparedControl]:
        """The controls that have metrics, in the sequence of the recipe."""
        return [
            self._compared(name, control, control.metrics)
            for name, control in self.controls.items()
            if control.metrics is not None
        ]

    @property
    def left_out_controls(self) -> dict[str, str]:
        """The controls that could not be evaluated, and why."""
        return {name: control.left_out for name, control in self.controls.items() if control.metrics is None}

    def _compared(self, name: str, control: ControlResult, metrics: ControlMetrics) -> ComparedControl:
        score = metrics.test.score(self.headline)
        own = self.score if control.own is None else control.own.test.score(self.headline)
        validation = None if metrics.validation is None else metrics.validation.score(self.headline)
        return ComparedControl(name, control.words, metrics.test, score, own, self.metric.gain(own, score), validation)
