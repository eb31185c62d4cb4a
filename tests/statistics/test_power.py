"""What a number of seeds can show: by hand, and from comparisons of very different rows."""

from __future__ import annotations

import pytest

from reorder_kit.statistics.estimate import mean_over_seeds
from reorder_kit.statistics.power import can_tell, too_few_seeds
from reorder_kit.studies.comparisons import compare
from reorder_kit.studies.results import Row
from says import says


@pytest.mark.parametrize(
    ("seeds", "family", "alpha", "enough"),
    [
        (3, 1, 0.05, 6),  # 2 / 2**3 = 0.25; 2 / 2**6 = 0.031
        (5, 1, 0.05, 6),  # 0.0625
        (6, 1, 0.05, None),
        (8, 6, 0.05, None),  # 6 * 0.0078 = 0.047
        (8, 7, 0.05, 9),  # 7 * 0.0078 = 0.055
        (3, 1, 0.25, 4),  # below alpha, not at it
        (1, 1, 0.05, 6),
    ],
)
def test_how_many_seeds_are_enough(seeds, family, alpha, enough):
    message = too_few_seeds(seeds, family, alpha)
    assert can_tell(seeds, family, alpha) == (enough is None)
    if enough is None:
        assert message is None
    else:
        assert f"{enough} seeds would do" in message


def test_the_message():
    told = too_few_seeds(3, 6, 0.05)
    assert told is not None
    assert says(told, "3 seeds", "below 0.25", "6 comparisons", "below 0.05", "8 seeds would do")
    one = too_few_seeds(1, 1, 0.1)
    assert one is not None
    assert says(one, "1 seed ", "too few", "below 1")


def test_more_comparisons_than_any_number_of_seeds_can_bear():
    assert "no number of seeds would do, only fewer comparisons" in too_few_seeds(8, 20_000_000, 0.05)


@pytest.mark.parametrize("learners", [1, 3, 6, 7])
@pytest.mark.parametrize("seeds", [4, 6, 8, 9])
def test_the_warning_comes_just_where_nothing_can_be_told(seeds, learners):
    """Learners that are better than their start with every seed."""

    def row(learner, score):
        values = [score + 0.001 * seed for seed in range(seeds)]
        return Row("d", "b", "row", learner, None, mean_over_seeds(values), tuple(range(seeds)), (), 4, 4, False, 1.0)

    rows = [row(None, 0.5), *(row(f"l{number}", 0.9) for number in range(learners))]
    found = compare(rows, [None] * len(rows), 0.01, 0.05, 0)
    assert len(found) == learners
    told = all(each.verdict == "different" for each in found)
    assert told == (too_few_seeds(seeds, learners, 0.05) is None)
    assert all(("cannot show a difference" in each.sentence) != told for each in found)
