import numpy as np
import pytest
import torch
from torch import nn

from contexts import context_of
from reorder_kit.data.data_loading import evaluation_loader
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import CLASS, BackboneFacts, Encoded, PatchSequence, Sample, Unreadable
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.recipe.settings import TrainSettings
from reorder_kit.tasks.classification import Classification
from reorder_kit.training.devices import build_accelerator
from reorder_kit.training.evaluation import evaluate
from reorder_kit.training.image_scores import ImageScores

CLASSES = ["zero", "one", "two"]


class LastPatch(nn.Module):
    """A backbone of 1x1 patches that are logits already; it reads the last slot."""

    needs = frozenset()
    as_built = BackboneFacts(Grid(1, 2), dim=3, depth=1)

    def tokenize(self, images):
        return PatchSequence(images.flatten(2).transpose(1, 2), self.as_built.grid)

    def encode(self, sequence, start=0, stop=None, extra_tokens=None):
        return Encoded(sequence)

    def summarize(self, encoded):
        return encoded.sequence.patches[:, -1]


class Readout(nn.Module):
    def forward(self, features):
        return features.summary()


def sample(first, last, target):
    """An image of two patches, each with one strong logit."""
    logits = torch.zeros(3, 1, 2)
    logits[first, 0, 0] = logits[last, 0, 1] = 2.0
    return Sample(logits, target)


SAMPLES = [sample(0, 1, 1), sample(2, 1, 2), sample(2, 2, 2), Unreadable("torn.png", "cut short"), sample(0, 0, 1)]


def figures(samples=SAMPLES, change=None, max_unreadable=None, batch_size=2, image_scores=None):
    model = OrderedModel(LastPatch(), FixedOrder(Order.identity(2)), Readout())
    loader = evaluation_loader(samples, CLASS, "test", batch_size, 0)
    accelerator = build_accelerator(TrainSettings(device="cpu"))
    model.train()
    context, progress = context_of(CLASSES, model.facts, CLASS), Progress(0, 1, 1)
    result = evaluate(
        model, Classification(), loader, context, accelerator, progress, max_unreadable, image_scores, change
    )
    assert model.training
    return result


def test_figures_are_those_worked_out_by_hand():
    result = figures()
    hit, miss = (torch.logsumexp(torch.tensor([2.0, 0.0, 0.0]), 0).item() - logit for logit in (2.0, 0.0))
    assert result["images"] == 4
    assert result["top1"] == 0.5
    assert result["per_class"] == {"zero": None, "one": 0.5, "two": 0.5}
    assert result["loss"] == pytest.approx((2 * hit + 2 * miss) / 4)


@pytest.mark.parametrize("batch_size", [1, 3, 5, 100])
def test_figures_do_not_depend_on_the_batch_size(batch_size):
    one, other = figures().model_dump(), figures(batch_size=batch_size).model_dump()
    assert other.pop("loss") == pytest.approx(one.pop("loss"))
    assert other == one


def test_another_order_can_be_chosen():
    turned = Order([1, 0])
    # Now the first patch of each image is read: the second and the third image are right.
    assert figures(change=lambda model, batch: (model.ordered_by(turned), batch))["per_class"] == {
        "zero": None,
        "one": 0.0,
        "two": 1.0,
    }


def test_unreadable_images_are_named_and_left_out():
    assert figures()["unreadable"] == ["torn.png"]
    assert "unreadable" not in figures([SAMPLES[0]])


def test_too_many_unreadable_images_are_an_error_that_names_them():
    with pytest.raises(ReorderKitError, match=r"(?s)1 images could not be read.*: 0.*torn\.png: cut short"):
        figures(max_unreadable=0)


def test_nothing_to_look_at_is_an_error():
    with pytest.raises(ReorderKitError, match="no image to evaluate on"):
        figures([SAMPLES[3]])


def test_each_image_is_scored_in_the_order_of_the_split():
    readable = [each for each in SAMPLES if isinstance(each, Sample)]
    scores = ImageScores(len(readable))
    found = figures(readable, batch_size=3, image_scores=scores)
    # The last patches say 1, 1, 2, 0; the targets are 1, 2, 2, 1.
    assert scores.gather().tolist() == [1.0, 0.0, 1.0, 0.0]
    assert scores.gather().dtype == np.float32
    assert found["top1"] == 0.5


@pytest.mark.parametrize(
    ("images", "processes", "batch_size"), [(9, 2, 2), (7, 3, 2), (5, 5, 4), (10, 3, 3), (4, 1, 3)]
)
def test_scores_of_several_processes_stand_in_the_order_of_the_split(images, processes, batch_size, monkeypatch):
    split = [Sample(torch.full((1, 1, 1), float(number)), 0) for number in range(images)]
    shares = []
    for process in range(processes):
        loader = evaluation_loader(split, CLASS, "test", batch_size, 0, process, processes)
        shares.append([float(image) for batch in loader for image in batch.images])
    monkeypatch.setattr("reorder_kit.training.image_scores.gather_object", lambda _: shares)
    assert ImageScores(images).gather().tolist() == list(range(images))


def test_there_are_no_scores_where_an_image_is_missing_or_the_task_has_none():
    scores = ImageScores(len(SAMPLES))
    figures(image_scores=scores)
    assert scores.gather() is None
    scores = ImageScores(2)
    scores.add(None)
    assert scores.gather() is None
