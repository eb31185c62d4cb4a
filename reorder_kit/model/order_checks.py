"""Check the proposals of policies where the model applies them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Bool
from torch import Tensor

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces.order_learner import Policy
from reorder_kit.model.policy_checks import policy_error
from reorder_kit.orders.order import Order
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.soft_permutation import SoftPermutation

UNSETTLED = 32
"""The number of proposals on a GPU between two checks of their values."""
SHARE_TOLERANCE = 0.1
"""How far from 1 the sum of a slot's shares may be: half precision rounds, but mistakes are larger."""


class OrderChecks:
    """Checks the proposals of a policy as they are applied.

    Types and shapes are checked every time, and so are values on a CPU. On a GPU, reading a value waits for all earlier
    work. So patches are clamped to their range there, to keep kernels from failing, and whether all were valid is read
    only every 32 proposals, and by :meth:`settle` before anything is reported.
    """

    def __init__(self) -> None:
        self._unsettled: list[tuple[Proposal, Bool[Tensor, ""]]] = []

    def __deepcopy__(self, memo: dict[int, Any]) -> OrderChecks:
        """Start empty: a copy of the model has proposed nothing yet."""
        return OrderChecks()

    def passed(self, proposal: Any, policy: Policy, batch: int, patches: int | None, block: int) -> Proposal:
        """Check a proposal, and return it in a form that can be applied.

        Args:
            proposal: what the policy returned.
            policy: the policy.
            batch: number of images that it is for.
            patches: number of slots that the block receives; None if unknown.
            block: the block before which it is applied.

        Raises:
            ComponentError: if it cannot be applied; it names the component that built the policy.
        """
        if not isinstance(proposal, Proposal):
            raise policy_error(policy, f"proposed a {type(proposal).__name__}", "return a Proposal(order)")
        if proposal.block != block:
            reason = f"proposed for block {proposal.block}, but block {block} was requested"
            raise policy_error(policy, reason, "return Proposal(order, block=block)")
        _require_order(proposal.order, policy, batch, patches)
        _require_rest(proposal, policy, batch)
        valid = _is_valid(proposal)
        if is_waited_for(valid.device):
            if not bool(valid):
                raise _refused(proposal, policy)
            return proposal
        # Only the order: soft permutations would keep everything alive that they were computed from.
        self._unsettled.append((Proposal(proposal.order), valid))
        if len(self._unsettled) >= UNSETTLED:
            self.settle(policy)
        return _within_range(proposal)

    def settle(self, policy: Policy) -> None:
        """Read the results of all pending checks.

        Raises:
            ComponentError: if a proposal was not valid.
        """
        unsettled, self._unsettled = self._unsettled, []
        if not unsettled or bool(torch.stack([valid for _, valid in unsettled]).all()):
            return
        raise _refused(next(proposal for proposal, valid in unsettled if not bool(valid)), policy)


def is_waited_for(device: torch.device) -> bool:
    """Whether reading a value costs nothing."""
    return device.type == "cpu"


def check_order(order: Any, policy: Policy, patches: int, batch: int = 1) -> Order:
    """Move an order that a policy reports to the CPU, and check it in full.

    Args:
        order: what the policy returned.
        policy: the policy.
        patches: number of slots that its block receives.
        batch: number of images that it is for.

    Raises:
        ComponentError: if it is not such an order; it names the component that built the policy.
    """
    _require_order(order, policy, batch, patches)
    reported: Order = order.to("cpu")
    if not bool(_is_valid(Proposal(reported))):
        raise _refused(Proposal(reported), policy)
    return reported


def _require_order(order: Any, policy: Policy, batch: int, patches: int | None) -> None:
    """Check the type and shape of an order, without waiting for a device."""
    if not isinstance(order, Order):
        raise policy_error(
            policy, f"its order is a {type(order).__name__}", "build it with Order(indices, num_patches)"
        )
    indices, groups = order.indices, order.groups
    if not isinstance(indices, Tensor) or indices.dtype != torch.int64 or indices.ndim not in (1, 2):
        form = f"{indices.dtype} of {tuple(indices.shape)}" if isinstance(indices, Tensor) else type(indices).__name__
        raise policy_error(policy, f"its order is made of {form}", "indices are int64 of (slot) or (batch, slot)")
    if groups is not None and (groups.shape != (batch,) or groups.dtype != torch.int64 or indices.ndim != 2):
        raise policy_error(
            policy, f"its order has groups of shape {tuple(groups.shape)} for {batch} images", "one for each image"
        )
    if indices.ndim == 2 and groups is None and len(indices) != batch:
        raise policy_error(policy, f"it gave orders for {len(indices)} images, but the batch has {batch}")
    if patches is not None and order.num_patches != patches:
        raise policy_error(policy, f"its order is for {order.num_patches} patches, but there are {patches}")
    is_partial = 0 < order.num_slots < order.num_patches
    if order.num_slots != order.num_patches and not (is_partial and policy.may_leave_out):
        raise policy_error(
            policy,
            f"its order has {order.num_slots} slots for {order.num_patches} patches",
            "a policy that leaves out patches must set may_leave_out = True" if is_partial else None,
        )


def _require_rest(proposal: Proposal, policy: Policy, batch: int) -> None:
    """Check that a soft permutation and log-probabilities fit the shape of the order."""
    order, soft, log_prob = proposal.order, proposal.soft, proposal.log_prob
    if soft is not None:
        matrix = soft.matrix if isinstance(soft, SoftPermutation) else None
        if not isinstance(matrix, Tensor) or not matrix.is_floating_point():
            raise policy_error(
                policy, f"its soft permutation is a {type(soft).__name__}", "use SoftPermutation(matrix)"
            )
        shape = (order.num_slots, order.num_patches)
        if tuple(matrix.shape) not in (shape, (batch, *shape)):
            raise policy_error(
                policy, f"its soft permutation has the shape {tuple(matrix.shape)}; its order has {shape}"
            )
    if log_prob is not None:
        rows = (1,) if order.is_static else (len(order.indices),)
        if not isinstance(log_prob, Tensor) or tuple(log_prob.shape) not in (rows, () if order.is_static else rows):
            found = tuple(log_prob.shape) if isinstance(log_prob, Tensor) else type(log_prob).__name__
            raise policy_error(policy, f"its log-probability is {found}", "one for each row of order.indices")


@torch.no_grad()
def _is_valid(proposal: Proposal) -> Bool[Tensor, ""]:
    """Whether patches and groups are in range, patches are distinct, and shares add up; does not wait for a device."""
    order = proposal.order
    rows = order.indices.reshape(-1, order.num_slots)
    inside = rows.clamp(0, order.num_patches - 1)
    seen = torch.zeros(len(rows), order.num_patches, dtype=torch.bool, device=rows.device).scatter_(1, inside, True)
    valid = (inside == rows).all() & (seen.sum() == rows.numel())
    if order.groups is not None:
        valid = valid & ((order.groups >= 0) & (order.groups < len(rows))).all()
    if proposal.soft is not None:
        shares = proposal.soft.matrix.detach().sum(dim=-1, dtype=torch.float32)
        valid = valid & ((shares - 1).abs() <= SHARE_TOLERANCE).all()  # a sum with NaN or infinity is never near 1
    return valid


def _within_range(proposal: Proposal) -> Proposal:
    """The proposal with patches and groups clamped to their range: one outside would crash all work on the GPU."""
    order = proposal.order
    groups = None if order.groups is None else order.groups.clamp(0, len(order.indices) - 1)
    inside = Order.trusted(order.indices.clamp(0, order.num_patches - 1), order.num_patches, groups)
    return replace(proposal, order=inside)


def _refused(proposal: Proposal, policy: Policy) -> ComponentError:
    """The error for an invalid proposal."""
    order, soft = proposal.order, proposal.soft
    try:
        Order(order.indices, order.num_patches, order.groups)
    except ReorderKitError as error:
        return policy_error(policy, error.message, "an argsort of distinct scores holds every patch once")
    hint = "lower the step size of the learner or of the model"
    if soft is None:
        return policy_error(policy, "its soft permutation holds NaN, infinity, or shares that do not add up to 1", hint)
    if bool(soft.matrix.detach().isfinite().all()):
        return policy_error(policy, "the shares of a slot in its soft permutation do not add up to 1")
    return policy_error(policy, "its soft permutation holds NaN or infinity", hint)
