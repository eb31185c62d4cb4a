"""The mixer of Mamba: a gated convolution and selective scan, in one direction or both."""

# A, B and C are the symbols of the paper.
# ruff: noqa: N806

from __future__ import annotations

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reorder_kit.layers.step_sizes import starting_steps
from reorder_kit.layers.turn_round import turn_round
from reorder_kit.ops.scan_backend import ScanBackend
from reorder_kit.ops.selective_scan import selective_scan


class SelectiveWalk(nn.Module):
    """Convolution and selective scan along the sequence, in one direction.

    Weights start as in mamba-ssm: ``A = -1, -2, ..., -state`` in every channel, and step sizes (softplus of the bias of
    ``dt_proj``) spread log-uniformly from 0.001 to 0.1.

    Args:
        inner: number of channels.
        rank: width of the bottleneck that produces step sizes.
        state: size of the state of a channel.
        conv_width: number of slots a convolution sees, including the current one.
        backend: the implementation of the scan.
    """

    def __init__(self, inner: int, rank: int, state: int, conv_width: int, backend: ScanBackend) -> None:
        super().__init__()
        self.backend = backend
        self.conv1d = nn.Conv1d(inner, inner, conv_width, groups=inner, padding=conv_width - 1)
        self.x_proj = nn.Linear(inner, rank + 2 * state, bias=False)
        self.dt_proj = nn.Linear(rank, inner)
        self.A_log = nn.Parameter(torch.arange(1, state + 1).float().log().repeat(inner, 1))
        self.D = nn.Parameter(torch.ones(inner))
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        with torch.no_grad():
            self.dt_proj.bias.copy_(starting_steps(inner))

    def walk(
        self, x: Float[Tensor, "batch inner slot"], z: Float[Tensor, "batch inner slot"]
    ) -> Float[Tensor, "batch inner slot"]:
        """Walk from the first slot to the last.

        Args:
            x: the input of the convolution and the scan.
            z: gate of the output.
        """
        x = F.silu(self.conv1d(x)[..., : x.shape[-1]])
        rank, state = self.dt_proj.in_features, self.A_log.shape[1]
        delta, B, C = self.x_proj(x.transpose(1, 2)).transpose(1, 2).split([rank, state, state], dim=1)
        delta, A = self.dt_proj.weight @ delta, -self.A_log.exp()
        return selective_scan(
            x, delta, A, B, C, self.D, z, self.dt_proj.bias, delta_softplus=True, backend=self.backend
        )


class MambaMixer(SelectiveWalk):
    """A Mamba mixer, with the parameter names and shapes of ``Mamba`` in mamba-ssm, whose weights it loads.

    Source: Gu and Dao, "Mamba", 2023 (https://arxiv.org/abs/2312.00752); their D is our ``dim``, E ``expand`` and N
    ``state``.

    When bidirectional, it is the mixer of Vision Mamba (Zhu et al., 2024, https://arxiv.org/abs/2401.09417): both
    directions share ``in_proj`` and ``out_proj``, have their own convolutions and scans, and are averaged. The weights
    of the second direction are in ``reverse``: ``conv1d_b.weight`` and ``A_b_log`` there are ``reverse.conv1d.weight``
    and ``reverse.A_log`` here.

    Args:
        dim: width of the embedding.
        state: size of the state of a channel.
        conv_width: number of slots a convolution sees, including the current one.
        expand: number of channels, times ``dim``.
        bidirectional: also walk from the last slot to the first.
        backend: the implementation of the scan.
    """

    def __init__(
        self,
        dim: int,
        state: int = 16,
        conv_width: int = 4,
        expand: int = 2,
        bidirectional: bool = False,
        backend: ScanBackend = "auto",
    ) -> None:
        inner, rank = expand * dim, math.ceil(dim / 16)
        super().__init__(inner, rank, state, conv_width, backend)
        self.in_proj = nn.Linear(dim, 2 * inner, bias=False)
        self.reverse = SelectiveWalk(inner, rank, state, conv_width, backend) if bidirectional else None
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(
        self, tokens: Float[Tensor, "batch slot dim"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch slot dim"]:
        """Mix.

        Args:
            tokens: the tokens, with all padding after the valid slots, so that a walk reaches it last.
            lengths: valid slots of each image, where the reverse walk starts; None if all are valid.
        """
        projected = self.in_proj(tokens)
        mixed = self.walk(*x_and_z(projected))
        if self.reverse is not None:
            back = self.reverse.walk(*x_and_z(turn_round(projected, lengths)))
            mixed = (mixed + turn_round(back.transpose(1, 2), lengths).transpose(1, 2)) / 2
        out: Tensor = self.out_proj(mixed.transpose(1, 2))
        return out


def x_and_z(projected: Float[Tensor, "batch slot channels"]) -> tuple[Tensor, Tensor]:
    """The input of the scan and the gate, channels first: the two halves of the output of ``in_proj``."""
    x, z = projected.transpose(1, 2).chunk(2, dim=1)
    return x, z
