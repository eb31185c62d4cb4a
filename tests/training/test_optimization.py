import math

import pytest
import torch
from accelerate import Accelerator
from accelerate.utils import GradScalerKwargs
from torch import nn

from reorder_kit.backbones.local import Local
from reorder_kit.backbones.recurrent import Recurrent
from reorder_kit.backbones.vit import Vit
from reorder_kit.interfaces import CLASS, ImageShape, LearnerContext
from reorder_kit.interfaces.progress import Progress
from reorder_kit.order_learners.reinforce import Reinforce
from reorder_kit.order_learners.softsort import SoftSort
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.recipe.settings import OptimizerSettings, ScheduleSettings
from reorder_kit.tasks._summary_head import SummaryHead
from reorder_kit.training.optimization import Optimizers, parameter_groups, step_size_ratio

SMALL = {"patch_size": 4, "depth": 1, "dim": 8}
DECAYED = {
    "local": (
        Local(Local.Options(**SMALL, heads=2, readout="cls"), ImageShape(1, 8, 8)),
        {
            "embedding.projection.weight",
            "blocks.0.attn.qkv.weight",
            "blocks.0.attn.proj.weight",
            "blocks.0.mlp.fc1.weight",
            "blocks.0.mlp.fc2.weight",
        },
        {"cls_token", "embedding.positions.table", "blocks.0.norm1.weight", "norm.weight", "norm.bias"},
    ),
    "vit": (
        Vit(Vit.Options(**SMALL, heads=2), ImageShape(1, 8, 8)),
        {
            "model.patch_embed.proj.weight",
            "model.blocks.0.attn.qkv.weight",
            "model.blocks.0.attn.proj.weight",
            "model.blocks.0.mlp.fc1.weight",
            "model.blocks.0.mlp.fc2.weight",
        },
        {"model.cls_token", "model.pos_embed", "model.blocks.0.norm1.weight", "model.norm.weight", "model.norm.bias"},
    ),
    "recurrent": (
        Recurrent(Recurrent.Options(**SMALL), ImageShape(1, 8, 8)),
        {"embedding.projection.weight", "blocks.0.cell.weight_ih_l0", "blocks.0.cell.weight_hh_l0"},
        {"embedding.positions.table", "blocks.0.norm.weight", "blocks.0.cell.bias_ih_l0", "norm.weight"},
    ),
}


@pytest.mark.parametrize("backbone", DECAYED)
def test_weight_matrices_decay_and_nothing_else(backbone):
    module, decayed, spared = DECAYED[backbone]
    names = {parameter: name for name, parameter in module.named_parameters()}
    first, second = parameter_groups(module, 0.05)
    assert (first["weight_decay"], second["weight_decay"]) == (0.05, 0.0)
    assert {names[parameter] for parameter in first["params"]} == decayed
    assert spared <= {names[parameter] for parameter in second["params"]}
    assert len(first["params"]) + len(second["params"]) == len(names)


def test_an_embedding_does_not_decay_and_a_head_does():
    parts = nn.ModuleDict({"table": nn.Embedding(3, 2), "head": SummaryHead(2, 3)})
    decayed, others = parameter_groups(parts, 0.1)
    assert decayed["params"] == [parts["head"].linear.weight]
    assert len(others["params"]) == 2


def ratios(**schedule):
    """The step sizes of 4 epochs of 2 steps."""
    settings = ScheduleSettings(**schedule)
    return [step_size_ratio(settings, Progress(step, 2, 4)) for step in range(8)]


def test_linear_decay_goes_from_the_peak_to_the_floor_in_equal_steps():
    assert ratios(shape="linear", min_ratio=0.3) == pytest.approx([1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3])


def test_warm_up_rises_from_the_floor_hold_stays_and_cosine_falls_to_the_floor():
    falling = [0.2 + 0.8 * (1 + math.cos(math.pi * share)) / 2 for share in (0, 1 / 3, 2 / 3, 1)]
    expected = [0.2, 0.6, 1.0, 1.0, *falling]
    assert ratios(warmup_epochs=1, hold_epochs=1, shape="cosine", min_ratio=0.2) == pytest.approx(expected)
    assert falling == pytest.approx([1.0, 0.8, 0.4, 0.2])


def test_a_constant_schedule_only_warms_up():
    assert ratios(warmup_epochs=1.5, shape="constant", min_ratio=0.1) == pytest.approx([0.1, 0.4, 0.7, *[1.0] * 5])


def test_a_warm_up_that_is_longer_than_the_run_never_falls():
    assert ratios(warmup_epochs=8, min_ratio=0.0) == pytest.approx([step / 16 for step in range(8)])


def policy_of(learner, **options):
    context = LearnerContext(Order.identity(4), Grid(2, 2), 8, 1, CLASS, ["a", "b"])
    return learner(learner.Options(**options)).build_policy(context)


def optimizers(module, policy, clip_grad=None, **settings):
    return Optimizers(
        module,
        policy,
        OptimizerSettings(**settings),
        ScheduleSettings(shape="constant"),
        clip_grad,
        Accelerator(cpu=True),
    )


@pytest.mark.parametrize("learner", [SoftSort, Reinforce])
def test_policy_parameters_have_their_own_optimiser_and_never_decay(learner):
    policy, module = policy_of(learner), nn.Linear(2, 2)
    both = optimizers(module, policy, weight_decay=0.5)
    assert [group["weight_decay"] for group in both.policy.param_groups] == [0]
    assert {id(parameter) for group in both.policy.param_groups for parameter in group["params"]} == set(
        map(id, policy.parameters())
    )
    assert {id(parameter) for group in both.main.param_groups for parameter in group["params"]} == set(
        map(id, module.parameters())
    )


def gradients_at_step(clip_grad, policy):
    module = nn.Linear(3, 1, bias=False)
    both = optimizers(module, policy, clip_grad)
    seen = []
    both.main.register_step_pre_hook(lambda *_: seen.append(module.weight.grad.clone()))
    both.policy.register_step_pre_hook(lambda *_: seen.append(policy.logits.grad.clone()))
    module.weight.grad = torch.tensor([[0.0, 30.0, 40.0]])
    policy.logits.grad = torch.full((4,), 100.0)
    both.step(Progress(0, 1, 1))
    assert module.weight.grad is None
    assert policy.logits.grad is None
    return seen


def test_clipping_shortens_the_gradient_of_the_model_and_leaves_the_policy_alone():
    main, policy = gradients_at_step(5.0, policy_of(Reinforce))
    assert torch.allclose(main, torch.tensor([[0.0, 3.0, 4.0]]), atol=1e-5)
    assert policy.tolist() == [100.0] * 4


def test_without_clipping_the_gradient_is_what_it_was():
    assert gradients_at_step(None, policy_of(Reinforce))[0].tolist() == [[0.0, 30.0, 40.0]]


def test_a_policy_without_gradient_stays_where_it_is():
    module, policy = nn.Linear(3, 1), policy_of(SoftSort)
    both = optimizers(module, policy)
    policy.scores.grad = torch.ones(4)
    both.step(Progress(0, 1, 2))
    moved = policy.scores.detach().clone()
    for parameter in module.parameters():
        parameter.grad = torch.ones_like(parameter)
    both.step(Progress(1, 1, 2))  # Adam's momentum would carry it on
    assert torch.equal(policy.scores, moved)


def test_the_step_size_is_returned_and_used():
    module = nn.Linear(1, 1, bias=False)
    both = Optimizers(
        module,
        policy_of(SoftSort),
        OptimizerSettings(lr=0.1, weight_decay=0),
        ScheduleSettings(shape="linear", min_ratio=0.0),
        None,
        Accelerator(cpu=True),
    )
    before = module.weight.item()
    module.weight.grad = torch.ones(1, 1)
    assert both.step(Progress(1, 3, 1)) == pytest.approx(0.05)
    assert module.weight.item() == pytest.approx(before - 0.05, abs=1e-5)  # the first step of Adam is the step size


def test_a_saved_state_goes_on_with_the_same_steps():
    def steps(both, module, policy, numbers):
        for number in numbers:
            module.weight.grad = torch.full((1, 1), float(number + 1))
            policy.scores.grad = torch.arange(4.0) - number
            both.step(Progress(number, 4, 1))
        return [module.weight.tolist(), policy.scores.tolist()]

    first = nn.Linear(1, 1, bias=False), policy_of(SoftSort)
    second = nn.Linear(1, 1, bias=False), policy_of(SoftSort)
    second[0].load_state_dict(first[0].state_dict())
    whole = steps(optimizers(*first), *first, range(4))

    early = optimizers(*second)
    steps(early, *second, range(2))
    late = optimizers(*second)
    late.load_state_dict(early.state_dict())
    assert steps(late, *second, range(2, 4)) == whole


@pytest.fixture(params=[None, 128.0])
def scaled(request):
    """An accelerator with a loss scale, as with fp16 on a GPU, and where that scale begins."""
    handler = request.param and GradScalerKwargs(init_scale=request.param, growth_interval=2)
    options = handler.to_kwargs() if handler else {}
    accelerator = Accelerator(cpu=True)
    accelerator.scaler, accelerator.scaler_handler = torch.amp.GradScaler("cpu", **options), handler
    return accelerator, request.param or 2.0**16


def scaled_optimizers(accelerator, module):
    settings = OptimizerSettings(), ScheduleSettings(shape="constant"), None
    return Optimizers(module, policy_of(SoftSort), *settings, accelerator)


def overflow(both, module, accelerator):
    accelerator.scaler.scale(module.weight.sum()).backward()
    module.weight.grad.fill_(math.inf)
    both.step(Progress(0, 1, 1))


def steps_well(both, module, accelerator):
    accelerator.scaler.scale(module.weight.sum()).backward()
    both.step(Progress(0, 1, 1))


def state_of(accelerator):
    state = accelerator.scaler.state_dict()
    return state["scale"], state["_growth_tracker"]


def test_a_training_begins_with_the_loss_scale_of_a_fresh_accelerator(scaled):
    accelerator, first = scaled
    module = nn.Linear(1, 1, bias=False)
    both = scaled_optimizers(accelerator, module)
    assert state_of(accelerator) == (first, 0)
    overflow(both, module, accelerator)
    steps_well(both, module, accelerator)
    assert state_of(accelerator) == (first / 2, 1)
    scaled_optimizers(accelerator, nn.Linear(1, 1))
    assert state_of(accelerator) == (first, 0)
    assert accelerator.scaler.scale(torch.ones(1)).item() == first


def test_new_weights_begin_with_a_fresh_loss_scale_and_a_resumed_training_with_its_own(scaled):
    accelerator, first = scaled
    module = nn.Linear(1, 1, bias=False)
    both = scaled_optimizers(accelerator, module)
    overflow(both, module, accelerator)
    saved = both.state_dict()
    both.forget()
    assert state_of(accelerator) == (first, 0)
    scaled_optimizers(accelerator, module).load_state_dict(saved)
    assert state_of(accelerator) == (first / 2, 0)


def test_shares_of_the_schedule_are_whole_steps_of_the_whole_run():
    shares = ScheduleSettings(warmup_epochs="12.5%", hold_epochs="30%", shape="linear", min_ratio=0.2)
    # 12.5% of 4 epochs of 3 steps are 1.5 steps, and 30% are 3.6.
    of_run = shares.of_run(4, 3)
    assert (of_run.warmup_epochs * 3, of_run.hold_epochs * 3) == (2, 4)
    by_hand = ScheduleSettings(warmup_epochs=2 / 3, hold_epochs=4 / 3, shape="linear", min_ratio=0.2)
    steps = [Progress(step, 3, 4) for step in range(12)]
    assert [step_size_ratio(of_run, step) for step in steps] == [step_size_ratio(by_hand, step) for step in steps]


def test_epochs_of_the_schedule_may_be_fractions_of_a_step():
    settings = ScheduleSettings(warmup_epochs=0.5, hold_epochs=1)
    assert settings.of_run(4, 3) == settings


def test_a_schedule_of_another_length_keeps_its_shares():
    settings = ScheduleSettings(warmup_epochs=1, hold_epochs="10%").scaled(12, of=60)
    assert (settings.warmup_epochs, str(settings.hold_epochs)) == (0.2, "10%")
