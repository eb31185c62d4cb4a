"""What a task may require of backbone and policy: one call each, in ``Task.check``."""

from __future__ import annotations

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.backbone import BackboneFacts
from reorder_kit.interfaces.order_learner import Policy


def require_causal(facts: BackboneFacts, why: str) -> None:
    """Refuse a backbone in which a slot sees later ones.

    Args:
        facts: what the backbone declares.
        why: what would go wrong, such as "it would see the patches it predicts".

    Raises:
        ReorderKitError: if it is not causal.
    """
    if not facts.is_causal:
        raise ReorderKitError(f"the backbone is not causal: {why}", "make it causal, or choose another")


def require_order_sensitive(facts: BackboneFacts, why: str) -> None:
    """Refuse a backbone whose readout is the same in every order. (``slots_order_sensitive`` is about its slots.)

    Raises:
        ReorderKitError: if it is the same.
    """
    if not facts.order_sensitive:
        raise ReorderKitError(f"the readout is the same in every order: {why}", "choose another backbone")


def require_hard(policy: Policy, why: str) -> None:
    """Refuse soft mixtures, in which a slot holds parts of several patches.

    Raises:
        ReorderKitError: if the policy mixes patches.
    """
    if policy.mixes:
        raise ReorderKitError(
            f"the order-learner mixes patches: {why}",
            "use its straight_through option, or a learner that draws hard orders",
        )


def require_static(policy: Policy, why: str) -> None:
    """Refuse orders that depend on the image.

    Raises:
        ReorderKitError: if the policy's orders depend on the image.
    """
    if not policy.is_static:
        raise ReorderKitError(f"the order depends on the image: {why}", "use a learner with one order for all images")


def require_first_block_only(policy: Policy, why: str) -> None:
    """Refuse orders before later blocks.

    Raises:
        ReorderKitError: if the policy orders before a later block.
    """
    later = [block for block in policy.blocks if block != 0]
    if later:
        raise ReorderKitError(
            f"the order-learner orders again before block {later[0]}: {why}",
            "use a learner that orders before block 0 only",
        )


def require_no_leaks(policy: Policy, why: str) -> None:
    """Refuse whatever leaks patches that a causal or reconstruction task must not see.

    These are soft mixtures, orders that depend on the image, and orders before later blocks.

    Raises:
        ReorderKitError: for the first of them that the policy has.
    """
    require_hard(policy, why)
    require_static(policy, why)
    require_first_block_only(policy, why)
