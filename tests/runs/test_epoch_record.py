"""``metrics.jsonl``: the content of a line, round trips, and leftovers of a kill."""

from __future__ import annotations

import json

import pytest

from made_results import epoch_record, figures
from reorder_kit.errors import ReorderKitError
from reorder_kit.runs.epoch_record import EpochOrder, MetricsFile, TrainFigures, cut_after, read_epochs

LINE = {
    "epoch": 3,
    "phase": "warm-up",
    "train": {"loss": 0.3333333333333333, "lr": 0.125},
    "validation": {"loss": 0.5, "images": 8, "top1": 0.75},
    "order": {
        "kendall_tau_to_start": 0.5,
        "mean_rank_shift": 1.0,
        "adjacency": 0.25,
        "kendall_tau_to_last_epoch": 1.0,
    },
    "policy": {},
    "seconds": 2.0,
    "images_per_second": 4.0,
}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "metrics.jsonl"


def test_a_line_is_written_key_for_key(path):
    record = epoch_record(3, loss=1 / 3, phase="warm-up", validation=figures(top1=0.75), policy={})
    MetricsFile(path).append(record)
    assert path.read_text() == json.dumps(LINE) + "\n"


def test_what_not_every_epoch_has_stands_in_its_place(path):
    order = EpochOrder(
        kendall_tau_to_start=1.0, mean_rank_shift=0.0, adjacency=1.0, kendall_tau_to_last_epoch=1.0, spread=0.0
    )
    record = epoch_record(
        train=TrainFigures(loss=0.5, lr=0.1, parts={"left": 0.2}),
        order=order,
        policy={"temperature": 1, "is_hard": True},
        soft_to_hard_gap=0.0,
        evaluated_images=64,
        unreadable=("torn.png",),
    )
    MetricsFile(path).append(record)
    line = json.loads(path.read_text())
    assert list(line)[5:] == [
        "policy", "soft_to_hard_gap", "evaluated_images", "unreadable", "seconds", "images_per_second",
    ]  # fmt: skip
    assert line["train"] == {"loss": 0.5, "lr": 0.1, "parts": {"left": 0.2}}
    assert line["order"]["spread"] == line["soft_to_hard_gap"] == 0.0
    assert json.dumps(line["policy"]) == '{"temperature": 1, "is_hard": true}'
    assert read_epochs(path) == [record]


def test_epochs_come_back_in_their_order(path):
    records = [epoch_record(epoch, top1=epoch / 7) for epoch in (1, 2, 3)]
    for record in records:
        MetricsFile(path).append(record)
    before = path.read_text()
    assert read_epochs(path) == records
    assert "".join(json.dumps(record.as_dict()) + "\n" for record in read_epochs(path)) == before


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (LINE | {"phase": "resting"}, "phase "),
        (LINE | {"train": {"loss": 0.5}}, r"train\.lr is missing"),
        (LINE | {"trian": {}}, "trian is not a field"),
        ([], "holds list"),
    ],
)
def test_a_damaged_line_is_refused_by_file_line_and_field(path, line, said):
    path.write_text(json.dumps(LINE | {"epoch": 1}) + "\n" + json.dumps(line) + "\n")
    with pytest.raises(ReorderKitError, match=rf"metrics\.jsonl: line 2: {said}"):
        read_epochs(path)


def test_a_line_that_a_kill_cut_short_is_refused_until_the_run_goes_on(path):
    path.write_text(json.dumps(LINE | {"epoch": 1}) + "\n" + json.dumps(LINE)[:40])
    with pytest.raises(ReorderKitError, match=r"metrics\.jsonl: line 2: cannot be read"):
        read_epochs(path)
    cut_after(path, 3)
    assert [record.epoch for record in read_epochs(path)] == [1]


def test_lines_after_an_epoch_and_half_lines_are_cut(path):
    path.write_text('{"epoch": 1, "x": 0.1}\n{"epoch": 2}\n{"epoch": 3}\n{"epoch": 1')
    cut_after(path, 2)
    assert path.read_text() == '{"epoch": 1, "x": 0.1}\n{"epoch": 2}\n'
    assert list(path.parent.iterdir()) == [path]


def test_there_may_be_no_lines_yet(path):
    cut_after(path, 2)
    assert list(path.parent.iterdir()) == []
    with pytest.raises(ReorderKitError, match=r"metrics\.jsonl: cannot be read"):
        read_epochs(path)
