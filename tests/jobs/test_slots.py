"""The resources of each of several processes."""

from __future__ import annotations

import pytest

from reorder_kit.jobs.slots import Slot, slots_for, slots_of_one_thread, visible_gpus

ONE_THREAD = Slot(threads=1)


@pytest.mark.parametrize(
    ("jobs", "gpus", "slots"),
    [
        (None, [], [Slot()]),
        (1, [], [Slot()]),
        (3, [], [ONE_THREAD] * 3),
        (None, ["0"], [Slot()]),  # it sees the only one in any case
        (None, ["2", "5"], [Slot(1, "2"), Slot(1, "5")]),
        (3, ["2", "5"], [Slot(1, "2"), Slot(1, "5"), Slot(1, "2")]),
        (1, ["2", "5"], [Slot()]),
    ],
)
def test_slots_are_one_for_each_gpu_or_as_many_as_are_asked_for(jobs, gpus, slots):
    assert slots_for(jobs, gpus) == slots


def test_a_single_process_may_have_one_thread_too():
    assert slots_of_one_thread(1) == [ONE_THREAD]
    assert slots_of_one_thread(3) == [ONE_THREAD] * 3


@pytest.mark.parametrize(
    ("environment", "count", "names"),
    [
        ({}, 0, []),
        ({}, 2, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "3, 1"}, 2, ["3", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,MIG-41"}, 2, ["GPU-8932f937", "MIG-41"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0, []),
        ({"CUDA_VISIBLE_DEVICES": "7"}, 0, []),  # named, but it does not exist
    ],
)
def test_gpus_are_named_as_the_environment_names_them(environment, count, names):
    assert visible_gpus(environment, count) == names
