"""Controls that read each image in another image's order, on batches small enough to work out by hand."""

from __future__ import annotations

from dataclasses import dataclass, replace
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from reorder_kit.backbones.local import Local
from reorder_kit.controls import OtherImage, OtherImageSameClass
from reorder_kit.controls.other_image import next_allowed
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import CLASS, Batch, ImageShape, Order, Proposal
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel

CLASSES = ("cat", "dog", "owl")
ORDERS = torch.tensor([[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0], [0, 2, 1]])


class OneClass:
    """A number for each image."""

    name = "class"

    def presence(self, targets, classes):
        return torch.nn.functional.one_hot(targets, len(classes)).float()


class SeveralClasses:
    """A row of zeros and ones for each image."""

    name = "multi-label"

    def presence(self, targets, classes):
        return targets


class Captions:
    """Has no classes."""

    name = "caption"

    def presence(self, targets, classes):
        return None


@dataclass(frozen=True)
class Images:
    """A batch; each image holds its number."""

    images: torch.Tensor
    targets: torch.Tensor
    kind: object

    def __len__(self):
        return len(self.images)

    def take(self, index):
        return replace(self, images=self.images[index], targets=self.targets[index])


class Reader:
    """A model whose policy chooses ``ORDERS[number]`` for an image, in each of its blocks."""

    def __init__(self, *given, blocks=1):
        self.given, self._blocks = given, blocks

    def read(self, batch):
        order = Order(ORDERS[batch.images.long()])
        own = (Proposal(order, log_prob=torch.zeros(len(batch))), Proposal(order.inverse(), block=1))[: self._blocks]
        return SimpleNamespace(proposals=self.given or own)

    def ordered_by(self, *orders):
        return Reader(*orders)


def batch(targets, kind=None, numbers=None):
    targets = torch.as_tensor(targets)
    numbers = torch.arange(len(targets)) if numbers is None else torch.tensor(numbers)
    return Images(numbers.float(), targets, kind or OneClass())


def orders_read_in(control, images, blocks=1):
    """The numbers of the evaluated images, and of the images whose orders they are read in."""
    images = control.comparable(images, CLASSES)
    model, changed = control.change(Reader(blocks=blocks), images, CLASSES)
    assert changed is images
    own = ORDERS.tolist()
    first, *_ = model.read(changed).proposals
    assert (first.log_prob, first.soft, first.is_exact) == (None, None, True)
    return [int(number) for number in images.images], [own.index(row) for row in first.order.indices.tolist()]


def test_each_image_is_read_in_the_order_of_the_next_one():
    assert orders_read_in(OtherImage(), batch([0, 0, 1, 2])) == ([0, 1, 2, 3], [1, 2, 3, 0])
    assert orders_read_in(OtherImage(), batch([0, 0, 1], numbers=[4, 0, 2])) == ([4, 0, 2], [0, 2, 4])


def test_a_single_image_has_no_other_one():
    assert len(OtherImage().comparable(batch([0]), CLASSES)) == 0


def test_within_a_class_each_image_is_read_in_the_order_of_the_next_one_of_its_class():
    assert orders_read_in(OtherImageSameClass(), batch([0, 1, 0, 1, 0])) == ([0, 1, 2, 3, 4], [2, 3, 4, 1, 0])


def test_an_image_that_is_alone_in_its_class_is_left_out():
    assert orders_read_in(OtherImageSameClass(), batch([0, 1, 0, 2])) == ([0, 2], [2, 0])
    assert len(OtherImageSameClass().comparable(batch([0, 1, 2]), CLASSES)) == 0


def test_images_with_several_classes_share_one_of_them_and_without_any_share_none():
    labels = [[1.0, 0, 0], [0, 0, 0], [0, 1, 1], [1, 1, 0], [0, 0, 0]]
    read = orders_read_in(OtherImageSameClass(), batch(labels, SeveralClasses()))
    # Images 0 and 3 share the first class, 2 and 3 the second; from 3 on, wrapping around, 0 comes before 2.
    assert read == ([0, 2, 3], [3, 3, 0])


@pytest.mark.slow
def test_every_other_image_of_the_class_is_equally_probable():
    counts = torch.zeros(4, 4)
    targets = torch.tensor([0, 0, 1, 0])
    generator = torch.Generator().manual_seed(0)
    for _ in range(6000):
        numbers = torch.randperm(4, generator=generator)
        images = batch(targets[numbers], numbers=numbers.tolist())
        for reader, lender in zip(*orders_read_in(OtherImageSameClass(), images), strict=True):
            counts[reader, lender] += 1
    assert counts[2].sum() == counts[:, 2].sum() == 0
    three = counts[[0, 1, 3]][:, [0, 1, 3]]
    assert three.diagonal().tolist() == [0, 0, 0]
    # Each is binomial with 6000 draws and probability one half; five standard deviations.
    assert (three[~torch.eye(3, dtype=torch.bool)] - 3000).abs().max() < 5 * 1500**0.5


def test_later_blocks_are_ordered_as_for_the_same_other_image():
    model, images = OtherImage().change(Reader(blocks=2), batch([0, 0, 1]), CLASSES)
    first, second = model.read(images).proposals
    assert (first.block, second.block) == (0, 1)
    assert first.order.indices.tolist() == ORDERS[[1, 2, 0]].tolist()
    assert second.order.indices.tolist() == ORDERS[[1, 2, 0]].argsort(dim=1).tolist()


class Brightest(FixedOrder):
    """Reads the brightest patches first: an order for each image."""

    is_static = False

    def best_order(self, sequence=None, block=0):
        return Order(sequence.patches.sum(dim=2).argsort(dim=1, descending=True))


def test_a_model_gives_each_image_what_it_gives_when_told_the_order_of_the_other_one():
    torch.manual_seed(0)
    backbone = Local(Local.Options(patch_size=2, dim=8, heads=2, depth=1, readout="last"), ImageShape(1, 8, 8))
    model = OrderedModel(backbone, Brightest(Order.identity(16)), Summary()).eval()
    images = Batch(torch.rand(5, 1, 8, 8), torch.tensor([0, 1, 0, 1, 2]), CLASS)
    for control, partners in ((OtherImage(), [1, 2, 3, 4, 0]), (OtherImageSameClass(), [2, 3, 0, 1])):
        model_of_control, compared = control.change(model, control.comparable(images, CLASSES), CLASSES)
        outputs = model_of_control(compared).outputs
        own = model.read(images).proposals[0].order.indices
        assert len(own.unique(dim=0)) == 5
        assert len(outputs) == len(partners)
        for image, partner in enumerate(partners):
            alone = model.ordered_by(Order(own[partner]))(images.take(torch.tensor([image]))).outputs
            torch.testing.assert_close(outputs[image], alone[0])
            assert not torch.allclose(outputs[image], model(images).outputs[image])


class Summary(nn.Module):
    """The readout, unchanged."""

    def forward(self, features):
        return features.summary()


def test_an_order_that_all_images_share_stays():
    shared = Proposal(Order([2, 0, 1]))
    model, images = OtherImage().change(Reader(shared), batch([0, 0, 1]), CLASSES)
    assert model.read(images).proposals[0].order == shared.order


def test_groups_of_images_lend_their_order():
    grouped = Proposal(Order(ORDERS[:2], groups=torch.tensor([0, 0, 1])))
    model, images = OtherImage().change(Reader(grouped), batch([0, 0, 1]), CLASSES)
    assert model.read(images).proposals[0].order.indices.tolist() == ORDERS[[0, 1, 0]].tolist()


def test_targets_without_classes_are_refused():
    with pytest.raises(ReorderKitError, match="which classes an image has; caption targets do not"):
        OtherImageSameClass().comparable(batch([0, 1], Captions()), CLASSES)


def test_the_next_one_is_sought_around_the_end():
    allowed = torch.tensor([[0, 0, 0, 1], [1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]]) == 1
    assert next_allowed(allowed).tolist() == [3, 2, 0, 1]
