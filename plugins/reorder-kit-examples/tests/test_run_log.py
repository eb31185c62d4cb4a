"""Run log: the content of the file."""

import torch
from reorder_kit_examples import run_log

from reorder_kit import Grid, Order
from reorder_kit.interfaces.run_events import RunInfo
from reorder_kit.runs.epoch_record import EpochOrder, EpochRecord, TrainFigures
from reorder_kit.runs.figures import Figures


def run_info(directory, first_epoch=1):
    return RunInfo(
        name="night",
        directory=directory,
        grid=Grid(2, 2),
        start=Order([0, 1, 2, 3]),
        reach=torch.ones(4, dtype=torch.bool),
        num_slots=4,
        headline="top1",
        higher_is_better=True,
        classes=["a", "b"],
        epochs=3,
        steps_per_epoch=5,
        first_epoch=first_epoch,
        device="cpu",
        parameters=7,
    )


def record(epoch, loss, top1):
    return EpochRecord(
        epoch=epoch,
        phase="search",
        train=TrainFigures(loss=loss, lr=0.1),
        validation=Figures({"loss": loss, "images": 8, "top1": top1}),
        order=EpochOrder(kendall_tau_to_start=1, mean_rank_shift=0, adjacency=1, kendall_tau_to_last_epoch=1),
        policy={},
        seconds=2.0,
        images_per_second=4.0,
    )


def test_an_epoch_is_a_line(tmp_path):
    run = run_info(tmp_path)
    run_log.run_started(run)
    run_log.epoch_finished(run, 1, record(1, 2.25, 0.5))
    run_log.epoch_finished(run, 2, record(2, 1.5, 0.75))

    assert (tmp_path / "run.log").read_text().splitlines() == [
        "epoch 1/3  loss 2.2500  top1 0.5000",
        "epoch 2/3  loss 1.5000  top1 0.7500",
    ]


def test_a_run_that_goes_on_writes_no_epoch_twice(tmp_path):
    run_log.run_started(run_info(tmp_path))
    for epoch in (1, 2):
        run_log.epoch_finished(run_info(tmp_path), epoch, record(epoch, 2.0, 0.5))
    stopped_before_epoch_2_was_saved = run_info(tmp_path, first_epoch=2)
    run_log.run_started(stopped_before_epoch_2_was_saved)
    run_log.epoch_finished(stopped_before_epoch_2_was_saved, 2, record(2, 1.0, 0.75))

    assert (tmp_path / "run.log").read_text().splitlines() == [
        "epoch 1/3  loss 2.0000  top1 0.5000",
        "epoch 2/3  loss 1.0000  top1 0.7500",
    ]
