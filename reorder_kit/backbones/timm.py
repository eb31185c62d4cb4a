"""A timm model that reads patches in any order."""

from __future__ import annotations

from dataclasses import replace
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit.backbones._timm_options import TimmOptions
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    AttentionMaps,
    Backbone,
    BackboneFacts,
    Encoded,
    ImageShape,
    PatchSequence,
    PixelScale,
)
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.single_images import refuse_clips
from reorder_kit.model.timm_reading import TimmReading, reading_of

_NEEDS_TUNING = "causal: the weights were trained without a mask, so the model needs fine-tuning to adapt to it"


class Timm(Backbone):
    """Any isotropic timm model (https://github.com/huggingface/pytorch-image-models), optionally with its weights.

    ViT, DeiT, DINOv2, CLIP, SigLIP, EVA-02, DINOv3, the Perception Encoder, RoPE-ViT, BEiT, relative-position ViTs and
    CaiT, among others. The model keeps its own patches, positions and readout unless the recipe overrides them. In
    row-major order its output equals timm's. Positions follow their patches: absolute ones are added to them; rotary
    tables and relative biases are put in the order of the sequence. So without ``causal`` the output is the same in
    every order, except with the readout ``last``.

    With ``causal`` a slot sees itself and the slots before it. A CLS token that is read out comes after all slots: it
    sees everything, and nothing sees it. All other tokens before the patches (registers, a CLS token that is not read
    out) stay in front: every token sees them, and they see only each other. Weights that were trained without a mask
    then need fine-tuning. CaiT's blocks take no mask, so it cannot be causal.
    """

    name = "timm"
    Options = TimmOptions
    needs = frozenset({"order"})

    options: TimmOptions

    @classmethod
    def facts(cls, options: TimmOptions, image: ImageShape) -> BackboneFacts:
        """Blind to the order unless ``causal`` or the last slot is read; one causal block with CLS is also blind."""
        refuse_clips(cls.name, image)
        from reorder_kit.backbones._timm_models import build, facts_of

        without = cls.without_downloads(options).model_copy(update={"weights": None})
        with torch.device("meta"):  # takes no memory, computes nothing and draws nothing at random
            model = build(without, image)
        has_weights = options.pretrained or options.weights is not None
        caution = _NEEDS_TUNING if options.causal and has_weights else ""
        scale = _scale_of(model) if has_weights else None
        facts = facts_of(model, options)
        return replace(facts, downloads=options.pretrained, caution=caution, pixel_scale=scale)

    @classmethod
    def without_downloads(cls, options: TimmOptions) -> TimmOptions:
        """Drop the download and the file of weights."""
        return options.model_copy(update={"pretrained": False, "weights": None})

    def __init__(self, options: TimmOptions, image: ImageShape) -> None:
        # Imported on first use: timm takes seconds.
        from reorder_kit.backbones._timm_models import build

        super().__init__(options, image)
        self.model: Any = build(options, image)
        self.causal, self.readout, self.recompute = options.causal, options.readout, options.gradient_checkpointing

    @classmethod
    def from_timm(cls, model: nn.Module) -> Timm:
        """Wrap an existing model; it is shared, not copied, and keeps its classifier as ``timm.model.head``.

        The result has no ``options``.

        Raises:
            ReorderKitError: if the model cannot read in another order, drops patches, or has no readout.
        """
        from reorder_kit.backbones._timm_models import facts_of

        found = cls.__new__(cls)
        nn.Module.__init__(found)
        found.as_built = facts_of(model)
        first = next(layer for layer in model.get_submodule("patch_embed").modules() if isinstance(layer, nn.Conv2d))
        found.model = model
        found.image = ImageShape(first.in_channels, *found.reading.image)
        found.causal, found.readout = False, None
        found.recompute = bool(found.model.grad_checkpointing)
        return found

    @cached_property
    def reading(self) -> TimmReading:
        """How the model reads its patches."""
        return reading_of(self.model)

    def tokenize(self, images: Float[Tensor, "batch channels height width"]) -> PatchSequence:
        """Cut images into row-major patches.

        Raises:
            ReorderKitError: if the images do not have the size that the model was built for.
        """
        height, width = self.reading.image
        if tuple(images.shape[2:]) != (height, width):
            given = f"{images.shape[2]}x{images.shape[3]}"
            raise ReorderKitError(f"a model built for images of {height}x{width} pixels was given images of {given}")
        patches = self.model.patch_embed(images)
        if patches.ndim == 4:  # from a model that takes images of any size
            patches = patches.flatten(1, 2)
        if getattr(self.model, "pos_embed", None) is not None:
            # The last ones: those of CLS and register tokens, if any, come first.
            patches = patches + self.model.pos_embed[:, -self.grid.num_patches :]
        return PatchSequence(self._dropped(patches), self.grid)

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``, CLS and register tokens before the patches."""
        from reorder_kit.backbones._timm_blocks import TimmBlocks

        extra_tokens = starting_tokens(self._prefix(), extra_tokens, sequence, start)
        tokens = sequence.patches if extra_tokens is None else torch.cat([extra_tokens, sequence.patches], dim=1)
        indices = range(self.depth)[start:stop]
        if not indices:
            return Encoded(sequence, extra_tokens)
        blocks = TimmBlocks(self.model, self.reading, sequence, self._ranks(sequence))
        if 0 in indices and hasattr(self.model, "norm_pre"):
            tokens = self.model.norm_pre(tokens)
        for index in indices:
            tokens = blocks.run(index, tokens, self.recompute)
        if self.depth - 1 in indices:
            tokens = self.model.norm(blocks.with_late_cls(tokens))
        prefix, patches = tokens[:, : -sequence.num_slots], tokens[:, -sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), prefix if prefix.shape[1] else None)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """CLS, the mean of the slots or the last slot, as requested, or the timm model's own pooling.

        Raises:
            ReorderKitError: if some slots are padding and the model pools in a way that would read them.
        """
        model, sequence, prefix = self.model, encoded.sequence, encoded.extra_tokens
        if self.readout == "last":
            return self._normed(last_slot(sequence))
        if sequence.valid is None or self._reads_summary_tokens:
            tokens = sequence.patches if prefix is None else torch.cat([prefix, sequence.patches], dim=1)
            pooled: Tensor = model.forward_head(tokens, pre_logits=True)
            return pooled
        if model.global_pool != "avg" or getattr(model, "pool_include_prefix", False):
            raise ReorderKitError(
                f"the readout {model.global_pool!r} would read padding", "set readout: cls or readout: mean"
            )
        return self._normed(mean_slot(sequence))

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: the readout sees or includes all slots."""
        return torch.ones(num_slots, dtype=torch.bool)

    def attention(self, sequence: PatchSequence) -> AttentionMaps | None:
        """The weights of timm's attention, with fusing off; None for other kinds of blocks or pooling."""
        from reorder_kit.backbones._timm_attention import plain_attentions, recorded_weights

        attentions = plain_attentions(self.model.blocks)
        readout = self._readout_shares(sequence)
        if readout is None or len(attentions) < self.depth:
            return None
        with recorded_weights(attentions) as weights:
            self.encode(sequence)
        return AttentionMaps(tuple(weights), readout, first_slot=readout.shape[1] - sequence.num_slots)

    @property
    def _reads_summary_tokens(self) -> bool:
        from reorder_kit.backbones._timm_models import reads_summary_tokens

        return reads_summary_tokens(self.model)

    def _readout_shares(self, sequence: PatchSequence) -> Float[Tensor, "batch token"] | None:
        """The share of each token in the readout; None if that is neither one token nor a mean of slots."""
        model, units = self.model, torch.eye(sequence.num_slots, device=sequence.patches.device)
        if getattr(model, "attn_pool", None) is not None or hasattr(model, "dist_token"):
            return None
        by_slot = sequence.with_patches(units.to(sequence.patches.dtype).expand(sequence.batch, -1, -1))
        if self.readout == "last":
            return nn.functional.pad(last_slot(by_slot), (self.reading.prefix, 0))
        if model.global_pool == "token":
            shares = sequence.patches.new_zeros(sequence.batch, self.reading.prefix + sequence.num_slots)
            shares[:, 0] = 1
            return shares
        if model.global_pool == "avg" and not getattr(model, "pool_include_prefix", False):
            return nn.functional.pad(mean_slot(by_slot), (self.reading.prefix, 0))
        return None

    def _ranks(self, sequence: PatchSequence) -> Tensor | None:
        from reorder_kit.backbones._timm_blocks import causal_ranks

        if not self.causal:
            return None
        at_the_end = sum(token.shape[1] for token in self._summary_tokens()) if self._reads_summary_tokens else 0
        return causal_ranks(self.reading.prefix, at_the_end, sequence.num_slots, sequence.patches.device)

    def _summary_tokens(self) -> list[Tensor]:
        named = (getattr(self.model, name, None) for name in ("cls_token", "dist_token"))
        return [token for token in named if token is not None]

    def _prefix(self) -> Float[Tensor, "1 extra dim"] | None:
        """CLS, distillation and register tokens with their positions; CaiT's CLS comes after its blocks."""
        if not self.reading.prefix:
            return None
        registers = getattr(self.model, "reg_token", None)
        prefix = torch.cat([*self._summary_tokens(), *([] if registers is None else [registers])], dim=1)
        positions = getattr(self.model, "pos_embed", None)
        if positions is None:
            return prefix
        if not getattr(self.model, "no_embed_class", False):
            prefix = prefix + positions[:, : -self.grid.num_patches]
        return self._dropped(prefix)

    def _dropped(self, tokens: Tensor) -> Tensor:
        dropped: Tensor = self.model.pos_drop(tokens) if hasattr(self.model, "pos_drop") else tokens
        return dropped

    def _normed(self, pooled: Float[Tensor, "batch dim"]) -> Float[Tensor, "batch dim"]:
        if hasattr(self.model, "fc_norm"):
            pooled = self.model.fc_norm(pooled)
        normed: Tensor = self.model.head_drop(pooled)
        return normed


def _scale_of(model: Any) -> PixelScale | None:
    """The scale of timm's own weights, if it has any; those in a file are taken to be timm's, or tuned from them."""
    known = getattr(model, "pretrained_cfg", None)  # models that others register may have none
    return PixelScale(tuple(known["mean"]), tuple(known["std"])) if known else None


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Models of timm."""
    return [Timm]
