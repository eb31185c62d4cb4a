"""Every tokenizer keeps the contract; additional guarantees of the package's own."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from reorder_kit.interfaces import Grid, ImageShape, Order, Tokenizer
from reorder_kit.layers.vq_vae import VqConfig, VqVae
from reorder_kit.testing import TOKENIZER_RULES, host_with, tokenizer_case
from reorder_kit.testing.tokenizer import SHAPES

TOKENIZERS = host_with().tokenizers
SHAPES = [*SHAPES, (ImageShape(1, 4, 6, frames=2), Grid(2, 3, frames=2))]
every_case = pytest.mark.parametrize(
    ("name", "image", "grid"),
    [pytest.param(name, *shape, id=f"{name}-{shape[0]}-{shape[1]}") for name in TOKENIZERS for shape in SHAPES],
)


@pytest.fixture
def case(name, image, grid, tmp_path):
    """A tokenizer with options that fit."""
    options = {}
    if name == "vq-vae":
        options["file"] = str(tmp_path / "vq.safetensors")
        tile = image.height // grid.height, image.width // grid.width
        with torch.random.fork_rng():
            torch.manual_seed(0)
            model = VqVae(VqConfig(channels=image.channels, height=tile[0], width=tile[1], codes=9, hidden=4))
            vectors = model.encode(torch.randn(50, image.channels, *tile)).detach()
        model.codebook.start(vectors, torch.Generator().manual_seed(0))
        model.save(tmp_path / "vq.safetensors")
    return tokenizer_case(TOKENIZERS.get(name), options, image, grid)


@pytest.mark.parametrize("rule", TOKENIZER_RULES, ids=str)
@every_case
def test_a_tokenizer_keeps_the_rule(case, rule):
    rule(case)


@every_case
def test_a_patch_takes_its_tokens_along(case, grid):
    order = Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(2)))
    assert torch.equal(case.tokens(order.apply(case.patches)), order.apply(case.tokens()))


def test_images_are_put_together_from_their_patches():
    grid, image = Grid(2, 3), ImageShape(2, 4, 9)
    pixels = torch.arange(2 * 2 * 4 * 9.0).view(2, 2, 4, 9)
    tiles = [pixels[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3] for row in (0, 1) for column in (0, 1, 2)]
    patches = torch.stack([tile.flatten(1) for tile in tiles], dim=1)
    tokenizer = SimpleNamespace(grid=grid, image=image)
    assert torch.equal(Tokenizer.images(tokenizer, patches), pixels)
    pixel_tokenizer = TOKENIZERS.get("pixels")
    assert pixel_tokenizer(pixel_tokenizer.Options(), image, grid).tile == (2, 2, 3)
