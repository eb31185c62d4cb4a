"""The engine for many runs: the order in which work starts, and how failures are reported."""

from __future__ import annotations

import pytest

from in_this_process import InThisProcess
from pieces_of_work import Piece
from reorder_kit.errors import ReorderKitError
from reorder_kit.jobs.engine import outcomes, work_through


@pytest.fixture(autouse=True)
def only_what_is_needed(monkeypatch):
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")


def test_work_waits_until_it_is_ready():
    late, early, never = Piece("late", "number", 1), Piece("early", "number", 2), Piece("never", "number", 3)
    executor = InThisProcess(at_a_time=2)
    ready = {late: lambda: "early" in executor.done, early: lambda: True, never: lambda: False}
    with executor:
        ended = list(work_through([late, early, never], executor, lambda work: ready[work]()))
    assert executor.done == ["early", "late"]
    assert [each.outcome for each in ended] == [2, 1]


def test_equal_pieces_are_all_done():
    executor = InThisProcess()
    with executor:
        ended = list(work_through([Piece("same", "number", 1), Piece("same", "number", 1)], executor))
    assert [each.outcome for each in ended] == [1, 1]
    assert executor.done == ["same", "same"]


def test_no_more_is_started_than_is_free():
    executor = InThisProcess(at_a_time=2)  # which checks it
    with executor:
        ended = list(work_through([Piece(str(number), "number", number) for number in range(5)], executor))
    assert [each.outcome for each in ended] == [0, 1, 2, 3, 4]


def test_every_failure_is_told_when_all_others_are_finished():
    pieces = [Piece("bad", "refuse"), Piece("worse", "number", "x"), Piece("lost", "pid"), Piece("good", "number", 1)]
    with InThisProcess(lost=["lost"]) as executor:
        finished = outcomes(pieces, executor)
        assert next(finished) == (pieces[-1], 1)
        with pytest.raises(ReorderKitError) as error:
            next(finished)
    lines = error.value.message.splitlines()
    assert lines[0] == "bad: it cannot be done"
    assert lines[1].startswith("worse: ValueError: ")
    assert "Traceback (most recent call last):" in lines
    assert lines[-1] == "lost: its process was ended by SIGKILL"
    assert error.value.hint == "try something else"
