"""The matrix of a transfer, from scores worked out by hand and against scipy."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from scipy import stats

from made_results import run_order, run_result
from reorder_kit.runs.result import Reach
from reorder_kit.transfer.results import START, Target, TransferResult, collect

TARGETS = (Target("a", "top1", True, 16, 16, False), Target("b", "mAP", True, 5, 16, True))
# From scratch, target b: the order of a gains 0.10, 0.12 and 0.11 over the start; b's own loses, gains, and loses.
BY_ROW = {START: (0.50, 0.40, 0.60), "a": (0.60, 0.52, 0.71), "b": (0.40, 0.60, 0.55)}


def scores(seeds=(0, 1, 2)):
    found = {}
    for place, seed in enumerate(seeds):
        for target in ("a", "b"):
            for row, values in BY_ROW.items():
                for how in ("evaluated", "tuned"):
                    found[how, target, row, seed] = 0.5
                found["scratch", target, row, seed] = values[place] if target == "b" else 1 - values[place]
    return found


@pytest.fixture
def results():
    return collect(scores(), (0, 1, 2), TARGETS)


def test_a_gain_is_the_mean_of_paired_differences_with_the_interval_of_a_paired_t_test(results):
    for row in ("a", "b"):
        cell = results.cell("scratch", "b", row)
        expected = stats.ttest_rel(BY_ROW[row], BY_ROW[START]).confidence_interval(0.95)
        assert cell.score.mean == pytest.approx(sum(BY_ROW[row]) / 3)
        assert (cell.gain.low, cell.gain.high) == pytest.approx((expected.low, expected.high))
    assert results.cell("scratch", "b", "a").gain.mean == pytest.approx(0.11)


def test_a_verdict_is_what_the_interval_says(results):
    verdicts = {(cell.target, cell.row): cell.verdict for cell in results.cells if cell.how == "scratch"}
    assert verdicts == {
        ("a", START): "reference",
        ("a", "a"): "worse",
        ("a", "b"): "not distinguishable",
        ("b", START): "reference",
        ("b", "a"): "better",
        ("b", "b"): "not distinguishable",
    }


def test_there_is_a_cell_for_every_way_target_and_order(results):
    assert len(results.cells) == 3 * 2 * 3
    assert results.rows == [START, "a", "b"]


def test_words_name_the_selection_and_what_was_transferred(results):
    said = results.verdict
    assert "b: 5 of 16 slots reach the readout, so an order also selects patches." in said
    assert any(line.startswith("b, from scratch in the order of a: +11.0 points (") for line in said)
    assert any(line.startswith("a, from scratch in its own learned order: -11.0 points (") for line in said)
    assert "3 paired seeds; about one in twenty misses" in said[-1]


def test_one_seed_decides_nothing():
    results = collect(scores((0,)), (0,), TARGETS)
    assert {cell.verdict for cell in results.cells} == {"reference", "one seed"}
    assert "A single seed has no interval" in results.verdict[-1]


def test_the_file_and_the_table_say_the_same(results, tmp_path):
    results.write(tmp_path / "transfer.json")
    assert TransferResult.read(tmp_path / "transfer.json") == results
    content = json.loads((tmp_path / "transfer.json").read_text())
    assert content["format_version"] == 1
    (cell,) = [cell for cell in content["cells"] if (cell["how"], cell["target"], cell["row"]) == ("scratch", "b", "a")]
    assert cell["gain"]["values"] == pytest.approx([0.10, 0.12, 0.11])
    rows = [line for line in results.markdown().splitlines() if line.startswith("| a |")]
    assert len(rows) == 3
    assert rows[2] == f"| a | 0.390; -11.0 points (-13.5 to -8.5) | {0.61:.3f}; +11.0 points (+8.5 to +13.5) |"


def test_a_consensus_and_a_composed_order_are_called_so():
    first, second = TARGETS
    of_several = (replace(first, spread=0.25), replace(second, reached_slots=None, is_selection=False))
    said = collect(scores(), (0, 1, 2), of_several).verdict
    spread = "each image has its own order; their mean Kendall distance to the consensus is 0.250"
    assert f"a has no single order: {spread}. Its row is the consensus, in which it was not trained." in said
    assert "b also orders before a later block: its row is the composed order, before block 0 only." in said
    for target in ("a", "b"):
        for order in ("the consensus of a", "the composed order of b"):
            assert any(line.startswith(f"{target}, from scratch in {order}: ") for line in said)


def test_a_target_is_what_a_run_of_it_says():
    reach = Reach(slots=5, of=12, left_out=4, is_selection=True)
    result = run_result(order=run_order(reach=reach, is_consensus=True, spread=0.25, examples=[]))
    assert Target.of("a", result) == Target("a", "top1", True, 5, 12, True, 4, 0.25)
