"""Values and gradients of two functions that should be the same."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn


def values_and_gradients(
    function: Any, inputs: dict[str, Tensor], autocast: bool = False, **named: Any
) -> dict[str, Tensor]:
    """The output, as "output", and the gradient of a random mixture of it, by input.

    Args:
        function: called with the inputs by name.
        inputs: all of them require gradients.
        autocast: call it under bfloat16 autocast; the backward pass is outside, as in training.
        named: further arguments.
    """
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        output = function(**inputs, **named)
    return {"output": output.detach(), **_gradients(output, inputs)}


def of_mixer(mixer: nn.Module, tokens: Tensor) -> dict[str, Tensor]:
    """The output of a module, as "output", and the gradients of its tokens and of every parameter."""
    output = mixer(tokens)
    return {"output": output.detach(), **_gradients(output, {**dict(mixer.named_parameters()), "tokens": tokens})}


def _gradients(output: Tensor, inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    weights = torch.randn(output.shape, generator=torch.Generator().manual_seed(3)).to(output.dtype)
    found = torch.autograd.grad(output, list(inputs.values()), weights)
    return dict(zip(inputs, found, strict=True))


def check_close(actual: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float = 1e-5) -> None:
    """Compare by name: errors must not exceed this share of the largest expected value."""
    assert actual.keys() == expected.keys()
    for name, value in expected.items():
        assert actual[name].isfinite().all(), name
        error = (actual[name].double() - value.double()).abs().max()
        assert error <= tolerance * value.double().abs().max(), f"{name}: {error}"


def kept_for_backward(function: Any, inputs: dict[str, Tensor], **named: Any) -> int:
    """The amount of numbers that a call keeps for the backward pass, each storage counted once."""
    sizes: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        sizes[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes() // tensor.element_size()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        output = function(**inputs, **named)
    return sum(sizes.values()) if output.requires_grad else 0


def shaken(module: nn.Module) -> Any:
    """The module, each of its weights moved a little, so that none is zero or one."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module
