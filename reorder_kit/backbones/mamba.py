"""Mamba along the sequence of patches."""

from __future__ import annotations

from dataclasses import replace

from pydantic import Field, model_validator
from torch import nn

from reorder_kit.backbones._vim_weights import load_vim_weights
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import IMAGENET, Backbone, BackboneFacts, HomePath, ImageShape
from reorder_kit.interfaces.numbers import Whole
from reorder_kit.layers.mixer_block import MixerBlock
from reorder_kit.layers.walking_backbone import WalkingBackbone
from reorder_kit.layers.walking_options import WalkingOptions
from reorder_kit.ops.scan_backend import ScanBackend


class Mamba(WalkingBackbone):
    """Mamba (Gu and Dao, 2023, https://arxiv.org/abs/2312.00752): a state walks along the sequence.

    The input itself decides what is written into the state, kept and read, so what came before matters. By default,
    with two directions and CLS in the middle, it is Vision Mamba (Vim, Zhu et al., 2024,
    https://arxiv.org/abs/2401.09417), whose released checkpoints ``weights`` loads. CLS has no separate position: Vim
    only uses the sum of the two, which is our CLS. With ``bidirectional: false`` the mixers match the package mamba-ssm
    and can load its weights.

    Blocks are ``tokens + mixer(norm(tokens))`` with root mean square norms (Zhang and Sennrich, 2019,
    https://arxiv.org/abs/1910.07467); the residual is float32 under any autocast. Padding is walked last and changes
    nothing.

    The readout ``last`` reads each direction where it ends: when bidirectional, the mean of the last slot and the
    first. If CLS is at an end, one of the two directions starts there, so in the last block CLS only receives the
    other.

    The base size has 97.6 million parameters with a classifier of 1,000 classes. REOrder's Mamba
    (https://arxiv.org/abs/2505.23751) is a different model, the backbone ``arm``.
    """

    name = "mamba"

    class Options(WalkingOptions):
        state: Whole = Field(16, ge=1, le=256, description="size of the state of a channel")
        conv_width: Whole = Field(4, ge=1, le=256, description="slots a convolution sees, including the current one")
        expand: Whole = Field(2, ge=1, le=100, description="channels of a mixer, times dim")
        backend: ScanBackend = Field(
            "auto", description="what computes the scan; auto: mamba-ssm if it can be used, else torch"
        )
        weights: HomePath | None = Field(
            None, description="file with a released Vision Mamba checkpoint (.safetensors, .pth) to start from"
        )

        @model_validator(mode="after")
        def _weights_fit(self) -> Mamba.Options:
            fits = {
                "readout": self.readout == "cls",
                "bidirectional": self.bidirectional,
                "cls_position": self.cls_position in (None, "middle"),
                "slot_positions": self.slot_positions == "none",
            }
            wrong = [name for name, does_fit in fits.items() if not does_fit]
            if self.weights is not None and wrong:
                raise ValueError(
                    "released weights have two directions, CLS in the middle and only positions by patch: "
                    f"leave out {' and '.join(wrong)}"
                )
            return self

    options: Mamba.Options

    @classmethod
    def facts(cls, options: WalkingOptions, image: ImageShape) -> BackboneFacts:
        """As of every backbone that walks; released weights were trained on ImageNet's scale."""
        assert isinstance(options, cls.Options)
        return replace(super().facts(options, image), pixel_scale=IMAGENET if options.weights is not None else None)

    @classmethod
    def without_downloads(cls, options: Mamba.Options) -> Mamba.Options:
        """Drop the released weights: a run's weights are in its checkpoint."""
        return options.model_copy(update={"weights": None})

    def __init__(self, options: Mamba.Options, image: ImageShape) -> None:
        super().__init__(options, image)
        if options.weights is not None:
            load_vim_weights(self, self.grid, options.weights)

    def build_block(self, drop_path: float) -> nn.Module:
        """``tokens + mixer(norm(tokens))``."""
        # Imported on first use: torch's compiler, for which the scan is an operator, takes seconds.
        from reorder_kit.layers.mamba_mixer import MambaMixer

        given = self.options
        mixer = MambaMixer(self.dim, given.state, given.conv_width, given.expand, given.bidirectional, given.backend)
        return MixerBlock(self.dim, mixer, drop_path, residuals=self.depth)


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """Mamba."""
    return [Mamba]
