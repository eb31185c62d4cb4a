"""Standard Gumbel noise."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


def gumbel_noise(shape: Sequence[int], generator: torch.Generator) -> Float[Tensor, "..."]:
    """Independent draws from the standard Gumbel distribution, in float32: half precision has too few distinct values.

    They are drawn on the generator's device, so that a run draws the same noise on every device.
    """
    uniform = torch.rand(*shape, generator=generator, device=generator.device, dtype=torch.float32)
    # rand() can return 0, whose Gumbel value would be -inf: two of them would tie.
    return -torch.log(-torch.log(uniform.clamp(min=torch.finfo(uniform.dtype).tiny)))
