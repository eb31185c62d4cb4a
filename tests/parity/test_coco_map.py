"""COCO's mean average precision against pycocotools."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from reorder_kit.interfaces import BoxTarget
from reorder_kit.tasks._coco_map import CocoMap
from reorder_kit.tasks._detection_outputs import Detections

# No object has the class eel, and nothing is predicted as fox.
CLASSES = ["ant", "bee", "cat", "dog", "eel", "fox"]


def random_images(seed: int, images: int = 40) -> list[tuple[Detections, BoxTarget]]:
    """Objects, some found with shifted edges, some missed, some misclassified, and boxes around nothing."""
    random = np.random.default_rng(seed)
    made = []
    for image in range(images):
        # Every fifth image has no object, every seventh no detection.
        count = 0 if image % 5 == 0 else int(random.integers(1, 8))
        corners = random.uniform(0, 80, (count, 2))
        boxes = np.concatenate([corners, corners + random.uniform(10, 60, (count, 2))], axis=1)
        classes = random.choice([0, 1, 2, 3, 5], count)
        crowd = random.random(count) < 0.2
        found_boxes, found_classes = [], []
        for box, number in zip(boxes, classes, strict=True):
            for _ in range(int(random.integers(0, 3))):
                found_boxes.append(box + random.normal(0, 1.5, 4))
                found_classes.append(number if random.random() < 0.9 else random.integers(5))
        for _ in range(int(random.integers(0, 4))):
            corner = random.uniform(0, 80, 2)
            found_boxes.append(np.concatenate([corner, corner + random.uniform(4, 40, 2)]))
            found_classes.append(random.integers(5))
        if image % 7 == 0:
            found_boxes, found_classes = [], []
        found_classes = [min(int(number), 4) for number in found_classes]
        scores = random.random(len(found_boxes))
        made.append(
            (
                Detections(
                    torch.tensor(np.array(found_boxes).reshape(-1, 4), dtype=torch.float32),
                    torch.tensor(scores, dtype=torch.float32),
                    torch.tensor(found_classes, dtype=torch.int64),
                ),
                BoxTarget(
                    torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
                    torch.tensor(classes, dtype=torch.int64),
                    torch.tensor(crowd, dtype=torch.bool),
                ),
            )
        )
    return made


def by_pycocotools(made: list[tuple[Detections, BoxTarget]]) -> tuple[np.ndarray, np.ndarray]:
    """COCOeval's twelve figures, and its precision by overlap, recall, class, area and number of detections."""
    annotations, found = [], []
    for image, (detections, target) in enumerate(made):
        for box, number, crowd in zip(
            target.boxes.tolist(), target.classes.tolist(), target.crowd.tolist(), strict=True
        ):
            left, top, right, bottom = box
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image,
                    "category_id": number,
                    "bbox": [left, top, right - left, bottom - top],
                    "area": (right - left) * (bottom - top),
                    "iscrowd": int(crowd),
                }
            )
        for box, score, number in zip(
            detections.boxes.tolist(), detections.scores.tolist(), detections.classes.tolist(), strict=True
        ):
            left, top, right, bottom = box
            bbox = [left, top, right - left, bottom - top]
            found.append({"image_id": image, "category_id": number, "bbox": bbox, "score": score})
    truth = COCO()
    truth.dataset = {
        "info": {},
        "images": [{"id": image} for image in range(len(made))],
        "annotations": annotations,
        "categories": [{"id": number, "name": name} for number, name in enumerate(CLASSES)],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        evaluation = COCOeval(truth, truth.loadRes(found), "bbox")
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats, evaluation.eval["precision"]


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_figures_are_those_of_pycocotools(seed: int) -> None:
    made = random_images(seed)
    metrics = CocoMap(CLASSES)
    metrics.add([found for found, _ in made[:13]], [target for _, target in made[:13]])
    metrics.add([found for found, _ in made[13:]], [target for _, target in made[13:]])
    figures = metrics.compute()
    stats, precision = by_pycocotools(made)
    assert 0.05 < stats[0] < stats[1] < 0.95
    assert figures["mAP"] == pytest.approx(stats[0], abs=1e-6)
    assert figures["mAP50"] == pytest.approx(stats[1], abs=1e-6)
    assert figures["mAP75"] == pytest.approx(stats[2], abs=1e-6)
    # The largest number of detections, objects of every size.
    by_class = {
        name: float(precision[:, :, number, 0, -1].mean())
        for number, name in enumerate(CLASSES)
        if (precision[:, :, number, 0, -1] > -1).any()
    }
    assert by_class.keys() == {"ant", "bee", "cat", "dog", "fox"}
    found = {name: value for name, value in figures["per_class"].items() if value is not None}
    assert found == pytest.approx(by_class, abs=1e-6)
    # Never found, so a 0 in the mean.
    assert by_class["fox"] == 0
