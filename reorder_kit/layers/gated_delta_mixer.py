"""The mixer of Gated DeltaNet: a convolution, the gated delta rule, a gated norm."""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from reorder_kit.layers.step_sizes import starting_steps
from reorder_kit.layers.turn_round import turn_round
from reorder_kit.ops.gated_delta_rule import gated_delta_rule


class DeltaWalk(nn.Module):
    """Convolution and gated delta rule along the sequence, in one direction.

    Weights start as in Mamba-2, except A, which is uniform from -16 to 0 as in flash-linear-attention.

    Args:
        dim: width of the embedding.
        heads: number of heads of queries and keys.
        value_heads: number of heads of values, a multiple of ``heads``; neighbors share a query and a key.
        head_dim: width of a query and a key.
        value_dim: width of a value.
        conv_width: number of slots a convolution sees, including the current one.
        chunk: number of slots in a chunk of the rule.
    """

    def __init__(
        self, dim: int, heads: int, value_heads: int, head_dim: int, value_dim: int, conv_width: int, chunk: int
    ) -> None:
        super().__init__()
        self.heads, self.share, self.chunk = heads, value_heads // heads, chunk
        self.sizes = [heads * head_dim, heads * head_dim, value_heads * value_dim]
        convolved = sum(self.sizes)
        self.conv1d = nn.Conv1d(convolved, convolved, conv_width, groups=convolved, padding=conv_width - 1, bias=False)
        self.in_proj_ba = nn.Linear(dim, 2 * value_heads, bias=False)
        self.dt_bias = nn.Parameter(starting_steps(value_heads))
        # Kept away from 0, whose logarithm is infinite.
        self.A_log = nn.Parameter(torch.empty(value_heads).uniform_(0.01, 16).log())

    def walk(
        self, qkv: Float[Tensor, "batch slot channels"], ba: Float[Tensor, "batch slot gates"]
    ) -> Float[Tensor, "batch slot head value"]:
        """Walk from the first slot to the last.

        Args:
            qkv: queries, keys and values, which are convolved.
            ba: for each key head, what its value heads replace, and then what they forget.
        """
        convolved = F.silu(self.conv1d(qkv.transpose(1, 2))[..., : qkv.shape[1]]).transpose(1, 2)
        wide = torch.promote_types(convolved.dtype, torch.float32)
        q, k, v = torch.split(convolved, self.sizes, dim=-1)
        q, k = (_unit(torch.unflatten(vectors.to(wide), -1, (self.heads, -1))) for vectors in (q, k))
        b, a = (gate.to(wide).flatten(2) for gate in torch.unflatten(ba, -1, (self.heads, -1)).chunk(2, dim=-1))
        g = -self.A_log.to(wide).exp() * F.softplus(a + self.dt_bias.to(wide))
        v = torch.unflatten(v, -1, (self.heads * self.share, -1))
        return gated_delta_rule(q * q.shape[-1] ** -0.5, k, v, g, b.sigmoid(), chunk_size=self.chunk)


def _unit(vectors: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch width"]:
    """Scale vectors to length 1; those near zero stay shorter."""
    return vectors * (vectors.square().sum(dim=-1, keepdim=True) + 1e-6).rsqrt()


class GatedDeltaMixer(DeltaWalk):
    """A Gated DeltaNet mixer, with the names and shapes of Qwen3-Next's in transformers, whose weights it loads.

    Source: Yang et al., "Gated Delta Networks", 2024 (https://arxiv.org/abs/2412.06464), section 3.4.

    When bidirectional, both directions share queries, keys, values, the gate, the norm and ``out_proj``, and are
    averaged before the norm. The second one has its own convolution, as in Vision Mamba (Zhu et al., 2024,
    https://arxiv.org/abs/2401.09417), and its own gates, as in ViG (Liao et al., 2024,
    https://arxiv.org/abs/2405.18425), in ``reverse``.

    Args:
        dim: width of the embedding.
        heads: number of heads of queries and keys.
        value_heads: number of heads of values, a multiple of ``heads``; neighbors share a query and a key.
        head_dim: width of a query and a key.
        value_dim: width of a value.
        conv_width: number of slots a convolution sees, including the current one.
        chunk: number of slots in a chunk of the rule.
        bidirectional: also walk from the last slot to the first.
    """

    def __init__(
        self,
        dim: int,
        heads: int,
        value_heads: int,
        head_dim: int,
        value_dim: int,
        conv_width: int = 4,
        chunk: int = 64,
        bidirectional: bool = False,
    ) -> None:
        shape = (dim, heads, value_heads, head_dim, value_dim, conv_width, chunk)
        super().__init__(*shape)
        self.in_proj_qkvz = nn.Linear(dim, sum(self.sizes) + value_heads * value_dim, bias=False)
        self.norm = nn.RMSNorm(value_dim, eps=1e-6)
        self.reverse = DeltaWalk(*shape) if bidirectional else None
        self.out_proj = nn.Linear(value_heads * value_dim, dim, bias=False)

    def forward(
        self, tokens: Float[Tensor, "batch slot dim"], lengths: Int[Tensor, " batch"] | None = None
    ) -> Float[Tensor, "batch slot dim"]:
        """Mix.

        Args:
            tokens: the tokens, with all padding after the valid slots, so that a walk reaches it last.
            lengths: valid slots of each image, where the reverse walk starts; None if all are valid.
        """
        by_head = self.in_proj_qkvz(tokens).unflatten(-1, (self.heads, -1))
        key, value = self.sizes[0] // self.heads, self.sizes[2] // self.heads
        *parts, z = (part.flatten(2) for part in by_head.split([key, key, value, value], dim=-1))
        qkv = torch.cat(parts, dim=-1)
        mixed = self.walk(qkv, self.in_proj_ba(tokens))
        if self.reverse is not None:
            back = self.reverse.walk(turn_round(qkv, lengths), turn_round(self.reverse.in_proj_ba(tokens), lengths))
            mixed = (mixed + turn_round(back.flatten(2), lengths).view_as(mixed)) / 2
        wide = self.norm.weight.dtype
        gated = self.norm(mixed.to(wide)).flatten(2) * F.silu(z.to(wide))
        out: Tensor = self.out_proj(gated)
        return out
