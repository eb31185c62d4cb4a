"""Gated DeltaNet along the sequence of patches."""

from __future__ import annotations

from typing import ClassVar, Literal

from jaxtyping import Float, Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone
from reorder_kit.interfaces.numbers import Ratio, Size, Whole
from reorder_kit.layers.gated_delta_mixer import GatedDeltaMixer
from reorder_kit.layers.mixer_block import MixerBlock
from reorder_kit.layers.swiglu import SwiGLU
from reorder_kit.layers.walking_backbone import WalkingBackbone
from reorder_kit.layers.walking_options import WalkingOptions

HEADS = {"tiny": 3, "small": 6, "base": 12}


class GatedDeltaNet(WalkingBackbone):
    """Gated DeltaNet (Yang et al., 2024, https://arxiv.org/abs/2412.06464): a memory of key-value pairs.

    A slot replaces what the memory holds for its key instead of adding to it, and a gate decides how much of the rest
    is kept.

    Blocks are as in the paper: a mixer and a SwiGLU (Shazeer, 2020, https://arxiv.org/abs/2002.05202), both pre-norm
    with root mean square norms and on a float32 residual; keys are 3/4 as wide as the embedding, and values twice as
    wide as keys. Sizes have DeiT's widths, depth and heads. With ``bidirectional: false`` the mixers match Qwen3-Next
    in transformers and can load its weights. CLS and the two directions work as in ``mamba``. Padding is walked last
    and changes nothing.

    The readout ``last`` reads each direction where it ends: when bidirectional, the mean of the last slot and the
    first. If CLS is at an end, one of the two directions starts there, so in the last block CLS only receives the
    other.
    """

    name = "gated-deltanet"

    class Options(WalkingOptions):
        full_depth: ClassVar[int] = 12

        size: Literal["tiny", "small", "base"] = Field("small", description="width and heads, those of DeiT")
        heads: Size | None = Field(None, description="heads of queries and keys, instead of the size's")
        value_heads: Size | None = Field(
            None, description="heads of values, a multiple of heads; as many as heads if not given"
        )
        head_dim: Size | None = Field(
            None, description="width of a query and a key; 3/4 of dim / heads, rounded down, if not given"
        )
        expand: Whole = Field(2, ge=1, le=100, description="width of a value, times that of a key")
        conv_width: Whole = Field(4, ge=1, le=256, description="slots a convolution sees, including the current one")
        mlp_ratio: Ratio = Field(
            4.0, description="width of an MLP, times dim; a SwiGLU has 2/3 of it, because it has three matrices"
        )
        chunk: Whole = Field(64, ge=1, le=1024, description="slots computed at once: only changes time and memory")

        def unused(self) -> dict[str, str]:
            """The size, if it is fully overridden."""
            if None in (self.dim, self.heads):
                return {}
            return {"size": "dim and heads are given, and every size has the same depth"}

        @model_validator(mode="after")
        def _heads_fit(self) -> GatedDeltaNet.Options:
            if self.num_value_heads() % self.num_heads():
                raise ValueError(
                    f"value_heads {self.num_value_heads()} are not a multiple of the {self.num_heads()} heads"
                )
            if self.key_width() == 0:
                raise ValueError(
                    f"{self.num_heads()} heads are too many for a dim of {self.width()}: set fewer, or head_dim"
                )
            return self

        def num_heads(self) -> int:
            """Heads of queries and keys."""
            return self.heads or HEADS[self.size]

        def num_value_heads(self) -> int:
            """Heads of values."""
            return self.value_heads or self.num_heads()

        def key_width(self) -> int:
            """Width of a query and a key."""
            return self.head_dim or 3 * self.width() // (4 * self.num_heads())

    options: GatedDeltaNet.Options

    def build_block(self, drop_path: float) -> nn.Module:
        """A mixer and a SwiGLU, each added to the residual."""
        return DeltaBlock(self.options, drop_path)


class DeltaBlock(MixerBlock):
    """A mixer and a SwiGLU, pre-norm, on a residual that keeps its own dtype.

    Args:
        options: the backbone's options.
        drop_path: stochastic depth, probability.
    """

    def __init__(self, options: GatedDeltaNet.Options, drop_path: float) -> None:
        dim, key = options.width(), options.key_width()
        mixer = GatedDeltaMixer(
            dim,
            options.num_heads(),
            options.num_value_heads(),
            key,
            options.expand * key,
            options.conv_width,
            options.chunk,
            options.bidirectional,
        )
        super().__init__(dim, mixer, drop_path, residuals=2 * options.blocks())
        self.mlp_norm = nn.RMSNorm(dim, eps=1e-5)
        self.mlp = SwiGLU(dim, max(1, round(options.mlp_ratio * dim * 2 / 3)), bias=False)

    def forward(
        self, tokens: Float[Tensor, "batch token dim"], lengths: Int[Tensor, " batch"] | None
    ) -> Float[Tensor, "batch token dim"]:
        """Add the mixer's output to the tokens, then the SwiGLU's; ``lengths`` as in the mixer."""
        tokens = super().forward(tokens, lengths)
        widened: Tensor = self.drop_path(self.mlp(self.mlp_norm(tokens.to(self.mlp_norm.weight.dtype))))
        return tokens + widened


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Gated DeltaNet."""
    return [GatedDeltaNet]
