"""The decisions from the losses of trials."""

from __future__ import annotations

from itertools import permutations

import pytest

from reorder_kit.orders.order import Order
from reorder_kit.race.candidate import Candidate, Trial, proof_seed, trial_seed, unlike
from reorder_kit.race.course import Course, Track, course_of
from reorder_kit.race.mutations import mutations_of
from reorder_kit.race.plan import RacePlan, Rung

ORDERS = [Candidate(name, walk, 4) for name, walk in zip("abcdef", permutations(range(4)), strict=False)]
PLAN = RacePlan(90, (Rung(30, 4, 1, 0, 4), Rung(30, 3, 2, 1, 4), Rung(90, 2, 2, 0, 4)))
TRACK = Track(PLAN, tuple(ORDERS[:4]), (True,) * 4, seed=0)


def raced(track: Track, loss_of: dict[str, float]) -> tuple[Course, list[Trial]]:
    """Train one trial after the other; a mutation has slightly less loss than its root."""
    losses: dict[str, float] = {}
    trained = []
    while True:
        course = course_of(track, losses)
        if course.winner is not None:
            return course, trained
        trial = course.missing[0]
        trained.append(trial)
        losses[trial.key] = loss_of[trial.candidate.root] - 0.01 * ("~" in trial.candidate.name) + trial.number


def test_the_best_are_kept_and_their_mutation_may_win() -> None:
    course, trained = raced(TRACK, {"a": 0.4, "b": 0.1, "c": 0.3, "d": 0.2})
    screening, mutated, final = course.rungs
    assert [each.name for each in screening.field] == ["b", "d", "c", "a"]
    assert [each.root for each in mutated.field] == ["b", "b", "d"]
    assert course.winner is not None
    assert course.winner.name.startswith("b~")
    assert [each.root for each in final.field] == ["b", "b"]
    assert final.losses == pytest.approx((0.59, 0.6))  # over the seeds 0 and 1
    assert len(trained) == len({trial.key for trial in trained}) == 4 + (2 + 2) + 4
    assert course.steps_done == PLAN.steps == sum(trial.steps for trial in trained)


def test_equal_candidates_keep_their_sequence() -> None:
    course, _ = raced(Track(RacePlan(90, PLAN.rungs[:1]), TRACK.field, TRACK.reached, 0), dict.fromkeys("abcd", 0.5))
    assert course.winner is ORDERS[0]


def test_a_rung_waits_for_the_last_of_its_trials() -> None:
    losses = {Trial(candidate, 0, 30).key: 0.5 for candidate in ORDERS[:3]}
    course = course_of(TRACK, losses)
    assert [trial.candidate.name for trial in course.missing] == ["d"]
    assert (course.winner, course.steps_done) == (None, 90)


def test_what_a_shorter_rung_has_trained_is_not_asked_for_again() -> None:
    losses = {Trial(candidate, 0, 30).key: place / 10 for place, candidate in enumerate(ORDERS[:4])}
    missing = course_of(TRACK, losses).missing
    assert {(trial.candidate.root, trial.number) for trial in missing if "~" not in trial.candidate.name} == {
        ("a", 1),
        ("b", 1),
    }


def test_trials_are_called_by_their_order_so_that_two_races_share_them() -> None:
    assert Trial(ORDERS[0], 1, 30).key == Trial(Candidate("other name", ORDERS[0].indices, 4), 1, 30).key
    partial = Candidate("p", (0, 1), 4)
    assert partial.key != Candidate("p", (0, 1), 2).key
    assert partial.order == Order([0, 1], 4)
    assert unlike([ORDERS[0], Candidate("same", ORDERS[0].indices, 4), ORDERS[1]]) == ORDERS[:2]


def test_the_proof_has_seeds_that_no_trial_has() -> None:
    trials = {trial_seed(7, number) for number in range(1_000)}
    assert not trials & {proof_seed(7, number) for number in range(1_000)}
    assert max(proof_seed(2**32 - 1, number) for number in range(3)) < 2**32


def test_mutations_are_new_and_small_and_the_same_every_time() -> None:
    leaders = [Candidate("first", tuple(range(16)), 16), Candidate("second", tuple(reversed(range(16))), 16)]
    read = [False] * 11 + [True] * 5
    known = {each.read(read) for each in leaders}
    found = mutations_of(leaders, 12, read, known, seed=3)
    assert found == mutations_of(leaders, 12, read, known, seed=3)
    assert found != mutations_of(leaders, 12, read, known, seed=4)
    assert len({each.read(read) for each in found} | known) == 14
    assert [each.root for each in found] == ["first", "second"] * 6
    assert all(sorted(each.indices) == list(range(16)) for each in found)
    across, within = found[0], found[2]
    moved = [slot for slot in range(16) if across.indices[slot] != slot]
    assert len(moved) == 2
    assert [read[slot] for slot in moved] == [False, True]
    assert [read[slot] for slot in range(16) if within.indices[slot] != slot] == [True, True]


def test_a_mutation_of_a_partial_order_may_read_another_patch() -> None:
    leader = Candidate("half", (0, 1, 2), 6)
    (found,) = mutations_of([leader], 1, [True] * 3, {leader.indices}, seed=0)
    assert len(set(found.indices) - {0, 1, 2}) == 1
    assert found.order.num_slots == 3


def test_where_all_orders_are_known_there_are_fewer_mutations() -> None:
    known = set(permutations(range(2)))
    assert mutations_of([Candidate("a", (0, 1), 2)], 3, [True, True], known, seed=0) == []


def test_no_mutation_differs_from_another_order_only_where_nothing_is_read() -> None:
    """One of three slots is read: there are two patches other than the leader's."""
    leader = Candidate("a", (0, 1, 2), 3)
    found = mutations_of([leader], 9, [False, True, False], {(1,)}, seed=0)
    assert sorted(each.indices[1] for each in found) == [0, 2]
