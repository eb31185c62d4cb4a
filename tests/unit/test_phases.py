"""When a learner warms up, searches and hardens, worked out by hand."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reorder_kit.order_learners._phases import PhaseOptions
from reorder_kit.progress import Progress


def phases(options: PhaseOptions, steps_per_epoch: int, epochs: int, search_share: float = 0.5) -> list[str]:
    steps = [Progress(step, steps_per_epoch, epochs) for step in range(steps_per_epoch * epochs)]
    return [options.phase(progress, search_share)[0] for progress in steps]


def lengths(found: list[str]) -> tuple[int, int, int]:
    warmup, search, hardened = (found.count(phase) for phase in ("warm-up", "search", "hardened"))
    assert found == ["warm-up"] * warmup + ["search"] * search + ["hardened"] * hardened
    return warmup, search, hardened


def test_epochs_become_optimiser_steps() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=2, search_epochs=3), steps_per_epoch=7, epochs=10)) == (14, 21, 35)


def test_epochs_may_be_fractions() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=0.5, search_epochs=1.25), 8, 4)) == (4, 10, 18)


def test_without_numbers_they_are_shares_of_the_run() -> None:
    # 15 % of 100 epochs of 10 steps, then the learner's own share.
    assert lengths(phases(PhaseOptions(), 10, 100, search_share=0.3)) == (150, 300, 550)
    assert lengths(phases(PhaseOptions(), 13, 60, search_share=0.5)) == (117, 390, 273)


def test_one_number_leaves_the_other_a_share() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=6), 10, 60)) == (60, 300, 240)
    assert lengths(phases(PhaseOptions(search_epochs=1), 10, 60)) == (90, 10, 500)


def test_no_warm_up_searches_from_the_first_step() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=0, search_epochs=2), 5, 4)) == (0, 10, 10)


def test_no_search_keeps_the_start() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=1, search_epochs=0), 5, 4)) == (5, 0, 15)


def test_the_share_of_the_search_runs_from_zero_to_one() -> None:
    options = PhaseOptions(warmup_epochs=2, search_epochs=3)
    shares = {step: options.phase(Progress(step, 7, 10), 0.5)[1] for step in (0, 13, 14, 19, 24, 29, 34, 35, 69)}
    assert shares == {0: 0, 13: 0, 14: 0, 19: 0.25, 24: 0.5, 29: 0.75, 34: 1, 35: 1, 69: 1}


def test_a_search_of_one_step_starts_and_ends_in_it() -> None:
    options = PhaseOptions(warmup_epochs=1, search_epochs=0.2)
    assert [options.phase(Progress(step, 5, 2), 0.5) for step in (4, 5, 6)] == [
        ("warm-up", 0.0),
        ("search", 0.0),
        ("hardened", 1.0),
    ]


@pytest.mark.parametrize("field", ["warmup_epochs", "search_epochs"])
def test_negative_epochs_are_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        PhaseOptions(**{field: -1})
