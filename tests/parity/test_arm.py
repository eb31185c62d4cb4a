"""ARM against its definition, token by token, with the weight names of the released code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from naive_arm import read_out
from released_weights import Shapes, arm_shapes, count, drawn
from reorder_kit.backbones._arm_weights import released_name
from reorder_kit.backbones.arm import Arm
from reorder_kit.interfaces import ImageShape, Order, Proposal
from reorder_kit.ops.naive.transposed_walk import transposed_walk
from reorder_kit.orders.grid import Grid

DIM, DEPTH, PATCH, CLASSES = 16, 2, 2, 3
ROW = list(range(16))
COLUMN = [row * 4 + column for column in range(4) for row in range(4)]
SPIRAL = [0, 1, 2, 3, 7, 11, 15, 14, 13, 12, 8, 4, 5, 6, 10, 9]


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Tensor]]:
    weights = drawn(arm_shapes(DIM, DEPTH, 16, PATCH, channels=2, classes=CLASSES))
    path = tmp_path_factory.mktemp("arm") / "arm.safetensors"
    save_file(weights, path)
    return path, {name: value.double().requires_grad_(not name.startswith("head")) for name, value in weights.items()}


def ours(path: Path) -> Arm:
    options = Arm.Options(patch_size=PATCH, dim=DIM, depth=DEPTH, weights=path)
    return Arm(options, ImageShape(2, 8, 8)).double().eval()


@pytest.mark.parametrize(
    ("order", "third"),
    [
        (ROW, COLUMN),  # with CLS also in the middle of the column scan
        (SPIRAL, [patch % 4 * 4 + patch // 4 for patch in SPIRAL]),
        ([5, 0, 10, 15, 4, 1, 7], None),
    ],
    ids=["row", "spiral", "partial"],
)
def test_outputs_and_gradients_are_those_of_the_definition(
    order: list[int], third: list[int] | None, released: tuple[Path, dict[str, Tensor]]
) -> None:
    path, weights = released
    arm = ours(path)
    if third is None:
        third = [order[slot] for slot in transposed_walk(order, [True] * len(order), Grid(4, 4))]
    images = torch.randn(2, 2, 8, 8, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    expected = read_out(images, weights, (order, third), PATCH)
    found = arm.summarize(arm.encode(Proposal(Order(order, 16)).apply(arm.tokenize(images))))
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    noise = torch.randn(found.shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    trained = {name: value for name, value in weights.items() if value.requires_grad}
    wanted = dict(zip(trained, torch.autograd.grad((expected * noise).sum(), list(trained.values())), strict=True))
    (found * noise).sum().backward()
    gradients = {released_name(name): value.grad for name, value in arm.named_parameters()}
    patches, cls = (gradients.pop(name) for name in ("embedding.positions.table", "position_of_cls"))
    assert patches is not None
    assert cls is not None
    gradients["pos_embed"] = torch.cat([patches[:, :8], cls, patches[:, 8:]], dim=1)
    assert gradients.keys() == wanted.keys()
    for name, gradient in gradients.items():
        torch.testing.assert_close(gradient, wanted[name], rtol=1e-6, atol=1e-6, msg=name)


# As published, in millions: 85, 297 and 662; REOrder has 4,608 more than the base size.
@pytest.mark.parametrize(
    ("size", "dim", "depth", "parameters"),
    [("base", 768, 12, 85_031_656), ("large", 1024, 24, 297_035_720), ("huge", 1536, 24, 662_682_088)],
)
def test_the_sizes_are_those_of_the_released_definition(size: Any, dim: int, depth: int, parameters: int) -> None:
    with torch.device("meta"):
        arm = Arm(Arm.Options(size=size, patch_size=16), ImageShape(3, 224, 224))
    classifier = (dim + 1) * 1000
    shapes: Shapes = arm_shapes(dim, depth, patches=196)
    assert sum(value.numel() for value in arm.parameters()) + classifier == count(shapes) == parameters
