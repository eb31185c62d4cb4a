"""What verdicts are worth: made-up studies with a known truth, through the statistics of real ones."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARK = Path(__file__).parents[2] / "benchmarks" / "verdicts.py"


@pytest.fixture(scope="module")
def verdicts():
    """The benchmark, whose tables these figures fill."""
    spec = importlib.util.spec_from_file_location("verdicts", BENCHMARK)
    module = importlib.util.module_from_spec(spec)
    sys.modules["verdicts"] = module  # where its dataclasses look for their types
    spec.loader.exec_module(module)
    yield module
    del sys.modules["verdicts"]


def test_made_up_rows_have_the_accuracy_that_is_said(verdicts):
    random = np.random.default_rng(0)
    accuracies = np.array([0.93, 0.95, 0.98])
    means = np.mean([verdicts.scores_of(random, accuracies, 4, 0.7).mean(axis=(1, 2)) for _ in range(100)], axis=0)
    assert means == pytest.approx(accuracies, abs=0.004)


@pytest.mark.slow
def test_false_alarms_in_200_studies_in_which_nothing_matters(verdicts):
    """Three backbones in three orders, two learners, eight seeds; alpha 0.05 for each question."""
    told = verdicts.tell(verdicts.NOTHING, 200, 8, 0)
    for question in verdicts.QUESTIONS:
        assert told[question].misled <= 15, question
    assert told["order-matters"].misled > 0  # a test that never says different is none
    assert told["order-matters"].share("equivalent", False) > 0.5


def test_alarms_against_the_best_of_a_pool_in_a_few_studies(verdicts):
    """The best of 24 orders was lucky with its seeds, so a plain test says too often that another one is worse."""
    told = verdicts.tell_of_best(pool=24, count=40, seeds=8, seed=0, candidates=1)
    assert told.gains + told.losses <= 3
    assert verdicts.tell_of_best(pool=4, count=5, seeds=8, seed=0, gap=0.05).gains == 5


@pytest.mark.slow
@pytest.mark.parametrize("test", ["permutation", "paired-t"])
@pytest.mark.parametrize("pool", [2, 16, 88])
def test_false_alarms_against_the_best_fixed_order_in_200_studies(verdicts, pool, test):
    told = verdicts.tell_of_best(pool, 200, 8, 0, test=test)
    assert told.gains + told.losses <= 15
    if pool == 88:
        assert told.plain_losses > told.losses  # what is held out is needed


@pytest.mark.slow
def test_what_is_as_large_as_the_margin_is_seldom_called_nothing(verdicts):
    """Two points are the margin; 600 comparisons for each question, and three standard errors of their share."""
    told = verdicts.tell(verdicts.TWO_POINTS, 200, 8, 0)
    assert told["any"].share("equivalent", True) <= 0.05
    for question in ("order-matters", "learning-helps", "order-holds-up"):
        assert told[question].share("equivalent", True) <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 600), question


@pytest.mark.slow
def test_five_points_are_found(verdicts):
    told = verdicts.tell(verdicts.FIVE_POINTS, 40, 8, 0)
    for question in ("order-matters", "learning-helps", "order-holds-up"):
        assert told[question].share("different", True) > 0.9, question
