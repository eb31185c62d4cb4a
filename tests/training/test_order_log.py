import json

import pytest
import torch

from reorder_kit.interfaces import Pass, StepResult
from reorder_kit.orders.checksums import with_checksum
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.orders.proposal import Proposal
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.training.order_log import OrderLog
from reorder_kit.training.order_summary import OrderSummary

GRID = Grid(2, 2)
ROW = OrderSummary(Order([0, 1, 2, 3]))
SWAPPED = OrderSummary(Order([1, 0, 2, 3]))
REVERSED = OrderSummary(Order([3, 2, 1, 0]))


def begun(folder, process):
    log = OrderLog(folder, GRID, ROW.order, process)
    log.begin()
    return log


def step_with(*proposals):
    """A step that read a batch once for each proposal."""
    zero = torch.zeros(1)
    return StepResult(zero, None, tuple(Pass((proposal,), zero) for proposal in proposals))


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


def test_the_start_and_the_order_of_every_epoch_are_written(folder):
    log = begun(folder, process=0)
    log.epoch(1, ROW)
    log.epoch(2, SWAPPED)
    assert OrderFile.load(folder.start_order).order == ROW.order
    assert [OrderFile.load(folder.epoch_order(epoch)).order for epoch in (1, 2)] == [ROW.order, SWAPPED.order]


def test_an_order_is_compared_with_the_start_and_the_epoch_before(folder):
    log = begun(folder, process=0)
    log.epoch(1, REVERSED)
    figures = log.epoch(2, SWAPPED)
    assert figures.kendall_tau_to_start == pytest.approx(4 / 6)  # 1 of 6 pairs reversed
    assert figures.kendall_tau_to_last_epoch == pytest.approx(-4 / 6)
    assert figures.mean_rank_shift == pytest.approx(0.5)  # two of four patches move by one
    assert figures.adjacency == 1.0  # 1-0, 0-2 and 2-3 are neighbors


def test_only_process_0_writes_the_orders_of_epochs(folder):
    begun(folder, process=1).epoch(1, ROW)
    assert list(folder.orders.iterdir()) == []


def test_every_process_writes_the_orders_it_drew(folder):
    drawn = Proposal(Order(torch.tensor([[1, 0, 2, 3], [3, 2, 1, 0]]), 4), log_prob=torch.zeros(2))
    other = Proposal(Order([3, 2, 1, 0]), log_prob=torch.zeros(1))
    begun(folder, process=1).sampled(7, step_with(drawn, other))
    lines = folder.sampled_orders(1).read_text().splitlines()
    assert [json.loads(line) for line in lines] == [with_checksum({"epoch": 7, "order": [1, 0, 2, 3]})]


def test_the_first_draw_of_an_epoch_is_written_whenever_it_comes(folder):
    log = begun(folder, process=0)
    for epoch, proposal in [
        (1, Proposal(ROW.order)),  # nothing is drawn in the warm-up, and at temperature 0
        (1, Proposal(Order(torch.tensor([[1, 0, 2, 3]]), 4), log_prob=torch.zeros(1))),
        (1, Proposal(Order(torch.tensor([[3, 2, 1, 0]]), 4), log_prob=torch.zeros(1))),
        (2, Proposal(Order(torch.tensor([[0, 2, 1, 3]]), 4), log_prob=torch.zeros(1))),
    ]:
        log.sampled(epoch, step_with(proposal))
    lines = [json.loads(line) for line in folder.sampled_orders(0).read_text().splitlines()]
    expected = [{"epoch": 1, "order": [1, 0, 2, 3]}, {"epoch": 2, "order": [0, 2, 1, 3]}]
    assert lines == [with_checksum(line) for line in expected]


def test_an_order_that_was_not_drawn_is_no_sample(folder):
    begun(folder, process=0).sampled(1, step_with(Proposal(ROW.order)))
    assert not folder.sampled_orders(0).exists()


def test_of_a_dynamic_policy_the_consensus_is_written_with_its_spread_and_examples(folder):
    examples = (Order([0, 1, 2, 3]), Order([1, 0, 2, 3]))
    figures = begun(folder, process=0).epoch(1, OrderSummary(ROW.order, 0.25, examples))
    assert figures.spread == 0.25
    written = OrderFile.load(folder.epoch_order(1))
    assert (written.order, written.spread, tuple(written.examples)) == (ROW.order, 0.25, examples)


def test_resuming_forgets_what_came_after_and_compares_with_the_order_of_the_epoch_before(folder):
    log = begun(folder, process=0)
    for epoch, summary in [(1, ROW), (2, ROW), (9999, REVERSED), (10000, ROW)]:
        log.epoch(epoch, summary)
    log = begun(folder, process=0)
    log.resume(9999)
    assert not folder.epoch_order(10000).exists()
    assert folder.epoch_order(9999).exists()
    assert log.epoch(10000, REVERSED).kendall_tau_to_last_epoch == 1.0
