"""The mixer of Mamba-2: a convolution, a scan by structured state space duality, a gated norm."""

# A, B and C are the symbols of the paper.
# ruff: noqa: N806

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reorder_kit.layers.step_sizes import starting_steps
from reorder_kit.layers.turn_round import turn_round
from reorder_kit.ops.ssd_scan import ssd_scan


class DualWalk(nn.Module):
    """Convolution and scan along the sequence, in one direction.

    Weights start as in mamba-ssm: A is uniform from -16 to -1, and step sizes (softplus of ``dt_bias``) are spread
    log-uniformly from 0.001 to 0.1.

    Args:
        inner: number of channels.
        heads: number of heads, each with a step size and a decay rate; a divisor of the channels.
        groups: number of groups of heads that share B and C; a divisor of the heads.
        state: size of the state of a channel.
        conv_width: number of slots a convolution sees, including the current one.
        chunk: number of slots in a chunk of the scan.
    """

    def __init__(self, inner: int, heads: int, groups: int, state: int, conv_width: int, chunk: int) -> None:
        super().__init__()
        self.sizes = [inner, groups * state, groups * state]
        self.heads, self.groups, self.chunk = heads, groups, chunk
        convolved = sum(self.sizes)
        self.conv1d = nn.Conv1d(convolved, convolved, conv_width, groups=convolved, padding=conv_width - 1)
        self.dt_bias = nn.Parameter(starting_steps(heads))
        self.A_log = nn.Parameter(torch.empty(heads).uniform_(1, 16).log())
        self.D = nn.Parameter(torch.ones(heads))

    def walk(self, projected: Float[Tensor, "batch slot channels"]) -> Float[Tensor, "batch slot inner"]:
        """Walk from the first slot to the last.

        Args:
            projected: x, B and C, which are convolved, and the step sizes, which are not.
        """
        convolved, dt = torch.split(projected, [sum(self.sizes), self.heads], dim=-1)
        convolved = F.silu(self.conv1d(convolved.transpose(1, 2))[..., : projected.shape[1]]).transpose(1, 2)
        x, B, C = torch.split(convolved, self.sizes, dim=-1)
        y = ssd_scan(
            torch.unflatten(x, -1, (self.heads, -1)),
            dt,
            -self.A_log.exp(),
            torch.unflatten(B, -1, (self.groups, -1)),
            torch.unflatten(C, -1, (self.groups, -1)),
            self.D,
            self.dt_bias,
            dt_softplus=True,
            chunk_size=self.chunk,
        )
        return y.flatten(2)


class ReverseDualWalk(DualWalk):
    """A second direction, with its own B, C and step sizes; x comes from the first one.

    Args:
        dim: width of the embedding.
        inner: number of channels; this and the rest as in :class:`DualWalk`.
        heads: number of heads.
        groups: number of groups of heads.
        state: size of the state of a channel.
        conv_width: number of slots a convolution sees.
        chunk: number of slots in a chunk of the scan.
    """

    def __init__(self, dim: int, inner: int, heads: int, groups: int, state: int, conv_width: int, chunk: int) -> None:
        super().__init__(inner, heads, groups, state, conv_width, chunk)
        self.in_proj = nn.Linear(dim, 2 * groups * state + heads, bias=False)


class GroupedRMSNorm(nn.Module):
    """Root mean square norm over the channels of each group, computed in at least float32.

    Args:
        channels: number of channels of all groups.
        groups: number of groups, a divisor of the channels.
        eps: added to the mean square.
    """

    def __init__(self, channels: int, groups: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.groups, self.eps = groups, eps
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, values: Float[Tensor, "batch slot channels"]) -> Float[Tensor, "batch slot channels"]:
        """Normalized values, in the dtype of the weight."""
        wide = torch.unflatten(values.to(torch.promote_types(values.dtype, torch.float32)), -1, (self.groups, -1))
        normalized = F.rms_norm(wide, wide.shape[-1:], eps=self.eps).flatten(2)
        return self.weight * normalized.to(self.weight.dtype)


class Mamba2Mixer(DualWalk):
    """A Mamba-2 mixer, with the parameter names and shapes of ``Mamba2`` in mamba-ssm, whose weights it loads.

    Source: Dao and Gu, "Transformers are SSMs", 2024 (https://arxiv.org/abs/2405.21060), section 7.

    When bidirectional, both directions share x, the gate, the norm and ``out_proj``, and are averaged before the gate.
    The second one has its own convolution, B, C, step sizes and decays, in ``reverse``. Vision Mamba (Zhu et al., 2024,
    https://arxiv.org/abs/2401.09417) does the same for Mamba; Hydra (Hwang et al., 2024,
    https://arxiv.org/abs/2407.09941) does so for Mamba-2, except that it has a single convolution that sees both sides.

    Args:
        dim: width of the embedding.
        state: size of the state of a channel.
        head_dim: number of channels of a head; a divisor of the channels.
        groups: number of groups of heads that share B and C; a divisor of the heads.
        conv_width: number of slots a convolution sees, including the current one.
        expand: number of channels, times ``dim``.
        chunk: number of slots in a chunk of the scan.
        bidirectional: also walk from the last slot to the first.
    """

    def __init__(
        self,
        dim: int,
        state: int = 128,
        head_dim: int = 64,
        groups: int = 1,
        conv_width: int = 4,
        expand: int = 2,
        chunk: int = 64,
        bidirectional: bool = False,
    ) -> None:
        inner = expand * dim
        shape = (inner, inner // head_dim, groups, state, conv_width, chunk)
        super().__init__(*shape)
        self.inner = inner
        self.in_proj = nn.Linear(dim, inner + sum(self.sizes) + self.heads, bias=False)
        self.norm = GroupedRMSNorm(inner, groups)
        self.reverse = ReverseDualWalk(dim, *shape) if bidirectional else None
        self.out_proj = nn.Linear(inner, dim, bias=False)

    def forward(
        self, tokens: Float[Tensor, "batch slot dim"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch slot dim"]:
        """Mix.

        Args:
            tokens: the tokens, with all padding after the valid slots, so that a walk reaches it last.
            lengths: valid slots of each image, where the reverse walk starts; None if all are valid.
        """
        z, projected = self.in_proj(tokens).tensor_split([self.inner], dim=-1)
        mixed = self.walk(projected)
        if self.reverse is not None:
            own = torch.cat([projected[..., : self.inner], self.reverse.in_proj(tokens)], dim=-1)
            mixed = (mixed + turn_round(self.reverse.walk(turn_round(own, lengths)), lengths)) / 2
        wide = self.norm.weight.dtype
        out: Tensor = self.out_proj(self.norm(mixed.to(wide) * F.silu(z.to(wide))))
        return out
