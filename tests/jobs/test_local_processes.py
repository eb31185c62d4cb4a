"""Work in processes: inputs, results, and what happens if one is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from children import wait_for_lines
from pieces_of_work import Piece
from reorder_kit.jobs.engine import outcomes, work_through
from reorder_kit.jobs.local_processes import SECONDS_TO_END, LocalProcesses
from reorder_kit.jobs.slots import Slot

pytestmark = pytest.mark.slow

PATIENCE = 15
"""Seconds in which processes must end: they take two at most, but a machine may be busy."""


@pytest.fixture(autouse=True)
def only_what_is_needed(monkeypatch):
    monkeypatch.setenv("REORDER_KIT_NO_THIRD_PARTY", "1")


@pytest.fixture(scope="module")
def one_process():
    """A single process for several tests, since each takes seconds to start."""
    with LocalProcesses([Slot()]) as processes:
        yield processes


def test_a_process_does_one_piece_after_the_other_and_tells_what_failed(one_process):
    pieces = [
        Piece("first", "number", "3"),
        Piece("mistaken", "number", "three"),
        Piece("refused", "refuse"),
        Piece("odd", "cannot_be_pickled"),
        Piece("last", "number", "7"),
    ]
    assert one_process.wait() == []
    ended = {str(each.work): each for each in work_through(pieces, one_process)}
    assert one_process.free == 1
    assert {name: each.outcome for name, each in ended.items() if each.failure is None} == {"first": 3, "last": 7}
    mistaken, refused, odd = (ended[name].failure for name in ("mistaken", "refused", "odd"))
    assert mistaken.reason.startswith("ValueError: ")
    assert "Traceback" in mistaken.details
    assert (refused.reason, refused.hint, refused.details) == ("it cannot be done", "try something else", "")
    assert "cannot be sent" in odd.reason


def test_a_process_that_ends_is_told_and_replaced(one_process):
    # A process that exits successfully is reported, too, since it has not done its work.
    pieces = [Piece("0", "end", 0), Piece("killed", "signal", signal.SIGKILL), Piece("after", "number", "1")]
    ended = list(work_through(pieces, one_process))
    assert [each.work for each in ended] == pieces
    assert [each.failure and each.failure.reason for each in ended] == [
        "its process was ended by exit code 0",
        "its process was ended by SIGKILL",
        None,
    ]


def test_a_process_that_is_killed_while_it_is_idle_is_replaced(one_process):
    ((_, first),) = outcomes([Piece("", "pid")], one_process)
    os.kill(first, signal.SIGKILL)
    until = time.monotonic() + PATIENCE
    # Its threads end after its main thread, and only then does it count as gone.
    tasks = Path(f"/proc/{first}/task")
    while psutil.Process(first).status() != psutil.STATUS_ZOMBIE or len(list(tasks.iterdir())) > 1:
        assert time.monotonic() < until
    ((_, second),) = outcomes([Piece("", "pid")], one_process)
    assert first != second


def test_a_killed_process_is_told_though_its_children_live_and_they_end(one_process, tmp_path):
    note = tmp_path / "pids"
    one_process.start([Piece("", "stay_with_child", note)])
    worker, child = (psutil.Process(pid) for pid in pids_in(note))
    worker.kill()
    began = time.monotonic()
    (ended,) = one_process.wait()
    assert time.monotonic() - began < PATIENCE  # the child stays for minutes
    assert ended.failure.reason == "its process was ended by SIGKILL"
    assert psutil.wait_procs([child], timeout=PATIENCE)[1] == []


def test_ctrl_c_does_not_reach_a_process_and_a_second_one_does_not_leave_it_behind(tmp_path):
    here, note = psutil.Process(), tmp_path / "stopped"
    before = here.children()
    with LocalProcesses([Slot()]) as processes:
        processes.start([Piece("", "number", "1")])
        for child in set(here.children()) - set(before):  # it is still importing
            child.send_signal(signal.SIGINT)
        assert [ended.outcome for ended in processes.wait()] == [1]
        processes.start([Piece("", "stop", note)])
        (stopped,) = (psutil.Process(pid) for pid in pids_in(note))
        signal.signal(signal.SIGALRM, signal.default_int_handler)
        signal.setitimer(signal.ITIMER_REAL, SECONDS_TO_END / 4)
        try:
            with pytest.raises(KeyboardInterrupt):
                processes.__exit__()
            assert psutil.wait_procs([stopped], timeout=PATIENCE)[1] == []
        finally:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            if stopped.is_running():
                stopped.kill()


def test_processes_see_a_gpu_each_and_end_with_their_children(tmp_path):
    """Including those that no longer respond; the same executor then starts others."""
    look = [Piece(str(number), "environment", "CUDA_VISIBLE_DEVICES") for number in range(2)]
    notes = [tmp_path / name for name in ("busy", "stopped")]
    with LocalProcesses([Slot(gpu="3"), Slot(gpu="5")]) as processes:
        for _ in range(2):  # the second time, both exist already
            assert sorted(seen for _, seen in outcomes(look, processes)) == ["3", "5"]
        processes.start([Piece("", "stay_with_child", notes[0]), Piece("", "stop", notes[1])])
        there = [psutil.Process(pid) for note in notes for pid in pids_in(note)]
        assert len(there) == 3
        assert processes.free == 0
        began = time.monotonic()
    assert psutil.wait_procs(there, timeout=PATIENCE)[1] == []
    assert time.monotonic() - began < PATIENCE
    assert processes.free == 2


PARENT = """
import sys
from pathlib import Path
from pieces_of_work import Piece
from reorder_kit.jobs.local_processes import LocalProcesses
from reorder_kit.jobs.slots import Slot

if __name__ == "__main__":
    with LocalProcesses([Slot()]) as processes:
        processes.start([Piece("", "stay_with_child", Path(sys.argv[1]))])
        processes.wait()
"""


def test_processes_end_with_a_parent_that_is_killed_and_what_they_print_is_no_result(tmp_path):
    note, script = tmp_path / "pids", tmp_path / "parent.py"
    script.write_text(PARENT)
    path = [str(Path(__file__).parents[1] / "helpers"), *sys.path]
    with subprocess.Popen(
        [sys.executable, str(script), str(note)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as parent:
        there = [psutil.Process(pid) for pid in pids_in(note)]
        parent.kill()
        printed = parent.communicate()
    assert psutil.wait_procs(there, timeout=PATIENCE)[1] == []
    assert printed == ("", "a plugin says hello\n")


def pids_in(note):
    """The process ids that a piece of work recorded."""
    wait_for_lines(note, 1, seconds=600)
    return [int(pid) for pid in note.read_text().split()]
