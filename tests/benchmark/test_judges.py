"""benchmarks/judges.py: a tiny case from start to end, and tables worked out by hand."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from benchmark_scripts import script
from reorder_kit.data.chosen_samples import ChosenSamples
from reorder_kit.testing import host_with


@pytest.fixture(scope="module")
def judges():
    with script("judges") as module:
        yield module


@pytest.fixture(scope="module")
def table():
    with script("judges_table") as module:
        yield module


@pytest.fixture
def bench(judges, monkeypatch):
    monkeypatch.setattr(judges, "RULES", ("row", "spiral"))
    monkeypatch.setattr(judges, "RANDOM", 0)
    monkeypatch.setattr(judges, "IMAGES", 60)
    host = host_with()
    whole = judges.compose(judges.recipe("digits", "local", Path(), 0), host, "digits").open_data()
    few = {name: ChosenSamples(getattr(whole, name), range(60)) for name in ("train", "validation", "test")}
    splits = replace(whole, **few)
    lengths = judges.Lengths(full=3, short=(2,), shared=3, further=2)
    return judges.Bench("digits", "local", Path(), host, splits, lengths)


def test_every_judge_has_a_number_for_every_order_and_a_stopped_run_goes_on(judges, table, bench):
    records = list(islice(judges.measure(bench, [], 0), 30))  # stopped halfway through the judges
    rest = list(judges.measure(bench, records, 0))
    every = [*records, *rest]
    keys = [(record["judge"], record["order"], record["seed"]) for record in every]
    assert len(set(keys)) == len(keys)
    orders = {"row", "spiral", "informed", "informed-reversed"}
    names = {"closed form", "lzma", "zstd", "conditional-entropy", "adjacency", "shared weights"}
    names |= {f"influence x {what}" for what in ("probe", "pixel-deviation", "center")}
    names |= {f"shared weights{what}" for what in (" of 3 models", ", orders near row", ", then 2 steps")}
    names |= {"from scratch, 2 steps", "truth", "orders"}
    assert set(keys) == {(name, order, 0) for name in names for order in orders}
    assert list(judges.measure(bench, every, 0)) == []
    value = {(record["judge"], record["order"]): record.get("value") for record in every}
    assert 0 <= value["truth", "row"] <= 1
    assert value["from scratch, 2 steps", "row"] < 0  # a negated loss
    assert value["adjacency", "spiral"] == 1
    # The most informative patch is where an untrained model looks, and vice versa.
    for judge in ("closed form", "influence x probe"):
        assert value[judge, "informed"] > value[judge, "informed-reversed"]
    lines = table.report(every)
    assert any(line.startswith("| closed form | ") for line in lines)
    assert "| seeds of the truth | 1 of 4 orders |  |" in lines


def test_orders_near_a_start_differ_by_so_many_swaps(judges, bench, monkeypatch):
    read = []
    monkeypatch.setattr(judges.SharedWeights, "_train", lambda self, model, orders, *_: read.append(orders(64)))
    shared = judges.shared_weights(bench, 5)
    start = judges.Order.identity(16)
    shared.train(start, 1, 2)
    shared.train(start, 1)
    near, anywhere = ((each.indices != start.indices).sum(dim=1).tolist() for each in read)
    assert all(0 <= moved <= 4 for moved in near)
    assert max(near) >= 3  # two swaps move four patches, or three
    assert min(anywhere) > 4


def test_the_same_seed_gives_the_same_numbers(judges, bench):
    orders = {"row": judges.fixed_orders(bench.host, bench.grid)["row"]}
    for judge in (judges.of_shared_weights, judges.of_trials):
        once, again = ([found[:3] for found in judge(bench, orders, 0, set())] for _ in range(2))
        assert once == again


TRUTH = {"a": 0.9, "b": 0.8, "c": 0.6, "d": 0.5}


def test_correlation_and_regret_by_hand(table):
    reverse = {name: -value for name, value in TRUTH.items()}
    swapped = {"a": 3, "b": 4, "c": 2, "d": 1}
    assert table.correlation(TRUTH, TRUTH) == pytest.approx(1)
    assert table.correlation(reverse, TRUTH) == pytest.approx(-1)
    assert table.correlation(swapped, TRUTH) == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert table.correlation(dict.fromkeys("abcd", 1.0), TRUTH) == 0
    assert table.regret(TRUTH, TRUTH) == 0
    assert table.regret(reverse, TRUTH) == pytest.approx(0.4)
    assert table.regret(swapped, TRUTH) == pytest.approx(0.1)
    assert table.regret({"a": 1, "b": 1, "c": 0, "d": 0}, TRUTH) == pytest.approx(0.05)  # it cannot tell a from b


def test_halves_are_disjoint_seeds(table):
    other = {"a": 0.8, "b": 0.9, "c": 0.6, "d": 0.5}
    rho, lost = table.halves([TRUTH, other])
    assert rho == pytest.approx(0.8)
    assert lost == pytest.approx(0.1)
    # Halves of four seeds are pairs: three ways to halve them, each counted twice.
    rho, _ = table.halves([TRUTH, other, TRUTH, other])
    assert rho == pytest.approx((2 * 0.8 + 4 * 1) / 6, abs=0.1)
    assert math.isnan(table.halves([TRUTH])[0])


def test_a_perfect_judge_by_hand(table):
    assert table.of_perfect_judge(0.5, 2) == pytest.approx((2 * 0.5 / 1.5) ** 0.5)
    assert table.of_perfect_judge(0.5, 4) == pytest.approx((2 * 0.5 / 1.5) ** 0.5)
    assert table.of_perfect_judge(1.0, 3) == 1
    # Noise as large as the signal: means of one and of two seeds have 1/2 and 2/3 of signal, of three 3/4.
    assert table.of_perfect_judge((1 / 2 * 2 / 3) ** 0.5, 3) == pytest.approx(0.75**0.5)
    for untold in (0.0, -0.3, math.nan):
        assert math.isnan(table.of_perfect_judge(untold, 2))


@pytest.mark.parametrize("seeds", [2, 3])
def test_a_judge_that_knows_the_signal_is_above_the_halves_and_as_good_as_estimated(table, seeds):
    generator = np.random.default_rng(0)
    signal = generator.normal(size=2000)
    named = [dict(enumerate(signal + generator.normal(size=2000))) for _ in range(seeds)]
    rho, _ = table.halves(named)
    reached = table.correlation(dict(enumerate(signal)), table.average(named))
    assert reached > rho + 0.2
    assert table.of_perfect_judge(rho, seeds) == pytest.approx(reached, abs=0.03)


def lines_of(judge, scores, seed, seconds=1.0, case="digits"):
    return [
        {"case": case, "backbone": "local", "judge": judge, "order": order, "seed": seed, "value": value}
        | {"seconds": seconds}
        for order, value in scores.items()
    ]


def test_a_table_has_what_there_is_and_leaves_out_unfinished_seeds(table):
    reverse = {name: -value for name, value in TRUTH.items()}
    records = [
        *lines_of("truth", TRUTH, 0),
        *lines_of("truth", TRUTH, 1),
        *lines_of("truth", {"a": 0.0}, 2),
        *lines_of("good", TRUTH, 0, seconds=0.25),
        *lines_of("bad", reverse, 0, seconds=2),
        *lines_of("good", TRUTH, 0, case="eurosat"),
    ]
    lines = table.report(records)
    assert lines[0] == "**local**"
    assert lines[2] == "| judge | digits | cost of an order, full trainings |"
    assert lines[4:] == [
        "| seeds of the truth | 2 of 4 orders |  |",
        "| one half of the seeds for the other | +1.00, 0.0 |  |",
        "| a perfect judge, estimated from the halves | +1.00 |  |",
        "| a random pick | 0, 20.0 |  |",
        "| good | +1.00, 0.0 | 0.625 |",
        "| bad | -1.00, 40.0 | 2.000 |",
        "",
    ]
    assert table.report([]) == ["Nothing was measured yet."]
