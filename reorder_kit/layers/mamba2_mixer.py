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
        inner: channels.
        heads: with a step size and a rate of decay each; they divide the channels.
        groups: of heads that share B and C; they divide the heads.
        state: size of the state of a channel.
        conv_width: slots a convolution sees, the current one included.
        chunk: slots of a chunk of the scan.
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
            projected: x, B and C, which are convolved, and the step sizes.
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
    """A second direction, with B, C and step sizes of its own; x comes from the first one.

    Args:
        dim: width of the embedding.
        inner: channels; this and the rest as in :class:`DualWalk`.
        heads: of the channels.
        groups: of heads.
        state: size of the state of a channel.
        conv_width: slots a convolution sees.
        chunk: slots of a chunk of the scan.
    """

    def __init__(self, dim: int, inner: int, heads: int, groups: int, state: int, conv_width: int, chunk: int) -> None:
        super().__init__(inner, heads, groups, state, conv_width, chunk)
        self.in_proj = nn.Linear(dim, 2 * groups * state + heads, bias=False)


class GroupedRMSNorm(nn.Module):
    """Root mean square norm over the channels of each group; computed in float32 at least.

    Args:
        channels: of all groups.
        groups: they divide the channels.
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
    The second one has a convolution, B, C, step sizes and decays of its own, in ``reverse``. So it is in Vision Mamba
    (Zhu et al., 2024, https://arxiv.org/abs/2401.09417) for Mamba; Hydra (Hwang et al., 2024,
    https://arxiv.org/abs/2407.09941) shares and separates the same of Mamba-2, but for the convolution, which is one
    that looks both ways there.

    Args:
        dim: width of the embedding.
        state: size of the state of a channel.
        head_dim: channels of a head; it divides the channels.
        groups: of heads that share B and C; they divide the heads.
        conv_width: slots a convolution sees, the current one included.
        expand: channels, times dim.
        chunk: slots of a chunk of the scan.
        bidirectional: walk from the last slot to the first, too.
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
            tokens: with all padding behind the valid slots, where a walk comes to it last.
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
