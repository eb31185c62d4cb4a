"""Target kinds: those of the package, and one from a plugin."""

from __future__ import annotations

import pickle
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import Tensor, nn

import reorder_kit
from reorder_kit import hookimpl
from reorder_kit.errors import RecipeError
from reorder_kit.experiment.compose import compose
from reorder_kit.interfaces import (
    BOXES,
    CAPTION,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    NONE,
    Batch,
    BoxTarget,
    DataSource,
    DataSplits,
    ImageShape,
    Sample,
    SupervisedTask,
    TargetKind,
    target_kinds,
)
from reorder_kit.testing import host_with
from says import says

KINDS = list(target_kinds.BUILT_IN)
CLASSES = ["a", "b", "c"]


class Lengths(NamedTuple):
    ids: Tensor
    lengths: Tensor


class Other(TargetKind):
    """A kind with only the required parts."""

    name = "other"

    def collate(self, items):
        return list(items)


def boxes(*classes, crowd=()):
    crowd = torch.tensor(crowd or [False] * len(classes), dtype=torch.bool)
    return BoxTarget(torch.zeros(len(classes), 4), torch.tensor(classes, dtype=torch.int64), crowd)


def test_every_file_of_the_folder_holds_a_kind_of_the_list():
    folder = Path(target_kinds.__file__).parent
    files = sorted(file.stem for file in folder.glob("*.py") if not file.stem.startswith("_"))
    assert sorted(type(kind).__module__.rpartition(".")[2] for kind in KINDS) == files


def test_kinds_are_equal_by_name_wherever_they_were_made():
    class Same(TargetKind):
        name = "class"

        def collate(self, items):
            return items

    assert Same() == CLASS
    assert CLASS != MASK
    assert CLASS != "class"
    assert len({*KINDS, Same()}) == len(KINDS)
    assert pickle.loads(pickle.dumps(MASK)) == MASK
    assert [str(kind) for kind in KINDS] == ["class", "multi-label", "boxes", "mask", "caption", "none"]
    assert [kind for kind in KINDS if kind.lies_in_image] == [BOXES, MASK]


@pytest.mark.parametrize(
    ("kind", "items", "taken"),
    [
        (CLASS, [4, 5, 6], [6, 4]),
        (MULTI_LABEL, [torch.tensor([float(number)]) for number in range(3)], [[2.0], [0.0]]),
        (MASK, [torch.full((1, 2), number, dtype=torch.uint8) for number in range(3)], [[[2, 2]], [[0, 0]]]),
        (CAPTION, ["x", ["y", "z"], "w"], ["w", "x"]),
        (NONE, [None] * 3, None),
        (Other(), [{"a": 1}, {"a": 2}, {"a": 3}], [{"a": 3}, {"a": 1}]),
    ],
    ids=lambda value: str(value) if isinstance(value, TargetKind) else "",
)
def test_images_are_taken_out_with_their_targets(kind, items, taken):
    found = kind.take(kind.to(kind.collate(items), "cpu"), torch.tensor([2, 0]))
    assert (found.tolist() if isinstance(found, Tensor) else found) == taken


def test_boxes_are_taken_out_image_by_image():
    targets = BOXES.collate([boxes(0), boxes(1, 2), boxes()])
    assert [target.classes.tolist() for target in BOXES.take(targets, torch.tensor([1, 2]))] == [[1, 2], []]


def test_parts_of_tuples_and_mappings_are_each_taken_and_moved():
    targets = Lengths(torch.arange(6).view(3, 2), torch.tensor([2, 1, 2]))
    found = Other().take(targets, torch.tensor([1]))
    assert isinstance(found, Lengths)
    assert (found.ids.tolist(), found.lengths.tolist()) == ([[2, 3]], [1])
    assert isinstance(Other().to(targets, "cpu"), Lengths)
    named = Other().take({"words": ["a", "b", "c"], "pair": (targets.lengths, None)}, torch.tensor([2, 1]))
    assert named["words"] == ["c", "b"]
    assert named["pair"][0].tolist() == [2, 1]
    moved = Other().to({"words": ["a"], "ids": targets.ids}, "meta")
    assert (moved["words"], moved["ids"].device.type) == (["a"], "meta")
    assert BOXES.to([boxes(1)], "meta")[0].classes.device.type == "meta"


def test_what_cannot_be_taken_apart_is_an_error():
    with pytest.raises(TypeError, match="target kind other cannot take images out of a set"):
        Other().take({1, 2}, torch.tensor([0]))


def test_presence_of_classes():
    shares = torch.tensor([[0.25, 0.0, 0.75], [0.0, 1.0, 0.0]])
    assert CLASS.presence(torch.tensor([2, 0]), CLASSES).tolist() == [[0, 0, 1], [1, 0, 0]]
    assert CLASS.presence(shares, CLASSES).tolist() == [[1, 0, 1], [0, 1, 0]]
    assert MULTI_LABEL.presence(torch.tensor([[1.0, 1.0, 0.0]]), CLASSES).tolist() == [[1, 1, 0]]
    found = BOXES.presence([boxes(2, 0, 2, crowd=[True, False, False]), boxes(1, crowd=[True]), boxes()], CLASSES)
    assert found.tolist() == [[1, 0, 1], [0, 0, 0], [0, 0, 0]]
    masks = torch.tensor([[[0, 2], [2, IGNORED]], [[IGNORED] * 2] * 2, [[1, 1], [1, 1]]])
    assert MASK.presence(masks, CLASSES).tolist() == [[1, 0, 1], [0, 0, 0], [0, 1, 0]]
    assert [kind.presence(["a"], CLASSES) for kind in (CAPTION, NONE, Other())] == [None] * 3


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_batch_of_nothing_can_be_asked_everything(kind):
    batch = Batch(torch.empty(0), (), kind)
    for found in (batch.to("cpu"), batch.pin_memory() if torch.cuda.is_available() else batch):
        taken = found.take(torch.tensor([], dtype=torch.int64))
        presence = kind.presence(taken.targets, CLASSES)
        assert len(taken) == 0
        assert presence is None or presence.shape == (0, 3)
        assert taken.random("mask", 4).shape == (0, 4)


# A kind of a plugin, with a source and a task that know it


class Angle(TargetKind):
    """A direction in radians; a batch has its cosine and its sine."""

    name = "angle"

    def collate(self, items):
        angles = torch.tensor(items, dtype=torch.float32)
        return torch.stack([angles.cos(), angles.sin()], dim=1)


class Edges:
    """One bright half, to the right, above, to the left or below."""

    def __init__(self, size):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        image = torch.full((1, 4, 4), -1.0)
        side = (image[:, :, 2:], image[:, :2], image[:, :, :2], image[:, 2:])[index % 4]
        side += 2.0
        return Sample(image, index % 4 * torch.pi / 2)


class Directions(DataSource):
    """Tell where it is bright."""

    name = "directions"
    target_kinds = (CLASS, Angle())

    def open(self, seed):
        assert self.target_kind == Angle()
        return DataSplits(ImageShape(1, 4, 4), ["direction"], Edges(64), Edges(8), Edges(8))


class Head(nn.Module):
    def __init__(self, dim):
        super().__init__()
        self.linear = nn.Linear(dim, 2)

    def forward(self, features):
        return self.linear(features.summary())


class MeanDistance:
    def __init__(self):
        self.sum, self.images = 0.0, 0

    def update(self, predictions, batch):
        self.sum += float((predictions - batch.targets).norm(dim=1).sum())
        self.images += len(batch)

    def compute(self):
        return {"distance": self.sum / self.images}


class Pointing(SupervisedTask):
    """Cosine and sine of a direction."""

    name = "pointing"
    target_kinds = (Angle(),)
    headline = "distance"
    higher_is_better = False

    def build_head(self, context):
        return Head(context.facts.dim)

    def loss_per_image(self, outputs, targets):
        return (outputs - targets).square().sum(dim=1)

    def build_metrics(self, context):
        return MeanDistance()


RECIPE = {
    "format_version": 1,
    "name": "angles",
    "data": {"name": "directions", "batch_size": 8},
    "task": "pointing",
    "backbone": {"name": "local", "patch_size": 2, "dim": 8, "heads": 2, "window": 4, "readout": "mean"},
    "optimizer": {"lr": 1e-2},
    "train": {"epochs": 30, "device": "cpu"},
}


@pytest.fixture
def host():
    return host_with(Directions, Pointing)


def test_a_kind_of_a_plugin_trains(host, tmp_path):
    result = reorder_kit.run(RECIPE, out=tmp_path / "run", host=host).as_dict()
    # The center of the circle is at distance 1 from all directions.
    assert result["metrics"]["test"]["distance"] < 0.5


def test_the_first_of_the_tasks_kinds_that_the_source_has_is_chosen(host):
    class Choosy(Pointing):
        """Prefers what the source lacks."""

        name = "choosy"
        target_kinds = (MASK, Angle(), CLASS)

    host.add(SimpleNamespace(register_tasks=hookimpl(lambda: [Choosy])), "choosy")
    assert compose({**RECIPE, "task": "choosy"}, host, "trial").data_source.target_kind == Angle()
    assert compose({**RECIPE, "task": "classification"}, host, "trial").data_source.target_kind == CLASS
    assert compose({**RECIPE, "task": "choosy", "data": "scenes"}, host, "trial").data_source.target_kind == MASK
    with pytest.raises(RecipeError) as error:
        compose({**RECIPE, "data": "scenes"}, host, "trial")
    (problem,) = error.value.problems
    assert says(problem.message, "pointing", "angle", "scenes", "multi-label", "boxes", "mask")
