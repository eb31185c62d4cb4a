"""Detection: the meaning of its outputs, its losses, and its metrics."""

from __future__ import annotations

import math

import pytest
import torch
from pydantic import ValidationError
from torch import Tensor, nn

from contexts import context_of, facts_of, targets_alone
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    Batch,
    BoxTarget,
    Encoded,
    Features,
    Grid,
    ModelOutput,
    Order,
    PatchSequence,
    Progress,
    Proposal,
)
from reorder_kit.tasks._coco_map import CocoMap
from reorder_kit.tasks._detection_head import DetectionHead
from reorder_kit.tasks._detection_outputs import DetectionOutputs, Detections
from reorder_kit.tasks.detection import Detection

CLASSES = ["cat", "dog"]
DIM = 6


def target(*boxes: list[float], classes: list[int] | None = None, crowd: list[bool] | None = None) -> BoxTarget:
    return BoxTarget(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4),
        torch.tensor(classes or [0] * len(boxes), dtype=torch.int64),
        torch.tensor(crowd or [False] * len(boxes), dtype=torch.bool),
    )


def head_of(**options: object) -> DetectionHead:
    torch.manual_seed(0)
    head = Detection(Detection.Options(**options)).build_head(context_of(CLASSES, facts_of(DIM)))
    assert isinstance(head, DetectionHead)
    return head


def features(
    patches: Tensor,
    grid: Grid,
    order: Order | None = None,
    valid: Tensor | None = None,
    content: Tensor | None = None,
    size: tuple[int, int] | None = None,
) -> Features:
    """Row-major patches as the head sees them after an identity backbone."""
    proposal = Proposal(order or Order.identity(grid.height * grid.width))
    encoded = Encoded(proposal.apply(PatchSequence(patches, grid, valid=valid)))
    moves = (proposal,)
    return Features(encoded, moves, moves, None, size or (8 * grid.height, 8 * grid.width), content)  # type: ignore[arg-type]


def outputs_of(cells: list[list[float]], level_sizes: tuple[int, ...], content: list[int]) -> DetectionOutputs:
    """No object anywhere: logits far below 0."""
    count = len(cells)
    return DetectionOutputs(
        torch.full((1, count, len(CLASSES)), -20.0),
        torch.ones(1, count, 4),
        torch.full((1, count, 1), 10.0),
        torch.tensor(cells, dtype=torch.float32),
        level_sizes,
        torch.tensor([content]),
        head_of().fcos,
    )


def squares(side: float, rows: int, columns: int) -> list[list[float]]:
    return [
        [side * column, side * row, side * (column + 1), side * (row + 1)]
        for row in range(rows)
        for column in range(columns)
    ]


def test_cells_cover_the_image_level_by_level() -> None:
    outputs = head_of(scales=(1.0, 0.5))(features(torch.randn(1, 12, DIM), Grid(3, 4)))
    assert outputs.level_sizes == (12, 4)
    assert outputs.logits.shape == (1, 16, 2)
    # The second row of coarse cells crosses the edge of the image, since three rows cannot be paired.
    assert outputs.cells.tolist() == squares(8, 3, 4) + squares(16, 2, 2)
    assert outputs.content.tolist() == [[24, 32]]


def test_patches_that_are_not_square_have_cells_that_are_not() -> None:
    outputs = head_of(scales=(1.0,))(features(torch.randn(1, 4, DIM), Grid(2, 2), size=(8, 20)))
    assert outputs.cells.tolist() == [[0, 0, 10, 4], [10, 0, 20, 4], [0, 4, 10, 8], [10, 4, 20, 8]]


def test_the_head_sees_patches_in_their_places_whatever_the_order() -> None:
    head, patches = head_of(), torch.randn(2, 12, DIM)
    plain = head(features(patches, Grid(3, 4)))
    order = Order(torch.randperm(12, generator=torch.Generator().manual_seed(1)))
    reordered = head(features(patches, Grid(3, 4), order))
    torch.testing.assert_close(reordered.logits, plain.logits)
    torch.testing.assert_close(reordered.distances, plain.distances)


def test_what_stands_in_padding_changes_nothing() -> None:
    head, patches = head_of(), torch.randn(1, 16, DIM)
    valid = torch.ones(1, 16, dtype=torch.bool)
    valid[:, 8:] = False
    content = torch.tensor([[16, 32]])
    other = patches.clone()
    other[:, 8:] = 50.0
    truth = [target([4, 4, 20, 12])]
    losses = [
        head(features(patch, Grid(4, 4), valid=valid, content=content)).loss_per_image(truth)
        for patch in (patches, other)
    ]
    assert torch.equal(*losses)


def test_the_loss_of_one_cell_is_that_of_the_formula() -> None:
    outputs = outputs_of([[0, 0, 8, 8]], (1,), [8, 8])
    logits = torch.tensor([[[0.4, -1.1]]])
    outputs = DetectionOutputs(
        logits, torch.full((1, 1, 4), 0.25), torch.tensor([[[0.7]]]), outputs.cells, (1,), outputs.content, outputs.fcos
    )
    # The object fills the cell, which is its center. The predicted box is 4 pixels wide and high, inside it.
    [loss] = outputs.loss_per_image([target([0, 0, 8, 8], classes=[1])]).tolist()
    cat, dog = (1 / (1 + math.exp(-logit)) for logit in (0.4, -1.1))
    focal = -0.75 * cat**2 * math.log(1 - cat) - 0.25 * (1 - dog) ** 2 * math.log(dog)
    overlap = 1 - 16 / 64
    centerness = math.log(1 + math.exp(-0.7))
    assert loss == pytest.approx(focal + overlap + centerness, abs=1e-5)


def test_a_crowd_is_not_learned() -> None:
    outputs = head_of()(features(torch.randn(1, 16, DIM), Grid(4, 4)))
    alone = outputs.loss_per_image([target([4, 4, 14, 14])])
    beside = outputs.loss_per_image([target([4, 4, 14, 14], [10, 10, 30, 30], classes=[0, 1], crowd=[False, True])])
    learned = outputs.loss_per_image([target([4, 4, 14, 14], [10, 10, 30, 30], classes=[0, 1])])
    assert torch.equal(alone, beside)
    assert not torch.equal(alone, learned)


@pytest.mark.parametrize(
    ("boxes", "content"),
    [
        ([], None),
        ([[9.0, 9.0, 10.0, 10.0]], None),
        ([[0.0, 0.0, 32.0, 32.0], [0.0, 30.0, 32.0, 32.0], [31.0, 0.0, 32.0, 32.0]], None),
        ([[0.0, 0.0, 1.0, 32.0]], [[32, 1]]),
        ([[0.0, 0.0, 32.0, 1.0]], [[1, 32]]),
        ([], [[1, 1]]),
    ],
    ids=["no boxes", "one pixel", "at the borders", "one column", "one row", "one pixel of content"],
)
def test_unusual_boxes_are_learned_from(boxes: list[list[float]], content: list[list[int]] | None) -> None:
    head = head_of()
    size = None if content is None else torch.tensor(content)
    outputs = head(features(torch.randn(1, 16, DIM), Grid(4, 4), content=size))
    loss = outputs.loss_per_image([target(*boxes)]).sum()
    loss.backward()
    gradients = [parameter.grad for parameter in head.parameters()]
    assert loss.isfinite()
    assert all(gradient is not None and gradient.isfinite().all() for gradient in gradients)
    assert any(gradient is not None and gradient.any() for gradient in gradients)
    assert len(outputs.detections()) == 1


def test_a_box_is_read_off_where_the_cell_says() -> None:
    outputs = outputs_of(squares(8, 4, 4), (16,), [32, 32])
    outputs.logits[0, 5, 1] = 4.0
    outputs.distances[0, 5] = torch.tensor([0.5, 1.0, 0.75, 0.25])
    [found] = outputs.detections()
    # The middle of cell 5 is (12, 12), and distances are in cells of 8 pixels.
    assert found.boxes.tolist() == [[8, 4, 18, 14]]
    assert found.classes.tolist() == [1]
    score = math.sqrt(1 / (1 + math.exp(-4)) / (1 + math.exp(-10)))
    assert found.scores.tolist() == pytest.approx([score], abs=1e-6)


def test_boxes_end_where_padding_begins_and_none_is_found_in_it() -> None:
    outputs = outputs_of(squares(8, 4, 4), (16,), [20, 32])
    outputs.logits[0, [6, 14], [0, 1]] = 4.0
    outputs.distances[0, 6] = torch.tensor([1.0, 1.0, 9.0, 9.0])
    [found] = outputs.detections()
    assert found.boxes.tolist() == [[12, 4, 32, 20]]
    assert found.classes.tolist() == [0]


def test_of_boxes_that_overlap_the_best_of_each_class_stays() -> None:
    outputs = outputs_of(squares(8, 4, 4), (16,), [32, 32])
    outputs.distances[0, 5] = torch.tensor([1.0, 1.0, 1.0, 1.0])
    outputs.distances[0, 6] = torch.tensor([2.0, 1.0, 0.0, 1.0])
    outputs.logits[0, 5, 0], outputs.logits[0, 6, 0], outputs.logits[0, 6, 1] = 3.0, 2.0, 1.0
    [found] = outputs.detections()
    assert found.boxes.tolist() == [[4, 4, 20, 20], [4, 4, 20, 20]]
    assert found.classes.tolist() == [0, 1]


def test_16_bits_reach_neither_losses_nor_boxes() -> None:
    head = head_of()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = head(features(torch.randn(2, 16, DIM), Grid(4, 4)))
        loss = outputs.loss_per_image([target([4, 4, 20, 20]), target()])
        found = outputs.detections()
    assert {part.dtype for part in (outputs.logits, outputs.distances, outputs.centerness, loss)} == {torch.float32}
    assert all(image.boxes.dtype == torch.float32 for image in found)
    loss.mean().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in head.parameters())


def found(boxes: list[list[float]], scores: list[float], classes: list[int]) -> Detections:
    return Detections(
        torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(scores), torch.tensor(classes).long()
    )


def test_figures_by_hand() -> None:
    metrics = CocoMap(["cat", "dog", "eel"])
    cat, dog = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 40.0, 30.0]
    # The cat is found exactly; of the dog's box 60% overlaps, enough for 0.5, 0.55 and 0.6 of the ten overlaps.
    metrics.add([found([cat, [20, 20, 32, 30]], [0.9, 0.8], [0, 1])], [target(cat, dog, classes=[0, 1])])
    # Nothing is there, and nothing found.
    metrics.add([found([], [], [])], [target()])
    figures = metrics.compute()
    assert figures["mAP50"] == pytest.approx(1.0)
    assert figures["mAP75"] == pytest.approx(0.5)
    assert figures["per_class"] == {"cat": pytest.approx(1.0), "dog": pytest.approx(0.3), "eel": None}
    assert figures["boxes_per_class"] == {"cat": 1, "dog": 1, "eel": 0}
    assert (figures["mAP"], figures["mean_over_classes"]) == (pytest.approx(0.65), 2)


def test_what_is_found_where_nothing_is_costs_precision() -> None:
    metrics = CocoMap(CLASSES)
    cat = [0.0, 0.0, 10.0, 10.0]
    metrics.add([found([[20, 20, 30, 30]], [0.9], [0]), found([cat], [0.8], [0])], [target(), target(cat)])
    assert metrics.compute()["mAP50"] == pytest.approx(0.5)


def test_a_crowd_is_neither_missed_nor_a_mistake() -> None:
    metrics = CocoMap(CLASSES)
    cat, crowd = [0.0, 0.0, 10.0, 10.0], [20.0, 20.0, 40.0, 40.0]
    truth = target(cat, crowd, crowd=[False, True])
    metrics.add([found([cat, [22, 22, 28, 28], [30, 30, 38, 38]], [0.7, 0.9, 0.8], [0, 0, 0])], [truth])
    assert metrics.compute()["mAP"] == pytest.approx(1.0)


def test_without_an_object_the_figures_are_0_and_without_an_image_there_are_none() -> None:
    metrics = CocoMap(CLASSES)
    with pytest.raises(ReorderKitError, match="no image to evaluate on"):
        metrics.compute()
    metrics.add([found([[0, 0, 9, 9]], [0.9], [1])], [target()])
    figures = metrics.compute()
    assert [figures[name] for name in ("mAP50", "mAP75", "mAP", "mean_over_classes")] == [0.0] * 3 + [0]
    assert set(figures["per_class"].values()) == {None}


def test_pictures_show_what_the_model_is_rather_sure_of() -> None:
    outputs = outputs_of(squares(8, 4, 4), (16,), [32, 32])
    outputs.logits[0, 0, 1], outputs.logits[0, 10, 0] = 4.0, -2.5
    [answer] = Detection(Detection.Options(shown_score=0.4)).annotate_predictions(outputs, context_of(CLASSES))
    assert answer.box_texts == ["dog 0.99"]
    assert answer.boxes.tolist() == [[0, 0, 12, 12]]
    [every] = Detection(Detection.Options(shown_score=0.1)).annotate_predictions(outputs, context_of(CLASSES))
    assert every.box_texts == ["dog 0.99", "cat 0.28"]


def test_pictures_show_the_best_class_of_an_object_alone() -> None:
    outputs = outputs_of(squares(8, 4, 4), (16,), [32, 32])
    outputs.logits[0, 0, 1], outputs.logits[0, 0, 0] = 4.0, 2.0
    assert [len(image) for image in outputs.detections()] == [2]  # metrics include both
    [answer] = Detection(Detection.Options(shown_score=0.4)).annotate_predictions(outputs, context_of(CLASSES))
    assert answer.box_texts == ["dog 0.99"]


def test_pictures_show_objects_and_crowds() -> None:
    truth = target([0, 0, 4, 4], [4, 4, 9, 9], classes=[1, 0], crowd=[False, True])
    [shown] = Detection().annotate_targets(targets_alone([truth], BOXES), context_of(CLASSES))
    assert shown.box_texts == ["dog", "cat (crowd)"]
    assert torch.equal(shown.boxes, truth.boxes)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"scales": (3.0,)}, "powers of two"),
        ({"scales": ()}, "at least one scale"),
        ({"pyramid_dim": 48}, "pyramid_dim"),
        ({"pyramid_dim": 32}, "pyramid_dim"),
        ({"detections_per_image": 101}, "detections_per_image"),
        ({"nms_threshold": 0.0}, "nms_threshold"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Detection.Options(**options)


class Patches(nn.Module):
    """Patches of 4x4 pixels, embedded, and the head."""

    def __init__(self, task: Detection) -> None:
        super().__init__()
        self.embed = nn.Conv2d(1, 16, 4, 4)
        self.head = task.build_head(context_of(CLASSES, facts_of(16)))

    def forward(self, batch: Batch) -> ModelOutput:
        patches = self.embed(batch.images).flatten(2).transpose(1, 2)
        seen = features(patches, Grid(8, 8), content=batch.content, size=(32, 32))
        return ModelOutput(self.head(seen), seen)


def test_bright_and_dark_squares_are_found_where_they_are() -> None:
    def draw(images: int, seed: int) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        drawn, targets = torch.zeros(images, 1, 32, 32), []
        for image in drawn:
            side, number = (int(torch.randint(high, (1,), generator=generator)) for high in (9, 2))
            side += 8
            left, top = torch.randint(33 - side, (2,), generator=generator).tolist()
            image[0, top : top + side, left : left + side] = 1.0 - 2 * number
            targets.append(target([left, top, left + side, top + side], classes=[number]))
        return Batch(drawn, targets, BOXES)

    task = Detection(Detection.Options(convolutions=1))
    torch.manual_seed(0)
    model = Patches(task)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(50):
        optimizer.zero_grad()
        task.step(model, draw(8, step), Progress(step, 50, 1)).loss.mean().backward()
        optimizer.step()
    metrics, unseen = task.build_metrics(context_of(CLASSES)), draw(64, 1000)
    with torch.no_grad():
        metrics.update(model.eval()(unseen).outputs, unseen)
    assert metrics.compute()["mAP50"] > 0.8


def test_images_of_all_processes_count_once(monkeypatch: pytest.MonkeyPatch) -> None:
    cat = [0.0, 0.0, 10.0, 10.0]
    mine, other = CocoMap(CLASSES), CocoMap(CLASSES)
    mine.add([found([cat], [0.9], [0])], [target(cat)])
    # The other process has more images, and finds nothing in them.
    other.add([found([], [], [])] * 3, [target(cat)] * 3)
    monkeypatch.setattr("reorder_kit.tasks._coco_map.gather_object", lambda images: images + other._images)
    # One of four objects is found: recalls 0 to 0.25 of COCO's 101, each with precision 1.
    assert mine.compute()["mAP50"] == pytest.approx(26 / 101)
