"""A backbone, a policy and a head combined into one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from typing import Self

import torch
from jaxtyping import Bool, Int
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Backbone, BackboneFacts, Batch, Encoded, Features, ModelOutput, Policy, Task
from reorder_kit.model.backbone_checks import checked_tokens, require_encoded
from reorder_kit.model.order_checks import OrderChecks
from reorder_kit.model.reading_orders import ByPolicy, ReadingOrder, reading_order
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.patches import cut
from reorder_kit.orders.proposal import Proposal
from reorder_kit.orders.sequence import PatchSequence

Watch = Callable[[PatchSequence], PatchSequence]
Encode = Callable[..., Encoded]
"""Called as the backbone's ``encode``."""


class OrderedModel(nn.Module):
    """Maps images to outputs, reading patches in the order that the policy proposes.

    In training the policy proposes orders; in evaluation its best order is used.

    Args:
        backbone: the backbone.
        policy: the policy.
        head: turns :class:`~reorder_kit.interfaces.Features` into outputs.
        state: a module that the task keeps, such as a teacher; always in evaluation mode.
    """

    def __init__(self, backbone: Backbone, policy: Policy, head: nn.Module, state: nn.Module | None = None) -> None:
        super().__init__()
        self.backbone = backbone
        self.policy = policy
        self.head = head
        self.state = None if state is None else state.requires_grad_(False).eval()
        self.order_checks = OrderChecks()
        self._encode: Encode = backbone.encode
        self._reading: ReadingOrder = ByPolicy(policy)
        self._watch: Watch | None = None

    @property
    def facts(self) -> BackboneFacts:
        """What the backbone declares."""
        return self.backbone.as_built

    def train(self, mode: bool = True) -> Self:
        """Set the mode of backbone, policy and head; the state stays in evaluation mode."""
        super().train(mode)
        if self.state is not None:
            self.state.eval()
        return self

    def compile_encode(self) -> None:
        """Compile the backbone's encode, which takes most of the time."""
        self._encode = torch.compile(self.backbone.encode)

    def ordered_by(self, *orders: Proposal | Order | Policy, sample: bool = False) -> Self:
        """The same model, reading in these orders; it shares all parts with this one.

        Args:
            orders: proposals (one for each block), one order, or a policy.
            sample: for a policy: use its proposals, as in training, instead of its best order.

        Raises:
            ReorderKitError: if they are none of these.
        """
        return self._like(self.backbone, self.head, self.state, reading_order(orders, sample), self._watch)

    def with_parts(
        self, backbone: Backbone | None = None, head: nn.Module | None = None, state: nn.Module | None = None
    ) -> Self:
        """The same model with other parts; None keeps a part."""
        return self._like(
            self.backbone if backbone is None else backbone,
            self.head if head is None else head,
            self.state if state is None else state,
            self._reading,
            self._watch,
        )

    def watched(self, watch: Watch) -> Self:
        """The same model; in every reading, ``watch`` sees the slots of the first order, and may replace their patches.

        Patches that a task hides are still in their slots, marked invalid; they are dropped afterward.
        """
        return self._like(self.backbone, self.head, self.state, self._reading, watch)

    def with_encode(self, wrap: Callable[[Encode], Encode]) -> Self:
        """The same model, whose encode, compiled or not, is replaced by what ``wrap`` returns for it."""
        other = self._like(self.backbone, self.head, self.state, self._reading, self._watch)
        other._encode = wrap(self._encode)
        return other

    def _like(
        self,
        backbone: Backbone,
        head: nn.Module,
        state: nn.Module | None,
        reading: ReadingOrder,
        watch: Watch | None,
    ) -> Self:
        other = type(self)(backbone, self.policy, head, state)
        other.training = self.training
        other._reading, other._watch, other.order_checks = reading, watch, self.order_checks
        # A watched model is not compiled: gradients of its input would require another compilation.
        if backbone is self.backbone and watch is None:
            other._encode = self._encode
        return other

    def forward(self, batch: Batch) -> ModelOutput:
        """Read a batch and apply the head."""
        features = self.read(batch)
        return ModelOutput(self.head(features), features)

    def read(self, batch: Batch, keep: Bool[Tensor, "batch patch"] | None = None) -> Features:
        """Tokenize, order before each block that the policy names, and encode.

        Args:
            batch: the images; mixers never read their padding.
            keep: which row-major patches the backbone sees, equally many in each image; None for all. Hidden ones reach
                the policy as zeros marked invalid, and are dropped after its first order.

        Raises:
            ComponentError: if a proposal is not an order of these patches.
            ReorderKitError: if the backbone cannot follow the orders.
        """
        images, reading = batch.images, self._reading
        content = None if batch.content is None else batch.content.to(images.device)
        image_size = (images.shape[-2], images.shape[-1])
        sequence = checked_tokens(self.backbone, self.backbone.tokenize(images), len(batch))
        if content is not None:
            sequence = replace(sequence, valid=_holds_content(content, image_size, sequence.grid))
        if "pixels" in reading.needs:
            sequence = replace(sequence, pixels=cut(images, sequence.grid))
        if keep is not None:
            sequence = _without_content(sequence, keep)
        moves: list[Proposal] = []
        proposals: list[Proposal] = []
        encoded = Encoded(sequence)
        for block, end in pairwise([*self._checked_blocks(), None]):
            assert block is not None
            seen = sequence if keep is None or block > 0 else _marked_invalid(sequence, keep)
            proposals.append(self._checked(reading.proposal(seen, block, self.training), seen, block))
            sequence = self._moved(sequence, proposals[-1], moves)
            if block == 0:
                sequence = self._watched(sequence, proposals[-1].order, keep)
            if keep is not None and block == 0:
                sequence = self._moved(sequence, Proposal(_kept_slots(proposals[-1].order, keep)), moves)
            encoded = self._encode(self._shown(sequence), block, end, encoded.extra_tokens)
            require_encoded(self.backbone, encoded, len(batch))
            if end is not None:
                sequence = _carried_on(sequence, encoded, end)
        return Features(encoded, tuple(moves), tuple(proposals), self.backbone, image_size, content)

    def _checked(self, proposal: Proposal, seen: PatchSequence, block: int) -> Proposal:
        """Check that a policy's proposal can be applied; given orders are not checked."""
        policy = self._reading.policy
        if policy is None:
            return proposal
        return self.order_checks.passed(proposal, policy, seen.batch, seen.num_slots, block)

    def _checked_blocks(self) -> tuple[int, ...]:
        blocks = self._reading.blocks
        if not blocks or blocks[0] != 0 or blocks[-1] >= self.facts.depth or sorted(set(blocks)) != list(blocks):
            raise ReorderKitError(
                f"orders before the blocks {list(blocks)} do not fit a backbone of {self.facts.depth} blocks",
                "name block 0 first, then later ones",
            )
        return blocks

    def _watched(
        self, sequence: PatchSequence, order: Order, keep: Bool[Tensor, "batch patch"] | None
    ) -> PatchSequence:
        if self._watch is None:
            return sequence
        shown = sequence if keep is None else _marked_invalid(sequence, order.apply(keep))
        return sequence.with_patches(self._watch(shown).patches)

    def _moved(self, sequence: PatchSequence, move: Proposal, moves: list[Proposal]) -> PatchSequence:
        """Apply a move to the sequence and add it to ``moves``."""
        if len(self.facts.levels) > 1 and not (move.order.is_full and move.is_exact):
            raise ReorderKitError(
                "a hierarchical backbone merges neighbors, so it needs every patch in its own slot",
                "use full, hard orders: a straight_through learner, or a task that hides no patch",
            )
        moves.append(move)
        return move.apply(sequence)

    def _shown(self, sequence: PatchSequence) -> PatchSequence:
        """The parts of a sequence that the backbone may see."""
        order = sequence.order if "order" in self.backbone.needs else None
        return replace(sequence, order=order, pixels=None)


def for_evaluation(task: Task, model: OrderedModel) -> OrderedModel:
    """The model that a task evaluates instead of this one, such as its teacher.

    Raises:
        ReorderKitError: if the task returns something else.
    """
    evaluated = task.model_for_evaluation(model)
    if not isinstance(evaluated, OrderedModel):
        raise ReorderKitError(
            f"task {task.name!r}: model_for_evaluation returned a {type(evaluated).__name__}",
            "return the given model, or the result of its with_parts or ordered_by",
        )
    return evaluated


def _without_content(sequence: PatchSequence, keep: Bool[Tensor, "batch patch"]) -> PatchSequence:
    """Set hidden patches to zero."""
    hidden = ~keep.unsqueeze(-1)
    pixels = None if sequence.pixels is None else sequence.pixels.masked_fill(hidden, 0.0)
    return replace(sequence, patches=sequence.patches.masked_fill(hidden, 0.0), pixels=pixels)


def _marked_invalid(sequence: PatchSequence, keep: Bool[Tensor, "batch place"]) -> PatchSequence:
    return replace(sequence, valid=keep if sequence.valid is None else sequence.valid & keep)


def _kept_slots(order: Order, keep: Bool[Tensor, "batch patch"]) -> Order:
    """The slots of kept patches, in their sequence."""
    kept = order.apply(keep)
    counts = kept.sum(dim=1)
    count = int(counts[0])
    if count == 0 or bool((counts != count).any()):
        raise ReorderKitError(
            "a task must keep the same number of patches of every image, at least one, and the order must have slots "
            f"for them; it kept {sorted(set(counts.tolist()))}"
        )
    slots = (~kept).to(torch.uint8).argsort(dim=1, stable=True)[:, :count]
    return Order.trusted(slots, order.num_slots)


def _carried_on(sequence: PatchSequence, encoded: Encoded, block: int) -> PatchSequence:
    """The input of a later block: the patches encoded so far, with everything that belongs to them."""
    if encoded.sequence.num_slots != sequence.num_slots:
        raise ReorderKitError(
            f"the backbone merges patches before block {block}, so they cannot be ordered there",
            "order before the first merge",
        )
    return sequence.with_patches(encoded.sequence.patches)


def _holds_content(
    content: Int[Tensor, "batch 2"], image_size: tuple[int, int], grid: Grid
) -> Bool[Tensor, "batch patch"]:
    """Which row-major patches hold at least one pixel that is not padding."""
    top = torch.arange(grid.height, device=content.device) * (image_size[0] / grid.height)
    left = torch.arange(grid.width, device=content.device) * (image_size[1] / grid.width)
    held: Tensor = (top < content[:, :1]).unsqueeze(2) & (left < content[:, 1:]).unsqueeze(1)
    return held.flatten(1).repeat(1, grid.frames)
