import pytest
import torch

from contexts import context_of
from reorder_kit.analysis.influence import influence_profile
from reorder_kit.backbones.local import Local
from reorder_kit.backbones.recurrent import Recurrent
from reorder_kit.interfaces import CLASS, Batch, ImageShape
from reorder_kit.interfaces.progress import Progress
from reorder_kit.model.fixed_policies import FixedOrder
from reorder_kit.model.ordered_model import OrderedModel
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.tasks.classification import Classification

IMAGE = ImageShape(1, 8, 8)
PROGRESS = Progress(0, 1, 1)


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return Batch(torch.randn(6, 1, 8, 8, generator=generator), torch.arange(6) % 3, CLASS)


def model_of(backbone, order=None):
    torch.manual_seed(0)
    head = Classification().build_head(context_of(["a", "b", "c"], backbone.as_built))
    return OrderedModel(backbone, FixedOrder(order or Order.identity(backbone.grid.num_patches)), head)


def test_slots_beyond_the_reach_have_no_influence_and_the_others_have_all(batch):
    backbone = Local(Local.Options(patch_size=2, window=2, depth=2, dim=8, heads=2), IMAGE)
    profile = influence_profile(model_of(backbone), Classification(), batch, PROGRESS)
    assert (profile > 0).tolist() == backbone.reach(16).tolist()
    assert profile.sum() == pytest.approx(1.0)


def test_shares_are_those_of_numerical_gradients(batch):
    backbone = Recurrent(Recurrent.Options(patch_size=4, depth=1, dim=4), IMAGE).double()
    model = model_of(backbone, Order([2, 0, 3, 1])).double()
    double = batch.with_images(batch.images.double())
    order = model.policy.best_order()
    sequence = Proposal(order).apply(backbone.tokenize(double.images))
    step = 1e-5
    gradients = torch.zeros_like(sequence.patches)
    for place in range(sequence.patches.numel()):
        for sign in (1, -1):
            shift = torch.zeros_like(sequence.patches).view(-1)
            shift[place] = sign * step
            moved = sequence.with_patches(sequence.patches + shift.view_as(sequence.patches))
            scores = model.head.linear(backbone.summarize(backbone.encode(moved)))
            loss = torch.nn.functional.cross_entropy(scores, double.targets, reduction="sum")
            gradients.view(-1)[place] += sign * loss.detach() / (2 * step)
    norms = gradients.norm(dim=-1).mean(dim=0)
    expected = (norms / norms.sum()).float()
    assert torch.allclose(influence_profile(model, Classification(), double, PROGRESS), expected, atol=1e-4)


def test_the_model_is_left_as_it_was(batch):
    model = model_of(Local(Local.Options(patch_size=2, dim=8, heads=2), IMAGE)).train()
    influence_profile(model, Classification(), batch, PROGRESS)
    assert model.training
    assert all(parameter.grad is None for parameter in model.parameters())
