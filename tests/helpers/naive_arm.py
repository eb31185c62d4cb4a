"""ARM written from its definition, token by token, with the names of the released code."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from reorder_kit.ops.naive.selective_scan import selective_scan

Weights = Mapping[str, Tensor]


def read_out(images: Tensor, weights: Weights, walks: tuple[Sequence[int], Sequence[int]], patch: int) -> Tensor:
    """The mean of both halves, for each image.

    Args:
        images: to be cut into square patches.
        weights: as released.
        walks: the patch at each step of the first scan, and of the third.
        patch: side of a patch, pixels.
    """
    return torch.stack([_read_out(image, weights, walks, patch) for image in images])


def _read_out(image: Tensor, weights: Weights, walks: tuple[Sequence[int], Sequence[int]], patch: int) -> Tensor:
    along, across = walks
    total = len(weights["pos_embed"][0]) - 1
    middle = total // 2
    kernel, bias = weights["patch_embed.proj.weight"], weights["patch_embed.proj.bias"]
    tokens = []
    for index in range(total):
        row, column = divmod(index, image.shape[2] // patch)
        tile = image[:, row * patch : (row + 1) * patch, column * patch : (column + 1) * patch]
        place = index if index < middle else index + 1
        tokens.append((kernel * tile).sum(dim=(1, 2, 3)) + bias + weights["pos_embed"][0, place])
    cls = weights["cls_token"][0, 0] + weights["pos_embed"][0, middle]
    half = len(along) // 2
    first = [*along[:half], "cls", *along[half:]]
    third = [*across[:half], "cls", *across[half:]]
    named = {"cls": cls, **{index: tokens[index] for index in along}}
    for layer in range(sum(name.endswith("mixer.D") for name in weights)):
        named = _block(named, weights, f"layers.{layer}", [first, third])
    normed = {key: _norm(value, weights, "norm_f") for key, value in named.items()}
    halves = [torch.stack([normed[key] for key in part]).mean(dim=0) for part in (along[:half], along[half:]) if part]
    return torch.stack(halves).mean(dim=0)


def _block(named: Mapping, weights: Weights, layer: str, walks: list) -> dict:
    projected = {
        key: weights[f"{layer}.mixer.in_proj.weight"] @ _norm(value, weights, f"{layer}.norm1")
        for key, value in named.items()
    }
    mixed = {key: torch.zeros(()) for key in named}
    first, third = walks
    for suffix, walk in (("", first), ("_b", first[::-1]), ("_c", third), ("_c_b", third[::-1])):
        scanned = _scan([projected[key] for key in walk], weights, f"{layer}.mixer", suffix)
        mixed = {key: mixed[key] + scanned[walk.index(key)] for key in named}
    found = {}
    for key, value in named.items():
        token = value + weights[f"{layer}.mixer.out_proj.weight"] @ (mixed[key] / 4)
        normed = _norm(token, weights, f"{layer}.norm2")
        gate, hidden = (_linear(normed, weights, f"{layer}.mlp.{name}") for name in ("w1", "w2"))
        found[key] = token + _linear(gate * torch.sigmoid(gate) * hidden, weights, f"{layer}.mlp.w3")
    return found


def _scan(projected: list[Tensor], weights: Weights, mixer: str, suffix: str) -> list[Tensor]:
    halves = [value.chunk(2) for value in projected]
    kernel, bias = weights[f"{mixer}.conv1d{suffix}.weight"][:, 0], weights[f"{mixer}.conv1d{suffix}.bias"]
    width, inputs = kernel.shape[1], []
    for step in range(len(halves)):
        seen = bias
        for back in range(min(width, step + 1)):
            seen = seen + kernel[:, width - 1 - back] * halves[step - back][0]
        inputs.append(seen * torch.sigmoid(seen))
    steps = weights[f"{mixer}.dt_proj{suffix}.weight"]
    rank, state = steps.shape[1], weights[f"{mixer}.A{suffix}_log"].shape[1]
    parts = [(weights[f"{mixer}.x_proj{suffix}.weight"] @ value).split([rank, state, state]) for value in inputs]
    scanned = selective_scan(
        torch.stack(inputs, dim=1)[None],
        torch.stack([steps @ delta for delta, _, _ in parts], dim=1)[None],
        -torch.exp(weights[f"{mixer}.A{suffix}_log"]),
        torch.stack([write for _, write, _ in parts], dim=1)[None],
        torch.stack([read for _, _, read in parts], dim=1)[None],
        weights[f"{mixer}.D{suffix}"],
        torch.stack([gate for _, gate in halves], dim=1)[None],
        weights[f"{mixer}.dt_proj{suffix}.bias"],
        delta_softplus=True,
    )
    return list(scanned[0].unbind(dim=1))


def _linear(token: Tensor, weights: Weights, name: str) -> Tensor:
    return weights[f"{name}.weight"] @ token + weights[f"{name}.bias"]


def _norm(token: Tensor, weights: Weights, name: str) -> Tensor:
    scaled = (token - token.mean()) / torch.sqrt(token.var(unbiased=False) + 1e-5)
    return scaled * weights[f"{name}.weight"] + weights[f"{name}.bias"]
