"""Processes side by side: what they are given, what comes back, and what becomes of one that is killed."""

from __future__ import annotations

import os
import signal

import pytest

from reorder_kit.jobs.worker_processes import Processes, Slot, slots_for, visible_gpus


def run_all(processes, works):
    """Every piece of work, and what became of it, in the sequence given."""
    left, ended = list(works), []
    while len(ended) < len(works):
        while left and processes.free:
            processes.start(left.pop(0))
        ended += processes.wait()
    return sorted(ended, key=lambda each: works.index(each.work))


def test_processes_work_one_piece_after_the_other_and_hand_on_what_is_raised():
    with Processes(int, [Slot(), Slot()]) as processes:
        assert processes.wait() == []
        ended = run_all(processes, ["3", "no number", "5", "7"])
        assert processes.free == 2
    assert [each.outcome for each in ended] == [3, None, 5, 7]
    assert [type(each.error) for each in ended] == [type(None), ValueError, type(None), type(None)]
    assert "Traceback" in "".join(ended[1].error.__notes__)


def test_a_process_that_ends_is_replaced():
    with Processes(os._exit, [Slot()]) as processes:
        ended = run_all(processes, [3, 4])
    assert [(each.exit_code, each.outcome, each.error) for each in ended] == [(3, None, None), (4, None, None)]


def test_a_process_that_is_killed_is_told_from_the_signal():
    with Processes(signal.raise_signal, [Slot()]) as processes:
        (ended,) = run_all(processes, [signal.SIGKILL])
    assert ended.exit_code == -signal.SIGKILL


def test_each_process_sees_its_own_gpu():
    with Processes(os.getenv, [Slot(gpu="3"), Slot(gpu="5")]) as processes:
        for _ in range(2):  # the second time, both are there already
            processes.start("CUDA_VISIBLE_DEVICES")
            processes.start("CUDA_VISIBLE_DEVICES")
            ended = []
            while len(ended) < 2:
                ended += processes.wait()
            assert sorted(each.outcome for each in ended) == ["3", "5"]


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


@pytest.mark.parametrize(
    ("environment", "count", "names"),
    [
        ({}, 0, []),
        ({}, 2, ["0", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "3, 1"}, 2, ["3", "1"]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-8932f937,MIG-41"}, 2, ["GPU-8932f937", "MIG-41"]),
        ({"CUDA_VISIBLE_DEVICES": ""}, 0, []),
        ({"CUDA_VISIBLE_DEVICES": "7"}, 0, []),  # named, but there is none
    ],
)
def test_gpus_are_named_as_the_environment_names_them(environment, count, names):
    assert visible_gpus(environment, count) == names
