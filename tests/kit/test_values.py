"""Which values are the same."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from reorder_kit.interfaces import BoxTarget
from reorder_kit.testing._values import are_same, leaves


def box(right, classes=0):
    return BoxTarget(torch.tensor([[0.0, 0.0, right, 2.0]]), torch.tensor([classes]), torch.tensor([False]))


SAME = [
    (1, 1),
    ("a", "a"),
    (None, None),
    (float("nan"), float("nan")),
    (torch.tensor([1.0, torch.nan]), torch.tensor([1.0, torch.nan])),
    (np.array([np.nan, 2]), np.array([np.nan, 2])),
    (np.array(["a", None], dtype=object), np.array(["a", None], dtype=object)),
    ([box(3.0), {"a": (1, [])}], [box(3.0), {"a": (1, [])}]),
    ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
    (torch.zeros(0, 4), torch.zeros(0, 4)),
]
DIFFERENT = [
    (1, 2),
    (float("nan"), 0.0),
    ([1], [1, 1]),
    ([], [[]]),
    ([], {}),
    ([1], 1),
    ({"a": 1}, {"b": 1}),
    (torch.tensor([1.0]), torch.tensor([1])),
    (torch.tensor([1.0]), torch.tensor([[1.0]])),
    (torch.tensor([1.0]), np.array([1.0], dtype=np.float32)),
    (torch.tensor([1.0, torch.nan]), torch.tensor([torch.nan, 1.0])),
    (torch.zeros(0, 4), torch.zeros(0, 3)),
    (torch.tensor(1), 1),
    (np.array([1, 2]), np.array([1, 3])),
    (np.array(["a", 1], dtype=object), np.array(["a", 2], dtype=object)),
    (box(3.0), box(4.0)),
    (box(3.0), box(3.0, classes=1)),
    ([box(3.0)], [None]),
]


@pytest.mark.parametrize(("one", "other"), SAME, ids=repr)
def test_the_same(one, other):
    assert are_same(one, other)
    assert are_same(other, one)


@pytest.mark.parametrize(("one", "other"), DIFFERENT, ids=repr)
def test_different(one, other):
    assert not are_same(one, other)
    assert not are_same(other, one)


def test_leaves_are_found_in_their_places():
    assert list(leaves({"a": [1, (2, "bc")], "d": []})) == [
        (("a", 0), 1),
        (("a", 1, 0), 2),
        (("a", 1, 1), "bc"),
        (("d",), []),
    ]
