"""The output of an order-learner is checked when it is applied and when it is reported."""

from __future__ import annotations

import time

import pytest
import torch

from reorder_kit import own_loop
from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.experiment.compose import compose
from reorder_kit.host.plugin_errors import naming_plugins
from reorder_kit.host.plugin_record import PluginError
from reorder_kit.interfaces import Grid, Order, OrderLearner, Proposal, SoftPermutation
from reorder_kit.model import order_checks
from reorder_kit.model.order_checks import UNSETTLED, OrderChecks
from reorder_kit.testing import host_with
from reorder_kit.training.order_summary import static_order
from reorder_kit.training.run import run_experiment
from unruly_learners import IMAGES, PATCHES, RECIPE, UnrulyPolicy, images, model_with, row, unruly

ARANGE = torch.arange(PATCHES)
EACH = ARANGE.expand(IMAGES, -1)
ONE_TWICE = EACH.clone()
ONE_TWICE[1, 7] = 3
SOFT = torch.eye(PATCHES)

WRONG_ORDERS = {
    "the same patch in every slot": (Order.trusted(ARANGE * 0, PATCHES), "patch 0 appears twice"),
    "a patch twice in the order of one image": (Order.trusted(ONE_TWICE, PATCHES), "patch 3 appears twice"),
    "some of the patches": (Order.trusted(ARANGE[:3], PATCHES), "its order has 3 slots for 16 patches"),
    "more slots than patches": (Order.trusted(ARANGE, PATCHES - 1), "its order is for 15 patches"),
    "slots without patches": (Order.trusted(torch.cat([ARANGE, ARANGE]), PATCHES), "has 32 slots for 16 patches"),
    "no slot": (Order.trusted(ARANGE[:0], PATCHES), "its order has 0 slots for 16 patches"),
    "a patch that is not there": (Order.trusted(ARANGE + 1, PATCHES), "a patch outside 0..15"),
    "a patch before the first": (Order.trusted(ARANGE - 1, PATCHES), "a patch outside 0..15"),
    "scores": (Order.trusted(ARANGE.float(), PATCHES), "made of torch.float32 of (16,)"),
    "small numbers": (Order.trusted(ARANGE.int(), PATCHES), "made of torch.int32 of (16,)"),
    "a list": (Order.trusted(ARANGE.tolist(), PATCHES), "made of list"),
    "too many axes": (Order.trusted(EACH[None], PATCHES), "made of torch.int64 of (1, 3, 16)"),
    "orders for other images": (Order.trusted(EACH[:2], PATCHES), "orders for 2 images, but the batch has 3"),
    "a group that has no order": (
        Order.trusted(EACH[:2], PATCHES, torch.tensor([0, 1, 2])),
        "a group is outside 0..1",
    ),
    "groups of other images": (Order.trusted(EACH[:2], PATCHES, torch.tensor([0, 1])), "groups of shape (2,)"),
    "nothing": (None, "its order is a NoneType"),
    "a tensor": (ARANGE, "its order is a Tensor"),
}
WRONG_PROPOSALS = {
    **{name: (Proposal(order), reason) for name, (order, reason) in WRONG_ORDERS.items()},
    "no proposal": (None, "proposed a NoneType"),
    "an order": (row(), "proposed a Order"),
    "NaN shares": (Proposal(row(), SoftPermutation(SOFT * torch.nan)), "holds NaN or infinity"),
    "one infinite share": (Proposal(row(), SoftPermutation(SOFT / (1 - SOFT))), "holds NaN or infinity"),
    "shares of two": (Proposal(row(), SoftPermutation(2 * SOFT)), "do not add up to 1"),
    "a small soft permutation": (Proposal(row(), SoftPermutation(SOFT[:3, :3])), "has the shape (3, 3)"),
    "a soft permutation for other images": (
        Proposal(row(), SoftPermutation(SOFT.expand(2, -1, -1))),
        "has the shape (2, 16, 16)",
    ),
    "a matrix": (Proposal(row(), SOFT), "its soft permutation is a Tensor"),
    "whole shares": (Proposal(row(), SoftPermutation(SOFT.long())), "its soft permutation is a SoftPermutation"),
    "log-probabilities of other rows": (Proposal(row(), log_prob=torch.zeros(3)), "its log-probability is (3,)"),
    "a number": (Proposal(row(), log_prob=-1.0), "its log-probability is float"),
    "an order for another block": (Proposal(row(), block=1), "for block 1, but block 0 was requested"),
}
RIGHT_PROPOSALS = {
    "one for all": Proposal(row()),
    "one for each image": Proposal(Order.trusted(EACH, PATCHES), log_prob=torch.zeros(IMAGES)),
    "one for each group": Proposal(Order.trusted(EACH[:2], PATCHES, torch.tensor([0, 1, 0])), log_prob=torch.zeros(2)),
    "one mixture": Proposal.mixture(row(), SoftPermutation(torch.full((PATCHES, PATCHES), 1 / PATCHES))),
    "a mixture for each image": Proposal.straight_through(row(), SoftPermutation(SOFT.expand(IMAGES, -1, -1))),
    "one probability": Proposal(row(), log_prob=torch.tensor(-1.0)),
}


@pytest.mark.parametrize(("proposal", "reason"), WRONG_PROPOSALS.values(), ids=WRONG_PROPOSALS)
def test_a_wrong_proposal_is_refused_where_it_would_be_applied(proposal, reason):
    model = model_with(unruly(lambda sequence: proposal)).train()
    with pytest.raises(ComponentError) as caught:
        model.read(images())
    assert str(caught.value).startswith("order-learner 'unruly': ")
    assert reason in str(caught.value)


@pytest.mark.parametrize("proposal", RIGHT_PROPOSALS.values(), ids=RIGHT_PROPOSALS)
def test_a_right_proposal_is_applied_as_it_is(proposal):
    model = model_with(unruly(lambda sequence: proposal)).train()
    assert model.read(images()).proposals[0] is proposal


def test_patches_are_left_out_only_by_a_policy_that_says_so():
    some = Proposal(Order(ARANGE[:3], PATCHES))
    model = model_with(unruly(lambda sequence: some, may_leave_out=True)).train()
    assert model.read(images()).order.num_slots == 3


@pytest.mark.parametrize(("order", "reason"), WRONG_ORDERS.values(), ids=WRONG_ORDERS)
def test_a_wrong_best_order_is_neither_read_in_nor_reported(order, reason):
    model = model_with(unruly())
    model.policy.best = lambda sequence: order
    with pytest.raises(ComponentError, match="order-learner 'unruly'") as caught:
        model.eval().read(images())
    assert reason in str(caught.value)
    with pytest.raises(ComponentError, match="order-learner 'unruly'"):
        static_order(model.policy, PATCHES)


def test_a_static_policy_reports_one_order():
    model = model_with(unruly())
    model.policy.best = lambda sequence: Order(EACH[:1])
    with pytest.raises(ComponentError, match="is_static is True, but each image has its own order"):
        static_order(model.policy, PATCHES)


@pytest.mark.parametrize(
    ("declared", "reason"),
    [
        ({"blocks": None}, "declares blocks as None"),
        ({"blocks": (0, "1")}, "declares blocks as (0, '1')"),
        ({"needs": frozenset({"labels"})}, "declares needs as frozenset({'labels'})"),
        ({"is_static": "yes"}, "declares is_static as 'yes'"),
        ({"mixes": None}, "declares mixes as None"),
    ],
)
def test_what_no_policy_can_declare_is_refused_with_the_recipe(declared, reason):
    with pytest.raises(ComponentError, match="order-learner 'unruly'") as caught:
        compose(RECIPE, host_with(unruly(**declared)), "trial")
    assert reason in str(caught.value)


def test_what_is_no_policy_is_refused_with_the_recipe():
    class Nothing(OrderLearner):
        name = "unruly"
        uses_reward = False

        def build_policy(self, context):
            return None

    with pytest.raises(ComponentError, match="built a NoneType instead of a Policy"):
        compose(RECIPE, host_with(Nothing), "trial")


# Starts

BACKWARDS = Order(ARANGE.flip(0))
STARTS = {
    "reversed": (lambda sequence: BACKWARDS, "slot 0 holds patch 15, but patch 0 in the start"),
    "nearly right": (lambda sequence: Order([*range(14), 15, 14]), "slot 14 holds patch 15, but patch 14 in the start"),
}


@pytest.mark.parametrize(("best", "reason"), STARTS.values(), ids=STARTS)
def test_a_learner_that_starts_elsewhere_is_refused_with_the_recipe(best, reason):
    with pytest.raises(ComponentError, match="before learning") as caught:
        compose(RECIPE, host_with(unruly(best=best)), "trial")
    assert reason in str(caught.value)


def test_a_rule_may_start_elsewhere():
    learner = unruly(best=lambda sequence: BACKWARDS)
    learner.is_rule = True
    assert compose(RECIPE, host_with(learner), "trial").learner.name == "unruly"


def test_a_learner_with_an_order_for_each_image_is_held_to_the_start_by_the_run(tmp_path):
    def backwards(sequence):
        return Order(BACKWARDS.indices.expand(sequence.batch, -1))

    host = host_with(unruly(best=backwards, is_static=False))
    with pytest.raises(ComponentError, match="slot 0 holds patch 15, but patch 0 in the start"):
        run_experiment(compose(RECIPE, host, "trial"), host, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def in_own_loop(learner):
    return own_loop.learner("unruly", PATCHES, epochs=1, steps_per_epoch=2, host=host_with(learner))


def test_a_loop_of_your_own_is_checked_as_well():
    with pytest.raises(ComponentError, match="slot 0 holds patch 15, but patch 0 in the start"):
        in_own_loop(unruly(best=lambda sequence: BACKWARDS))
    with pytest.raises(ComponentError, match="patch 0 appears twice"):
        in_own_loop(unruly(best=lambda sequence: Order.trusted(ARANGE * 0, PATCHES)))
    loop = in_own_loop(unruly(lambda sequence: Proposal(Order.trusted(ARANGE * 0, PATCHES))))
    loop.advance(0)
    with pytest.raises(ComponentError, match="order-learner 'unruly': patch 0 appears twice"):
        loop.propose(torch.zeros(IMAGES, PATCHES, 2))
    loop.policy.best = lambda sequence: Order.trusted(ARANGE[:3], PATCHES)
    with pytest.raises(ComponentError, match="has 3 slots for 16 patches"):
        loop.best_order()


# Any exception


class RaisingPolicy(UnrulyPolicy):
    def propose(self, sequence, block=0):
        raise LookupError("no table of orders")


class OldFashionedPolicy(UnrulyPolicy):
    def propose(self, sequence):
        return Proposal(row())


class ExitingPolicy(UnrulyPolicy):
    def propose(self, sequence, block=0):
        raise SystemExit(0)


@pytest.mark.parametrize(
    ("policy", "reason"),
    [
        (RaisingPolicy, "raised LookupError: no table of orders, in RaisingPolicy.propose (test_orders_of_learners.py"),
        (OldFashionedPolicy, "OldFashionedPolicy.propose() takes 2 positional arguments but 3 were given"),
        (ExitingPolicy, "raised SystemExit: 0"),
    ],
)
def test_whatever_a_policy_raises_the_learner_is_named(policy, reason):
    learner = unruly(policy=policy)
    learner.__module__ = __name__
    model = model_with(learner).train()
    with pytest.raises(PluginError) as caught, naming_plugins(host_with(learner)):
        model.read(images())
    assert "order-learner 'unruly' of plugin 'Unruly'" in str(caught.value)
    assert reason in str(caught.value)
    assert isinstance(caught.value.__cause__, BaseException)


def test_a_mistake_of_the_package_keeps_its_traceback():
    learner = unruly()
    with pytest.raises(ReorderKitError, match="is not a grid"), naming_plugins(host_with(learner)):
        Grid.parse("a")
    with pytest.raises(AttributeError), naming_plugins(host_with(learner)):
        OrderChecks().settle("no policy, and no proposal to blame")._nothing  # noqa: B018


def test_a_run_with_a_wrong_proposal_ends_with_the_name_of_the_learner(tmp_path):
    host = host_with(unruly(lambda sequence: Proposal(Order.trusted(ARANGE * 0, PATCHES))))
    with pytest.raises(ReorderKitError, match=r"order-learner 'unruly' \(plugin 'Unruly'\): patch 0 appears twice"):
        run_experiment(compose(RECIPE, host, "trial"), host, tmp_path / "run")
    assert not (tmp_path / "run" / "result.json").exists()


@pytest.mark.parametrize(
    ("trial", "reason"),
    [(Proposal(Order.trusted(ARANGE * 0, PATCHES)), "patch 0 appears twice"), (None, "proposed a NoneType")],
)
def test_what_a_search_tries_is_checked_as_well(tmp_path, trial, reason):
    class SearchingPolicy(UnrulyPolicy):
        def search(self, evaluate):
            evaluate([trial])

    host = host_with(unruly(policy=SearchingPolicy))
    with pytest.raises(ReorderKitError, match=f"order-learner 'unruly'.*: {reason}"):
        run_experiment(compose(RECIPE, host, "trial"), host, tmp_path / "run")


# A device that is not waited for


@pytest.fixture
def not_waited_for(monkeypatch):
    monkeypatch.setattr(order_checks, "is_waited_for", lambda device: False)


def test_on_a_gpu_a_wrong_order_is_kept_within_range_and_found_before_it_is_reported(not_waited_for):
    model = model_with(unruly(lambda sequence: Proposal(Order.trusted(ARANGE + 1, PATCHES)))).train()
    features = model.read(images())
    assert features.order.indices.tolist() == [*range(1, PATCHES), PATCHES - 1]
    with pytest.raises(ComponentError, match=r"a patch outside 0\.\.15"):
        model.order_checks.settle(model.policy)
    model.order_checks.settle(model.policy)  # reported once


def test_on_a_gpu_a_wrong_order_is_found_after_some_steps(not_waited_for):
    wrong = Proposal(Order.trusted(EACH[:2], PATCHES, torch.tensor([0, 1, 5])))
    model = model_with(unruly(lambda sequence: wrong)).train()
    for _ in range(UNSETTLED - 1):
        model.read(images())
    with pytest.raises(ComponentError, match="a group is outside"):
        model.read(images())


def test_on_a_gpu_right_orders_pass(not_waited_for):
    model = model_with(unruly(lambda sequence: RIGHT_PROPOSALS["a mixture for each image"])).train()
    for _ in range(2 * UNSETTLED):
        assert model.read(images()).order == row()


@pytest.mark.slow
def test_a_check_costs_next_to_nothing():
    """A hundredth of a millisecond for an order, a small share of a millisecond for an order for each image."""
    policy, checks = UnrulyPolicy(None, None), OrderChecks()
    each = torch.rand(256, 196).argsort(dim=1)
    for order, limit in ((Order.identity(196), 1e-3), (Order.trusted(each, 196), 10e-3)):
        began = time.process_time()
        for _ in range(100):
            checks.passed(Proposal(order), policy, 256, 196, 0)
        assert (time.process_time() - began) / 100 < limit
