"""Rows of one process; tests with several processes are in tests/faults."""

import torch

from reorder_kit.interfaces import gather_images


def test_on_one_process_nothing_is_gathered():
    x = torch.randn(3, 2, requires_grad=True)
    rows, mine = gather_images(x)
    assert rows is x
    assert mine == slice(0, 3)
    assert gather_images(torch.zeros(0, 2))[1] == slice(0, 0)
