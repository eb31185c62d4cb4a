"""Mamba-2 along the sequence of patches."""

from __future__ import annotations

from pydantic import Field, model_validator
from torch import nn

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone
from reorder_kit.interfaces.numbers import Size, Whole
from reorder_kit.layers.mamba2_mixer import Mamba2Mixer
from reorder_kit.layers.mixer_block import MixerBlock
from reorder_kit.layers.walking_backbone import WalkingBackbone
from reorder_kit.layers.walking_options import WalkingOptions


class Mamba2(WalkingBackbone):
    """Mamba-2 (Dao and Gu, 2024, https://arxiv.org/abs/2405.21060): larger states than Mamba's, which fade more evenly.

    A head decays its whole state by one factor per slot, whereas Mamba has a factor for each number in it. So within a
    chunk the scan is attention with a mask of decays, and matrix products do most of the work.

    Blocks, CLS and the two directions are those of ``mamba``: ``tokens + mixer(norm(tokens))`` with root mean square
    norms, a float32 residual, CLS in the middle. With ``bidirectional: false`` the mixers match the package mamba-ssm
    and can load its weights. Padding is walked last and changes nothing.

    The readout ``last`` reads each direction where it ends: when bidirectional, the mean of the last slot and the
    first. If CLS is at an end, one of the two directions starts there, so in the last block CLS only receives the
    other.
    """

    name = "mamba2"

    class Options(WalkingOptions):
        state: Whole = Field(128, ge=1, le=1024, description="size of the state of a channel")
        head_dim: Size = Field(64, description="channels that decay together; must divide expand * dim")
        groups: Size = Field(1, description="groups of heads that are written and read alike; must divide the heads")
        conv_width: Whole = Field(4, ge=1, le=256, description="slots a convolution sees, including the current one")
        expand: Whole = Field(2, ge=1, le=100, description="channels of a mixer, times dim")
        chunk: Whole = Field(64, ge=1, le=1024, description="slots computed at once: only changes time and memory")

        @model_validator(mode="after")
        def _heads_fit(self) -> Mamba2.Options:
            channels = self.expand * self.width()
            if channels % self.head_dim:
                raise ValueError(f"head_dim {self.head_dim} does not divide the {channels} channels (expand * dim)")
            heads = channels // self.head_dim
            if heads % self.groups:
                raise ValueError(f"groups {self.groups} do not divide the {heads} heads (expand * dim / head_dim)")
            return self

    options: Mamba2.Options

    def build_block(self, drop_path: float) -> nn.Module:
        """``tokens + mixer(norm(tokens))``."""
        given = self.options
        mixer = Mamba2Mixer(
            self.dim,
            given.state,
            given.head_dim,
            given.groups,
            given.conv_width,
            given.expand,
            given.chunk,
            given.bidirectional,
        )
        return MixerBlock(self.dim, mixer, drop_path, residuals=self.depth)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Mamba-2."""
    return [Mamba2]
