"""A vision encoder of Hugging Face transformers, patches in any order."""

from __future__ import annotations

from pathlib import Path

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from reorder_kit import hookimpl
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import AttentionMaps, Backbone, BackboneFacts, Encoded, ImageShape, PatchSequence
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.readout import last_slot, mean_slot
from reorder_kit.layers.single_images import refuse_clips
from reorder_kit.layers.slot_embedding import SlotEmbedding
from reorder_kit_transformers.blocks import Blocks
from reorder_kit_transformers.building import build
from reorder_kit_transformers.configuration import Plan, plan_of
from reorder_kit_transformers.embedding import embedded_patches, tokens_before
from reorder_kit_transformers.image_scale import caution_about_scale, scale_of
from reorder_kit_transformers.maps import recorded_weights
from reorder_kit_transformers.options import TransformersOptions
from reorder_kit_transformers.pooling import pooled

reorder_kit_api = "1.0"


class Transformers(Backbone):
    """A vision encoder of Hugging Face transformers (https://github.com/huggingface/transformers), with its weights
    if wanted.

    ViT, DeiT, BEiT, DINOv2 with and without registers, DINOv3, the vision towers of CLIP and SigLIP, and the encoders
    of ViT-MAE, ViT-MSN and I-JEPA. Every token sees every other, and positions follow their patches: absolute ones are
    added to them, rotary tables and relative biases are put in the order of the sequence. So the output is that of
    transformers in every order, unless the last slot is read, or ``slot_positions`` mark the places in the sequence.
    """

    name = "transformers"
    Options = TransformersOptions
    needs = frozenset({"order"})

    options: TransformersOptions

    @classmethod
    def facts(cls, options: TransformersOptions, image: ImageShape) -> BackboneFacts:
        """Blind to the order unless the last slot is read, or slots have positions."""
        refuse_clips(cls.name, image)
        plan = plan_of(options, image)
        dim, has_slots = plan.config.hidden_size, options.slot_positions != "none"
        if options.slot_positions == "sincos" and dim % 2:
            raise ReorderKitError(f"sincos slot_positions need an even width, not {dim}", "change hidden_size")
        several = plan.grid.num_patches > 1
        return BackboneFacts(
            plan.grid,
            dim,
            plan.config.num_hidden_layers,
            order_sensitive=several and (has_slots or options.readout == "last"),
            slots_order_sensitive=several and has_slots,
            has_positions=plan.has_positions,
            caution=_caution(options, plan),
            pixel_scale=None if options.pretrained is None else scale_of(options.pretrained),
            downloads=options.pretrained is not None and not Path(options.pretrained).is_absolute(),
        )

    @classmethod
    def without_downloads(cls, options: TransformersOptions) -> TransformersOptions:
        """The same encoder with random weights: its settings are in the options."""
        return options.model_copy(update={"pretrained": None})

    def __init__(self, options: TransformersOptions, image: ImageShape) -> None:
        super().__init__(options, image)
        self.plan = plan_of(options, image)
        self.model = build(options, self.plan)
        self.readout = options.readout or self.plan.readout
        self.slots = SlotEmbedding(options.slot_positions, self.grid.num_patches, self.dim)

    @property
    def blocks(self) -> nn.ModuleList:
        """The blocks of the encoder."""
        found = self.model.get_submodule(self.plan.family.blocks)
        assert isinstance(found, nn.ModuleList)  # for a type checker
        return found

    def tokenize(self, images: Float[Tensor, "batch channel height width"]) -> PatchSequence:
        """Cut images into row-major patches.

        Raises:
            ReorderKitError: if the images have another shape than the encoder was built for.
        """
        if tuple(images.shape[1:]) != self.image.axes:
            given, expected = ("x".join(map(str, shape)) for shape in (images.shape[1:], self.image.axes))
            raise ReorderKitError(f"an encoder built for images of {expected} was given images of {given}")
        return PatchSequence(embedded_patches(self.model, self.plan, images), self.grid)

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``, CLS, distillation and register tokens before the patches."""
        extra_tokens = starting_tokens(tokens_before(self.model, self.plan), extra_tokens, sequence, start)
        indices = range(self.depth)[start:stop]
        if not indices:
            return Encoded(sequence, extra_tokens)
        patches = self.slots(sequence).patches if 0 in indices else sequence.patches
        tokens = patches if extra_tokens is None else torch.cat([extra_tokens, patches], dim=1)
        family, prefix = self.plan.family, tokens.shape[1] - sequence.num_slots
        if 0 in indices and family.norm_before is not None:
            tokens = self.model.get_submodule(family.norm_before)(tokens)
        blocks = Blocks(self.model, self.plan, sequence, prefix)
        for index in indices:
            tokens = blocks.run(index, tokens, self.options.gradient_checkpointing)
        if self.depth - 1 in indices and family.norm is not None:
            tokens = self.model.get_submodule(family.norm)(tokens)
        encoded = sequence.with_patches(tokens[:, prefix:])
        return Encoded(encoded, tokens[:, :prefix] if prefix else None)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """CLS, the mean of the slots, the last slot, or what transformers pools."""
        return pooled(self.model, self.plan, self.readout, encoded)

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot: all that is read out sees all slots, or is all of them."""
        return torch.ones(num_slots, dtype=torch.bool)

    def attention(self, sequence: PatchSequence) -> AttentionMaps | None:
        """What the attention computes where it is not fused; None for the attention pooling of SigLIP."""
        if self.readout == "head":
            return None
        with recorded_weights(self.model, self.blocks) as weights:
            encoded = self.encode(sequence)
        prefix = 0 if encoded.extra_tokens is None else encoded.extra_tokens.shape[1]
        if self.readout == "cls":
            shares = sequence.patches.new_zeros(sequence.batch, prefix + sequence.num_slots)
            shares[:, 0] = 1
        else:
            units = torch.eye(sequence.num_slots, dtype=sequence.patches.dtype, device=sequence.patches.device)
            by_slot = sequence.with_patches(units.expand(sequence.batch, -1, -1))
            of_slots = mean_slot(by_slot) if self.readout == "mean" else last_slot(by_slot)
            shares = nn.functional.pad(of_slots, (prefix, 0))
        return AttentionMaps(tuple(weights), shares, first_slot=prefix)


def _caution(options: TransformersOptions, plan: Plan) -> str:
    if options.pretrained is not None:
        return caution_about_scale(options.pretrained)
    if plan.family.positions is None or plan.has_positions or plan.has_bias:
        return ""
    return (
        f"config: {plan.family.name} has no positions unless config asks for them: set use_relative_position_bias, "
        "use_shared_relative_position_bias or use_absolute_position_embeddings to true"
    )


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Vision encoders of transformers."""
    return [Transformers]
