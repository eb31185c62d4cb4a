"""Handmade results, as runs would write them."""

from __future__ import annotations

from reorder_kit.runs.environment import Environment
from reorder_kit.runs.epoch_record import EpochOrder, EpochRecord, TrainFigures
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.result import Reach, RunMetrics, RunOrder, RunResult
from reorder_kit.studies.results import StudyResult

ENVIRONMENT = Environment(
    python="3.12.1",
    platform="Linux",
    packages={"torch": "2.11.0", "timm": None},
    device="cpu",
    cpu_count=4,
    torch_threads=1,
    cuda=None,
    command=("reorder-kit", "run", "quickstart"),
)


def figures(loss=0.5, images=8, **others):
    return Figures({"loss": loss, "images": images, **others})


def epoch_record(epoch=1, *, loss=0.25, top1=0.875, tau=0.5, **others):
    fields = {
        "phase": "search",
        "train": TrainFigures(loss=loss, lr=0.125),
        "validation": figures(top1=top1, per_class={"zero": 1.0, "one": 0.75}),
        "order": EpochOrder(
            kendall_tau_to_start=tau, mean_rank_shift=1.0, adjacency=0.25, kendall_tau_to_last_epoch=1.0
        ),
        "policy": {"temperature": 0.125},
        "seconds": 2.0,
        "images_per_second": 4.0,
    }
    return EpochRecord(epoch=epoch, **(fields | others))


def run_order(**others):
    fields = {
        "start": [0, 1, 2, 3],
        "final": [0, 2, 1, 3],
        "kendall_tau_to_start": 2 / 3,
        "mean_rank_shift": 0.5,
        "adjacency": 1.0,
        "reach": Reach(slots=4, of=4, is_selection=False),
        "influence": [0.125, 0.25, 0.5, 0.125],
    }
    return RunOrder(**(fields | others))


def run_result(top1=0.9375, **others):
    fields = {
        "name": "quickstart",
        "headline": "top1",
        "higher_is_better": True,
        "metrics": RunMetrics(test=figures(top1=top1), validation=figures(top1=0.75)),
        "order": run_order(),
        "controls": {},
        "seconds": 2.5,
        "images_per_second": 64.0,
        "environment": ENVIRONMENT,
        "files": {},
    }
    return RunResult(**(fields | others))


def study_result(headline, higher_is_better, rows, comparisons, verdict=()):
    return StudyResult(
        name="s",
        headline=headline,
        higher_is_better=higher_is_better,
        margin=0.02,
        alpha=0.05,
        rows=rows,
        comparisons=comparisons,
        verdict=verdict,
        failures=(),
        unfinished=0,
        commands=(),
        environment=None,
    )
