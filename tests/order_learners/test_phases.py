"""When a learner warms up, searches and hardens, worked out by hand."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from reorder_kit.interfaces import OrderLearner, Phases, Policy
from reorder_kit.interfaces.progress import Progress
from reorder_kit.order_learners._phases import PhaseOptions


def located(options: PhaseOptions, step: int, steps_per_epoch: int, epochs: float, share: float = 0.5) -> Progress:
    return options.phases(epochs, share).locate(Progress(step, steps_per_epoch, epochs))


def phases(options: PhaseOptions, steps_per_epoch: int, epochs: float, search_share: float = 0.5) -> list[str]:
    steps = range(round(steps_per_epoch * epochs))
    return [located(options, step, steps_per_epoch, epochs, search_share).phase for step in steps]


def lengths(found: list[str]) -> tuple[int, int, int]:
    warmup, search, hardened = (found.count(phase) for phase in ("warm-up", "search", "hardened"))
    assert found == ["warm-up"] * warmup + ["search"] * search + ["hardened"] * hardened
    return warmup, search, hardened


def test_epochs_become_optimiser_steps() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=2, search_epochs=3), steps_per_epoch=7, epochs=10)) == (14, 21, 35)


def test_epochs_may_be_fractions() -> None:
    assert lengths(phases(PhaseOptions(warmup_epochs=0.5, search_epochs=1.25), 8, 4)) == (4, 10, 18)


def test_without_numbers_they_are_shares_of_the_run() -> None:
    # 15% of 100 epochs of 10 steps, then the learner's own share.
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
    shares = {step: located(options, step, 7, 10).share for step in (0, 13, 14, 19, 24, 29, 34, 35, 69)}
    assert shares == {0: 0, 13: 0, 14: 0, 19: 0.25, 24: 0.5, 29: 0.75, 34: 1, 35: 1, 69: 1}


def test_a_search_of_one_step_starts_and_ends_in_it() -> None:
    options = PhaseOptions(warmup_epochs=1, search_epochs=0.2)
    found = [located(options, step, 5, 2) for step in (4, 5, 6)]
    assert [(progress.phase, progress.share) for progress in found] == [
        ("warm-up", 0.0),
        ("search", 0.0),
        ("hardened", 1.0),
    ]


def test_steps_are_counted_from_the_start_of_each_phase() -> None:
    options = PhaseOptions(warmup_epochs=1, search_epochs=2)
    found = {step: located(options, step, 4, 5).phase_step for step in (0, 3, 4, 11, 12, 19)}
    assert found == {0: 0, 3: 3, 4: 0, 11: 7, 12: 0, 19: 7}


def test_a_run_may_end_within_an_epoch() -> None:
    # 2.5 epochs of 8 steps: 15% are 3 steps, half are 10.
    assert lengths(phases(PhaseOptions(), 8, 2.5)) == (3, 10, 7)


def test_everything_else_of_a_step_stays() -> None:
    before = Progress(7, 4, 5, stream=3, shared_stream=4)
    after = PhaseOptions(warmup_epochs=1, search_epochs=2).phases(5, 0.5).locate(before)
    assert after == Progress(7, 4, 5, 3, 4, phase="search", share=3 / 7, phase_step=3)


def test_a_learner_that_says_nothing_searches_all_the_time() -> None:
    class Plain(OrderLearner):
        name, uses_reward = "plain", False

        def build_policy(self, context: object) -> Policy:
            raise AssertionError("phases need no policy")

    phases = Plain().phases(2.5)
    found = [phases.locate(Progress(step, 4, 2.5)) for step in range(10)]
    assert {progress.phase for progress in found} == {"search"}
    assert (found[0].share, found[-1].share) == (0.0, 1.0)
    assert phases.locate(Progress(10, 4, 2.5)).phase == "hardened"
    assert not phases.retrains
    assert phases.misfit(2.5) is None
    assert phases.doubt(2.5) == (
        "the search lasts to the end of the run of 2.5 epochs, so no epoch trains in the order that it finds"
    )


# --- What fits into a run


@pytest.mark.parametrize(
    ("warmup", "search", "epoch"),
    [
        (1, 2, 3),
        (0.5, 1.1, 2),
        (0, 0, 0),
        (0.15 * 60, 0.3 * 60, 27),
        (0.1 + 0.2, 0.7, 1),  # 1.0000000000000002 in binary
        (0.5, 58.5, 59),  # rounded to steps separately, three per epoch, they would take one step of epoch 59
    ],
)
@pytest.mark.parametrize("steps_per_epoch", [1, 3, 4, 1251])
def test_the_search_before_new_weights_takes_whole_epochs(
    warmup: float, search: float, epoch: int, steps_per_epoch: int
) -> None:
    phases = Phases(warmup, search, retrains=True)
    assert phases.retrain_epoch == epoch
    assert phases.bounds(steps_per_epoch)[1] == epoch * steps_per_epoch
    run = "1 epoch" if epoch == 1 else f"{epoch} epochs"
    assert phases.misfit(epoch) == f"the search takes all of the {run}, which leaves none for new weights"
    assert phases.misfit(epoch + 0.5) is None


def test_a_search_that_goes_on_with_the_same_weights_may_take_the_whole_run() -> None:
    assert Phases(2, 6).retrain_epoch is None
    assert Phases(2, 6).misfit(8) is None
    assert Phases(2, 60).misfit(8) is None


@pytest.mark.parametrize(
    ("phases", "doubt"),
    [
        (Phases(1, 1.9), None),
        (Phases(0.1 + 0.2, 2.6), None),
        (
            Phases(0.1 + 0.2, 2.7),  # 3.0000000000000004 in binary
            "the search lasts to the end of the run of 3 epochs, so no epoch trains in the order that it finds",
        ),
        (Phases(3, 1), "the search never starts: the warm-up of 3 epochs lasts to the end of the run of 3 epochs"),
        (Phases(1, 0), "the order is never searched"),
        (Phases(1, 2.5), "the run of 3 epochs ends before the search, which ends after 3.5 epochs"),
    ],
)
def test_what_is_hardly_meant(phases: Phases, doubt: str | None) -> None:
    assert phases.doubt(3) == doubt


@pytest.mark.parametrize("field", ["warmup_epochs", "search_epochs"])
def test_negative_epochs_are_refused(field: str) -> None:
    with pytest.raises(ValidationError, match="greater than or equal to 0"):
        PhaseOptions(**{field: -1})


# --- Shares of the run


@pytest.mark.parametrize("epochs", [10, 60, 2.5])
def test_a_share_scales_with_the_run(epochs: float) -> None:
    options = PhaseOptions(warmup_epochs="10%", search_epochs="60%")
    found = options.phases(epochs, search_share=0.3)
    assert (found.warmup_epochs, found.search_epochs) == (0.1 * epochs, pytest.approx(0.6 * epochs))
    assert lengths(phases(options, 40, epochs)) == tuple(round(share * 40 * epochs) for share in (0.1, 0.6, 0.3))


@pytest.mark.parametrize(
    ("share", "run", "epochs"),
    [
        ("1.67%", 60, 1),  # a sixtieth, as exactly as it can be written
        ("3.33%", 30, 1),
        ("6.67%", 30, 2),
        ("33.33%", 3, 1),
        ("33%", 3, 0.99),
        ("12.5 %", 8, 1),
        ("0.01%", 1, 0.0001),
        (".5%", 200, 1),
        ("0%", 60, 0),
        ("100%", 7, 7),
    ],
)
def test_a_share_is_as_exact_as_it_can_be_written(share: str, run: int, epochs: float) -> None:
    options = PhaseOptions(warmup_epochs=0, search_epochs=share)
    assert options.phases(run, 0.5).search_epochs == pytest.approx(epochs, rel=1e-12, abs=0)


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (["6", "10 percent", "ten%", "1e1%", "%", "", ".%", "5%%"], "as 10%, not"),
        (["-1%", "-0%", "100.01%", "101%", "1000%", "9" * 400 + "%"], "must be from 0% to 100%, not"),
        (["10.555%", "0.001%", "99.999 %", ".125%"], "has at most two decimals, not"),
    ],
)
def test_what_is_no_share_is_refused_for_its_reason(shares: list[str], message: str) -> None:
    for share in shares:
        with pytest.raises(ValidationError, match=message):
            PhaseOptions(search_epochs=share)


def test_a_share_is_written_as_it_was_read() -> None:
    options = PhaseOptions(warmup_epochs="10%", search_epochs="12.5 %")
    written = options.model_dump(mode="json")
    assert (written["warmup_epochs"], written["search_epochs"]) == ("10%", "12.5%")
    assert PhaseOptions.model_validate(written) == options
    assert PhaseOptions.model_validate(options.model_dump()) == options
