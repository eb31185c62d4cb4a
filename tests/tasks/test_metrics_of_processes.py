"""Metrics of several processes: every image counts once, whichever process had it."""

from __future__ import annotations

import json
import multiprocessing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from contexts import context_of, targets_alone
from reorder_kit.interfaces import IGNORED, Task
from reorder_kit.tasks.classification import Classification
from reorder_kit.tasks.multi_label import MultiLabel
from reorder_kit.tasks.segmentation import Segmentation


@dataclass(frozen=True)
class Case:
    """Outputs and targets of a few images, and metrics by hand."""

    task: type[Task]
    classes: list[str]
    outputs: Tensor
    targets: Tensor
    figures: dict[str, Any]


def masks(answers: list[list[int]]) -> Tensor:
    """Outputs by which these are the classes of two pixels of each image."""
    return nn.functional.one_hot(torch.tensor(answers).unsqueeze(1), 3).movedim(3, 1).float()


CASES = [
    # Right, right, wrong (3 instead of 1), wrong (the 6 it should be comes last), right.
    Case(
        Classification,
        ["ant", "bee", "cat", "dog", "eel", "fox", "gnu"],
        torch.eye(7)[[0, 1, 3, 0, 6]] - 0.01 * torch.arange(7),
        torch.tensor([0, 1, 1, 6, 6]),
        {
            "top1": 0.6,
            "top5": 0.8,
            "per_class": {"ant": 1.0, "bee": 0.5, "cat": None, "dog": None, "eel": None, "fox": None, "gnu": 0.5},
            # An ant is predicted twice, once correctly; a bee once; a dog once, wrongly; a gnu once.
            "precision_per_class": {
                "ant": 0.5,
                "bee": 1.0,
                "cat": None,
                "dog": 0.0,
                "eel": None,
                "fox": None,
                "gnu": 1.0,
            },
            "images_per_class": {"ant": 1, "bee": 2, "cat": 0, "dog": 0, "eel": 0, "fox": 0, "gnu": 2},
        },
    ),
    # Sorted by the score of a class: ant 1 0 1 0 0, bee 0 1 0 0 0, cat never. Above 0.5 are three ants, two of them
    # right, and the bee is missed; down to 2.0 the same, down to -2.0 all are found among five.
    Case(
        MultiLabel,
        ["ant", "bee", "cat"],
        torch.tensor([[4.0, -1, -5], [3, -2, -5], [2, -3, -5], [-3, -4, -5], [-4, -4.5, -5]]),
        torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 0], [0, 0, 0], [0, 0, 0]]),
        {
            "mAP": ((1 + 2 / 3) / 2 + 1 / 2) / 2,
            "f1": 2 / 3,
            "max_f1": 2 * 3 / (5 + 3),
            "threshold": torch.tensor(-2.0).sigmoid().item(),
            "mean_over_classes": 2,
            "per_class": {"ant": (1 + 2 / 3) / 2, "bee": 1 / 2, "cat": None},
            "images_per_class": {"ant": 2, "bee": 1, "cat": 0},
        },
    ),
    # Five pixels count: sky 1 of 3 in the union, sea 1 of 2, sand 0 of 3; twice that over both.
    Case(
        Segmentation,
        ["sky", "sea", "sand"],
        masks([[0, 2], [1, 1], [2, 0]]),
        torch.tensor([[[0, 0]], [[1, IGNORED]], [[1, 2]]]),
        {
            "mIoU": (1 / 3 + 1 / 2 + 0) / 3,
            "dice": (2 / 4 + 2 / 3 + 0) / 3,
            "pixel_accuracy": 2 / 5,
            "mean_over_classes": 3,
            "per_class": {"sky": 1 / 3, "sea": 1 / 2, "sand": 0.0},
            "pixels_per_class": {"sky": 2, "sea": 2, "sand": 1},
        },
    ),
]


def count_in_a_process(case: Case, rank: int, folder: Path, share: slice) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder / 'store'}", rank=rank, world_size=2)
    metrics = case.task().build_metrics(context_of(case.classes))
    if len(case.targets[share]):
        metrics.update(case.outputs[share], targets_alone(case.targets[share]))
    (folder / f"{rank}.json").write_text(json.dumps(metrics.compute()))
    dist.destroy_process_group()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("first", [2, None], ids=["two and the rest", "all and none"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.task.name)
def test_two_processes_count_every_image_once(tmp_path: Path, case: Case, first: int | None) -> None:
    cut = len(case.targets) if first is None else first
    # Forked, since importing everything in each process would take half a minute.
    fork = multiprocessing.get_context("fork")
    shares = enumerate((slice(0, cut), slice(cut, None)))
    processes = [fork.Process(target=count_in_a_process, args=(case, rank, tmp_path, share)) for rank, share in shares]
    for process in processes:
        process.start()
    for process in processes:
        process.join(timeout=60)
        process.kill()
    assert [process.exitcode for process in processes] == [0, 0]
    for rank in (0, 1):
        found = json.loads((tmp_path / f"{rank}.json").read_text())
        assert found.keys() == case.figures.keys()
        for name, value in case.figures.items():
            assert found[name] == pytest.approx(value), name
