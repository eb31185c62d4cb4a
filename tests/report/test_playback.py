"""Playback: the orders included in a page."""

from __future__ import annotations

import itertools
import json

import pytest

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.reports.playback import player_of, track_of
from reorder_kit.reports.record import RunRecord
from reorder_kit.runs.run_folder import RunFolder
from resealed import reseal


def many_epochs(run_folder, count):
    folder = RunFolder(run_folder)
    line = json.loads(folder.metrics.read_text().splitlines()[0])
    folder.metrics.write_text("".join(json.dumps({**line, "epoch": 1 + number}) + "\n" for number in range(count)))
    for number in range(count):
        order = Order([*range(number % 16, 16), *range(number % 16)])
        OrderFile("x", Grid(4, 4), order).save(folder.epoch_order(1 + number))
    reseal(run_folder)
    return RunRecord.read(folder)


def test_a_long_run_is_thinned_out_from_first_to_last(run_folder):
    track = track_of(many_epochs(run_folder, 1500), "long", "the data is gone")
    epochs = [step.epoch for step in track.steps]
    assert (epochs[0], epochs[-1], len(epochs)) == (0, 1500, 20_000 // 16)
    assert max(after - before for before, after in itertools.pairwise(epochs)) == 2
    assert list(track.steps[-1].order) == [*range(1499 % 16, 16), *range(1499 % 16)]


def test_an_order_that_is_gone_is_refused_by_name(run_folder):
    folder = RunFolder(run_folder)
    folder.epoch_order(3).rename(run_folder / "epoch-0003.json")
    with pytest.raises(ReorderKitError, match=r"orders/epoch-0003\.json: cannot be read"):
        track_of(RunRecord.read(folder), "short", "gone")
    (run_folder / "epoch-0003.json").rename(folder.epoch_order(3))
    track = track_of(RunRecord.read(folder), "short", "gone")
    assert [step.epoch for step in track.steps] == [0, 1, 2, 3, 4, 5, 6]
    assert track.steps[0].words == "the starting order"
    assert track.steps[1].words.startswith("warm-up · validation top1 0.")


def test_nothing_to_play_is_no_player():
    assert player_of([None], "caption") == []
