"""VIOLIN: a ViT whose attention fades along space-filling curves."""

from __future__ import annotations

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    AttentionMaps,
    Backbone,
    BackboneFacts,
    Encoded,
    Grid,
    ImageShape,
    Ordering,
    Part,
    PatchSequence,
)
from reorder_kit.interfaces.part import reads_file
from reorder_kit.layers.attention_maps import windowed_attention_maps
from reorder_kit.layers.drop_path import drop_path_rates
from reorder_kit.layers.extra_tokens import starting_tokens
from reorder_kit.layers.learned_vectors import learned_vectors
from reorder_kit.layers.patch_embedding import PatchEmbedding
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.readout import mean_slot
from reorder_kit.layers.recompute import run_block
from reorder_kit.layers.transformer_options import TransformerOptions

# Snake, zig-zag, Peano and Hilbert of the paper, by the names they have here. What the released code computes where the
# paper says Peano is the Morton order.
CURVES = ("boustrophedon", "snake", "morton", "hilbert")


class Violin(Backbone):
    """VIOLIN (Candogan et al., 2026, https://arxiv.org/abs/2606.14757): a ViT that knows of curves through the image.

    The score of two patches is multiplied, before the softmax, by ``strength * mean of decay ** distance`` over several
    curves. The distance is that of the two patches along a curve; each head of each block learns a decay for each
    curve, and a strength. Nothing is cut off: patches whose score fades to 0 still see each other.

    The curves are in the image, and belong to the patches: moved with them, the model is blind to the order. With
    ``along_sequence`` the sequence itself is one more curve, so the order matters; that is our addition, as are partial
    orders, rectangles and clips, whose frames a curve walks one after the other.

    The paper has the masks, their alignment and mean, sigmoids as decays, and a decay for each curve and head, a
    strength for each head. Its code (https://github.com/LIONS-EPFL/VIOLIN) decides the rest: starting values (a decay
    of 0.9933 to 0.9999 from a patch to the next, and a strength drawn around 0 with standard deviation 0.5), the CLS
    token, which is at no distance from anything, and the curves. What it computes for the Peano curve is the Morton
    order. Attention equals that of the code to rounding. CLS has no position here, and dropout follows the projection
    alone.

    A patch sees all patches, so the time and memory of attention grow with the square of their number.
    """

    name = "violin"
    needs = frozenset({"order"})

    class Options(TransformerOptions):
        curves: tuple[Part[Ordering], ...] = Field(
            tuple(Part.named(name, transpose=transpose) for name in CURVES for transpose in (False, True)),
            description="curves through the image: orderings that visit every patch",
        )
        along_sequence: bool = Field(False, description="the sequence itself is one more curve: the order matters")
        readout: Literal["mean", "cls"] = Field("mean", description="what summarises the sequence")

        @model_validator(mode="after")
        def _has_distinct_curves(self) -> Violin.Options:
            if not self.curves and not self.along_sequence:
                raise ValueError("give a curve, or set along_sequence: true")
            seen: list[dict[str, Any]] = []
            for curve in self.curves:
                # Distances are the same from either end.
                walked = {key: value for key, value in curve.as_dict().items() if key != "reverse"}
                if walked in seen:
                    raise ValueError(f"curve {curve.name} is given twice; walked backwards, its distances are the same")
                seen.append(walked)
            return self

    options: Violin.Options

    @classmethod
    def facts(cls, options: Violin.Options, image: ImageShape) -> BackboneFacts:
        """Never causal; sensitive to the order only with ``along_sequence``, and then not in a single block that CLS
        reads, nor where no two slots are farther apart than two others."""
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        hears_slots = options.readout == "mean" or shape.depth > 1
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            order_sensitive=options.along_sequence and hears_slots and grid.num_patches > 2,
            has_positions=options.positions != "none",
        )

    def __init__(self, options: Violin.Options, image: ImageShape) -> None:
        # Imported on first use: timm takes seconds.
        from timm.models.vision_transformer import init_weights_vit_timm

        from reorder_kit.layers.attention_block import AttentionBlock
        from reorder_kit.layers.curve_attention import CurveAttention

        super().__init__(options, image)
        self.embedding = PatchEmbedding(image, patch_geometry(options, image), self.dim, options.positions)
        self.cls_token = learned_vectors(1, 1, self.dim) if options.readout == "cls" else None
        places = places_on(options.curves, self.grid)
        self.blocks = nn.ModuleList(
            AttentionBlock(
                CurveAttention(
                    self.dim,
                    options.shape().heads,
                    places,
                    options.along_sequence,
                    options.dropout,
                    num_global=0 if self.cls_token is None else 1,
                    keep_places=reads_file(options.curves),
                ),
                self.dim,
                options.mlp_ratio,
                options.dropout,
                drop_path,
            )
            for drop_path in drop_path_rates(options.drop_path, self.depth)
        )
        self.blocks.apply(init_weights_vit_timm)
        self.norm = nn.LayerNorm(self.dim, eps=1e-6)

    def tokenize(self, images: Float[Tensor, "batch channels *frame height width"]) -> PatchSequence:
        """Cut images, or every frame of clips, into row-major patches."""
        sequence: PatchSequence = self.embedding(images)
        return sequence

    def encode(
        self,
        sequence: PatchSequence,
        start: int = 0,
        stop: int | None = None,
        extra_tokens: Float[Tensor, "batch extra dim"] | None = None,
    ) -> Encoded:
        """Run the blocks ``start`` to ``stop``, CLS before the patches."""
        extra_tokens = starting_tokens(self.cls_token, extra_tokens, sequence, start)
        tokens = sequence.patches if extra_tokens is None else torch.cat([extra_tokens, sequence.patches], dim=1)
        blocks = range(self.depth)[start:stop]
        recompute = self.options.gradient_checkpointing
        for index in blocks:
            tokens = run_block(self.blocks[index], tokens, sequence.order, sequence.valid, recompute=recompute)
        if self.depth - 1 in blocks:
            tokens = self.norm(tokens)
        rest, patches = tokens[:, : -sequence.num_slots], tokens[:, -sequence.num_slots :]
        return Encoded(sequence.with_patches(patches), None if extra_tokens is None else rest)

    def summarize(self, encoded: Encoded) -> Float[Tensor, "batch dim"]:
        """The CLS token or the mean of all slots."""
        return mean_slot(encoded.sequence) if encoded.extra_tokens is None else encoded.extra_tokens[:, 0]

    def reach(self, num_slots: int) -> Bool[Tensor, " slot"]:
        """Every slot."""
        return torch.ones(num_slots, dtype=torch.bool)

    def attention(self, sequence: PatchSequence) -> AttentionMaps:
        """All tokens at all, CLS before the slots."""
        return windowed_attention_maps(
            self, self.blocks, sequence, num_before=0 if self.cls_token is None else 1, num_after=0
        )


def places_on(curves: tuple[Part[Ordering], ...], grid: Grid) -> Int[Tensor, "curve patch"]:
    """Where each patch stands on each curve.

    Raises:
        ReorderKitError: if a curve leaves patches out.
    """
    places = []
    for curve in curves:
        with torch.device("cpu"):  # real indices, also where the weights of the backbone are counted on meta
            order = curve.build().order(grid)
        if not order.is_full:
            raise ReorderKitError(
                f"the curve {curve.name} leaves out {order.num_patches - order.num_slots} of the {grid} grid's patches",
                "give curves that visit every patch",
            )
        places.append(order.rank)
    return torch.stack(places) if places else torch.empty(0, grid.num_patches, dtype=torch.long)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """VIOLIN."""
    return [Violin]
