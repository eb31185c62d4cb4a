"""The best fixed order: its choice, comparisons with it, and the effect of choosing on the same seeds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from made_rows import answered, made_row
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.statistics.permutation_tests import permutation_test
from reorder_kit.studies.best_fixed import against_best
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.questions import Asked, questions_of
from reorder_kit.studies.start_origin import origin_of


def best(*rows, pool, candidate=0, higher_is_better=True):
    return against_best(candidate, pool, rows, [None] * len(rows), higher_is_better)


def of_seeds(start, test, validation, seeds=None, **others):
    seeds = tuple(range(len(test))) if seeds is None else seeds
    row = made_row(0.5, start, **others)
    return replace(row, score=mean_over_seeds(test), validation=tuple(validation), seeds=seeds)


INFORMED = made_row(0.9, "informed", origin="chosen")


def test_the_best_is_chosen_on_validation_and_equal_ones_by_name():
    rows = (
        INFORMED,
        made_row(0.95, "row", validation=0.80),  # the best on test images
        made_row(0.85, "spiral", validation=0.82),
        made_row(0.70, "hilbert", validation=0.82),
    )
    assert best(*rows, pool=(1, 2, 3)).pool == (3, 2, 1)
    assert best(*rows, pool=(1, 2, 3), higher_is_better=False).pool == (1, 3, 2)
    (asked, *_), _ = answered(*rows)
    assert (asked.question, asked.rows, asked.pool) == ("best-fixed", (0, 3), (3, 2, 1))
    assert asked.difference.mean == pytest.approx(0.2)


def test_a_validation_score_that_is_no_number_is_the_worst():
    spoilt = of_seeds("a", [0.9, 0.9], [float("nan"), 0.9])
    rows = (of_seeds("informed", [0.9, 0.8], []), spoilt, of_seeds("b", [0.5, 0.6], [0.1, 0.1]))
    assert best(*rows, pool=(1, 2)).pool == (2, 1)


def test_the_seeds_that_choose_are_those_that_test():
    """Each would make a different order the best: seed 0 b, which is not tested with it, and seed 1 a."""
    a = of_seeds("a", [0.6, 0.7], [0.6, 0.7], seeds=(1, 2))
    b = of_seeds("b", [0.9, 0.5, 0.5], [0.9, 0.5, 0.5], seeds=(0, 1, 2))
    informed = of_seeds("informed", [0.8, 0.8, 0.9], [], seeds=(0, 2, 1), origin="chosen")
    found = best(informed, a, b, pool=(1, 2))
    assert (found.pool, found.left_out) == ((1, 2), ())
    assert found.scores.values.tolist() == [[0.8, 0.7], [0.9, 0.6]]  # seeds 2 and 1
    assert found.held_out.values.tolist() == [[0.8, 0.7], [0.9, 0.6]]


SPIRAL = of_seeds("spiral", [0.7, *[0.9] * 7], [0.7, *[0.9] * 7])  # unlucky with seed 0
THIRD = made_row(0.77, "informed", origin="chosen")


@pytest.mark.parametrize("hilbert", [made_row(0.76, "hilbert", seeds=1), of_seeds("hilbert", [0.9], [0.9], seeds=(9,))])
def test_an_order_that_is_far_from_finished_changes_no_answer_and_is_named(hilbert):
    plain, said = answered(THIRD, SPIRAL, made_row(0.75, "row"))
    assert said[0].startswith("With local, informed costs 10.5 points")
    more, said_more = answered(THIRD, SPIRAL, made_row(0.75, "row"), hilbert)
    assert (more[0].rows, more[0].p, more[0].verdict) == (plain[0].rows, plain[0].p, "different")
    assert (more[0].pool, more[0].left_out) == ((1, 2), (3,))
    finished = 1 if hilbert.seeds == (0,) else 0
    words = f"hilbert is left out: {finished} of 8 seeds finished"
    assert f"the best of 2 fixed orders (spiral, chosen on validation images; {words})" in said_more[0]
    assert more[0].sentence.endswith(f"; {words}")


def test_a_seed_that_failed_once_is_left_out_and_not_its_order():
    missed = of_seeds("spiral", [0.9] * 7, [0.9] * 7, seeds=tuple(range(1, 8)))
    (found, *_), _ = answered(THIRD, missed, made_row(0.75, "row"))
    assert (found.rows, found.left_out, len(found.difference.values)) == ((0, 1), (), 7)


def test_the_verdict_says_that_most_of_a_pool_is_missing():
    few = [made_row(0.9, name, seeds=3) for name in ("spiral", "hilbert")]
    found, said = answered(THIRD, made_row(0.75, "row"), *few)
    assert "best-fixed" not in {each.question for each in found}
    assert said[0] == (
        "With local, whether informed is better than the best fixed order is open because the pool is not complete "
        "yet: of 3 fixed orders, spiral, hilbert are left out: 3 of 8 seeds finished."
    )
    halves = [made_row(0.9, name) for name in ("row", "spiral")]
    halves = [replace(row, seeds=tuple(range(first, first + 8))) for row, first in zip(halves, (-4, 4), strict=True)]
    found, said = answered(THIRD, *halves)
    assert found == ()
    assert said[0].endswith("the pool is not complete yet: no seed of informed is finished with all others.")


def test_rows_whose_validation_scores_are_not_known_are_left_out():
    unknown = replace(made_row(0.7, "spiral"), validation=(0.7,) * 7)
    found, said = answered(INFORMED, made_row(0.8, "row"), unknown)
    assert (found[0].pool, found[0].left_out) == ((1,), (2,))
    words = "spiral is left out: validation scores are missing"
    assert f"over the only finished fixed order, row ({words})" in said[0]
    found, said = answered(INFORMED, unknown)
    assert (found, len(said)) == ((), 1)
    assert words in said[0]


def test_each_half_of_the_seeds_is_compared_with_what_the_other_half_chose():
    """Seeds 0 and 2 would choose b, which is bad on their test images; seeds 1 and 3 would choose a."""
    a = of_seeds("a", [0.10, 0.20, 0.30, 0.40], [0.5, 0.9, 0.5, 0.9])
    b = of_seeds("b", [0.60, 0.50, 0.80, 0.70], [0.8, 0.6, 0.8, 0.6])
    informed = of_seeds("informed", [0.5, 0.6, 0.7, 0.8], [], origin="chosen")
    found = best(informed, a, b, pool=(1, 2))
    assert found.held_out.values.tolist() == [[0.5, 0.10], [0.6, 0.50], [0.7, 0.30], [0.8, 0.70]]
    images = [np.tile(np.array(row.score.values)[:, None], 3) for row in (informed, a, b)]
    held_out = against_best(0, (1, 2), (informed, a, b), images, True).held_out
    assert held_out.images[1][:, 0].tolist() == [0.10, 0.50, 0.30, 0.70]
    assert held_out.image_differences(0, 1).mean(axis=1) == pytest.approx([0.4, 0.1, 0.4, 0.1])


def test_a_loss_has_to_show_against_what_other_seeds_chose_and_a_gain_does_not():
    random = np.random.default_rng(0)
    luck = random.normal(0, 0.01, (12, 8))
    pool = [of_seeds(f"o{number:02}", list(0.9 + each), list(0.9 + each)) for number, each in enumerate(luck)]
    for shift in (-0.006, 0.03):
        informed = of_seeds("informed", list(0.9 + shift + random.normal(0, 0.005, 8)), [], origin="chosen")
        rows = (informed, *pool)
        chosen = best(*rows, pool=range(1, 13))
        plain, held_out = (permutation_test(each.values, 0) for each in (chosen.scores, chosen.held_out))
        found = compare(rows, [None] * 13, 0.001, 0.05, 0)[0]
        assert found.question == "best-fixed"
        assert plain < 0.05
        if shift < 0:
            assert held_out > plain
            assert (found.p, found.verdict) == (held_out, "not distinguishable")
        else:
            assert (found.p, found.verdict) == (plain, "different")


@pytest.mark.parametrize(("higher", "sign"), [(True, 1), (False, -1)])
def test_gains_have_the_direction_of_the_metric(higher, sign):
    rows = (made_row(0.9, "informed", origin="chosen"), made_row(0.8, "row"), made_row(0.7, "spiral"))
    found = answered(*rows, higher_is_better=higher)[0][0]
    assert found.rows == ((0, 1) if higher else (0, 2))
    assert np.sign(found.difference.mean) == sign


TABLE = [
    made_row(0.5, "row"),  # 0
    made_row(0.5, "spiral"),
    made_row(0.5, "random", origin="random"),
    made_row(0.5, "mine", origin="file"),  # 3
    made_row(0.5, "informed", origin="chosen"),
    made_row(0.5, "row", "softsort"),  # 5
    made_row(0.5, "row", "softsort", "learned-static"),
    made_row(0.5, "row", "softsort", "null-reward"),
    made_row(0.5, "row", None, "random-fixed"),
    made_row(0.5, "informed", origin="chosen", length=4.0),  # 9
    made_row(0.5, "hilbert", length=4.0),
]


def asked(question, pool=None):
    return [each.rows for each in questions_of(TABLE, pool) if each.question == question]


def test_what_was_learned_or_chosen_is_compared_with_all_rules_of_its_length():
    assert asked("best-fixed") == [(3, 0, 1), (4, 0, 1), (5, 0, 1), (6, 0, 1), (9, 10)]
    assert questions_of(TABLE)[0] == Asked("best-fixed", (3, 0, 1))


def test_a_stated_pool_counts():
    assert asked("best-fixed", ["row", "informed"]) == [(3, 0, 4), (5, 0, 4), (6, 0, 4)]
    assert asked("best-fixed", ["random"]) == [(3, 2), (4, 2), (5, 2), (6, 2)]
    assert asked("best-fixed", ["row"]) == [(3, 0), (4, 0)]  # a learner against its start is a separate question
    assert asked("best-fixed", []) == []


def test_random_and_chosen_starts_are_no_fixed_orders():
    assert asked("order-matters") == [(0, 1, 3)]


def test_holm_goes_over_all_orders_that_are_compared_with_the_best():
    rows = [made_row(0.80, "row"), made_row(0.81, "spiral")]
    rows += [made_row(0.9, name, origin="chosen") for name in ("a", "b", "c")]
    found = [each for each in answered(*rows)[0] if each.question == "best-fixed"]
    assert [(each.p, each.p_holm) for each in found] == [(2 / 2**8, 6 / 2**8)] * 3


@pytest.mark.parametrize(
    ("section", "origin"),
    [
        ({"name": "row"}, "rule"),
        ({"name": "hilbert", "reverse": True}, "rule"),
        ({"name": "random"}, "random"),
        ({"name": "random", "seed": 3}, "random"),
        ({"file": "order.json"}, "file"),
        ({"name": "custom", "file": "order.json"}, "file"),
        ({"prior": {"name": "lzma"}}, "chosen"),
        ({"race": "runs/race"}, "chosen"),
    ],
)
def test_where_a_start_comes_from(section, origin):
    assert origin_of(section, PluginHost(third_party=False)) == origin
