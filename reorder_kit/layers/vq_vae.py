"""A small convolutional VQ-VAE of patches."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from pydantic import BaseModel, ConfigDict, Field, model_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces.numbers import Size, Whole
from reorder_kit.layers.codebook import Codebook
from reorder_kit.whole_file import write_whole

FORMAT_VERSION = 1
_HEADER = "reorder-kit-vq-vae"
_MAX_HALVINGS = 2


class VqConfig(BaseModel):
    """The configuration of a VQ-VAE."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    format_version: Literal[1] = 1
    channels: Size = Field(description="channels of a patch")
    height: Size = Field(description="height of a patch, pixels")
    width: Size = Field(description="width of a patch, pixels")
    codes: Whole = Field(64, ge=2, le=4096, description="number of codes")
    side: Size = Field(1, description="codes along each side of a patch, which has the square of this number of codes")
    dim: Size = Field(16, description="length of a code")
    hidden: Size = Field(32, description="channels of the convolutions")

    @model_validator(mode="after")
    def _codes_lie_on_a_lattice(self) -> VqConfig:
        if self.height % self.side or self.width % self.side:
            raise ValueError(
                f"{self.side}x{self.side} codes do not divide a patch of {self.height}x{self.width} pixels"
            )
        return self


class Coded(NamedTuple):
    """What training uses.

    Args:
        vectors: output of the encoder, one for each token.
        numbers: number of the code nearest to each.
        patches: as decoded from the codes; the gradient passes to the encoder as if there were no codebook.
    """

    vectors: Float[Tensor, "vector dim"]
    numbers: Int[Tensor, " vector"]
    patches: Float[Tensor, "patch channel height width"]


class VqVae(nn.Module):
    """Encodes a patch as one or a few codes of a codebook, and decodes it.

    Every patch is encoded alone, so its codes hold nothing about its neighbors. The encoder has a 3x3 convolution, up
    to two 4x4 convolutions of stride 2, and one without overlap that gives a vector for each code; the decoder mirrors
    it. Patches are first normalized to mean 0 and variance 1, by ``mean`` and ``std`` of each channel.

    Source: A. van den Oord et al., "Neural Discrete Representation Learning", 2017, https://arxiv.org/abs/1711.00937.

    Args:
        config: the sizes.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, config: VqConfig) -> None:
        super().__init__()
        self.config = config
        halvings = _halvings(config)
        left = (config.height >> halvings) // config.side, (config.width >> halvings) // config.side
        hidden = config.hidden
        down = [layer for _ in range(halvings) for layer in (nn.Conv2d(hidden, hidden, 4, 2, 1), nn.GELU())]
        up = [layer for _ in range(halvings) for layer in (nn.ConvTranspose2d(hidden, hidden, 4, 2, 1), nn.GELU())]
        self.encoder = nn.Sequential(
            nn.Conv2d(config.channels, hidden, 3, padding=1),
            nn.GELU(),
            *down,
            nn.Conv2d(hidden, config.dim, left, left),
        )
        self.decoder = nn.Sequential(
            nn.ConvTranspose2d(config.dim, hidden, left, left),
            nn.GELU(),
            *up,
            nn.Conv2d(hidden, config.channels, 3, padding=1),
        )
        self.codebook = Codebook(config.codes, config.dim)
        self.register_buffer("mean", torch.zeros(config.channels, 1, 1))
        self.register_buffer("std", torch.ones(config.channels, 1, 1))

    def encode(self, patches: Float[Tensor, "patch channel height width"]) -> Float[Tensor, "vector dim"]:
        """A vector for each code: those of the first patch row by row, then those of the second, and so on."""
        maps: Tensor = self.encoder((patches - self.mean) / self.std)
        return maps.permute(0, 2, 3, 1).reshape(-1, self.config.dim)

    def decode(self, vectors: Float[Tensor, "vector dim"]) -> Float[Tensor, "patch channel height width"]:
        """The patches that vectors stand for."""
        side = self.config.side
        maps = vectors.view(-1, side, side, self.config.dim).permute(0, 3, 1, 2)
        decoded: Tensor = self.decoder(maps)
        return decoded * self.std + self.mean

    def tokens(self, patches: Float[Tensor, "patch channel height width"]) -> Int[Tensor, "patch token"]:
        """The numbers of the codes of each patch."""
        return self.codebook.nearest(self.encode(patches)).view(len(patches), -1)

    def forward(self, patches: Float[Tensor, "patch channel height width"]) -> Coded:
        """Encode and decode."""
        vectors = self.encode(patches)
        numbers = self.codebook.nearest(vectors)
        codes = F.embedding(numbers, self.codebook.codes)
        return Coded(vectors, numbers, self.decode(vectors + (codes - vectors).detach()))

    def save(self, path: Path) -> None:
        """Write weights, codebook and configuration as safetensors.

        Raises:
            OSError: if the file cannot be written.
        """
        tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in self.state_dict().items()}
        write_whole(path, save(tensors, metadata={_HEADER: self.config.model_dump_json()}))

    @classmethod
    def load(cls, path: Path) -> VqVae:
        """Read a saved model.

        Raises:
            ReorderKitError: if the file is missing, does not hold a VQ-VAE, or has another format.
        """
        try:
            with safe_open(path, "pt") as file:
                written = (file.metadata() or {}).get(_HEADER)
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a mapping)
        except (OSError, SafetensorError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else error
            raise ReorderKitError(f"{path}: cannot be read as safetensors: {reason}") from None
        if written is None:
            raise ReorderKitError(f"{path}: does not hold a VQ-VAE", "make one with: reorder-kit prior RECIPE --fit-vq")
        try:
            config = json.loads(written)
            version = config.get("format_version")
            if version != FORMAT_VERSION:
                raise ReorderKitError(f"{path}: format_version {version!r} is not {FORMAT_VERSION}")
            model = cls(VqConfig.model_validate(config))
            model.load_state_dict(tensors)
        except (AttributeError, ValueError, RuntimeError) as error:  # no JSON, not a mapping, wrong fields or tensors
            raise ReorderKitError(f"{path}: holds a damaged VQ-VAE: {error}") from None
        return model.eval()


def _halvings(config: VqConfig) -> int:
    """The number of convolutions of stride 2: at most two, and as many as leave whole pixels for every code."""
    sides = config.height // config.side, config.width // config.side
    return next((count for count in range(_MAX_HALVINGS, 0, -1) if all(side % (1 << count) == 0 for side in sides)), 0)
