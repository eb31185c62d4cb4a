"""What every tokenizer that comes with reorder-kit promises."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape, Tokenizer
from reorder_kit.layers.vq_vae import VqConfig, VqVae
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

TOKENIZERS = PluginHost(third_party=False).tokenizers
SHAPES = [(ImageShape(1, 4, 6), Grid(2, 3)), (ImageShape(3, 8, 8), Grid(2, 4)), (ImageShape(2, 5, 1), Grid(1, 1))]
CASES = [pytest.param(name, *shape, id=f"{name}-{shape[0]}-{shape[1]}") for name in TOKENIZERS for shape in SHAPES]


@pytest.fixture
def build(tmp_path):
    """A tokenizer with options that fit."""

    def build(name, image, grid):
        options = {}
        if name == "vq-vae":
            options["file"] = tmp_path / "vq.safetensors"
            tile = image.height // grid.height, image.width // grid.width
            with torch.random.fork_rng():
                torch.manual_seed(0)
                model = VqVae(VqConfig(channels=image.channels, height=tile[0], width=tile[1], codes=9, hidden=4))
                vectors = model.encode(torch.randn(50, image.channels, *tile)).detach()
            model.codebook.start(vectors, torch.Generator().manual_seed(0))
            model.save(options["file"])
        tokenizer = TOKENIZERS.get(name)
        return tokenizer(tokenizer.Options(**options), image, grid)

    return build


def patches_of(image, grid, count=6):
    pixels = image.channels * image.height * image.width // grid.num_patches
    return torch.randn(count, grid.num_patches, pixels, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize(("name", "image", "grid"), CASES)
def test_every_patch_has_as_many_tokens_and_all_are_in_the_vocabulary(build, name, image, grid):
    tokenizer = build(name, image, grid)
    tokens = tokenizer.tokens(patches_of(image, grid))
    assert tokens.dtype == torch.int64
    assert tokens.shape[:2] == (6, grid.num_patches)
    assert tokens.shape[2] >= 1
    assert tokenizer.vocabulary >= 2
    assert 0 <= tokens.min() <= tokens.max() < tokenizer.vocabulary
    assert len(tokens.unique()) > 1


@pytest.mark.parametrize(("name", "image", "grid"), CASES)
def test_an_image_has_the_same_tokens_whatever_is_beside_it(build, name, image, grid):
    tokenizer, patches = build(name, image, grid), patches_of(image, grid)
    tokens = tokenizer.tokens(patches)
    assert torch.equal(torch.cat([tokenizer.tokens(one) for one in patches.split(1)]), tokens)
    assert torch.equal(tokenizer.tokens(patches.flip(0)), tokens.flip(0))


@pytest.mark.parametrize(("name", "image", "grid"), CASES)
def test_a_patch_takes_its_tokens_along(build, name, image, grid):
    tokenizer, patches = build(name, image, grid), patches_of(image, grid)
    order = Order(torch.randperm(grid.num_patches, generator=torch.Generator().manual_seed(2)))
    assert torch.equal(tokenizer.tokens(order.apply(patches)), order.apply(tokenizer.tokens(patches)))


def test_images_are_put_together_from_their_patches():
    grid, image = Grid(2, 3), ImageShape(2, 4, 9)
    pixels = torch.arange(2 * 2 * 4 * 9.0).view(2, 2, 4, 9)
    tiles = [pixels[:, :, 2 * row : 2 * row + 2, 3 * column : 3 * column + 3] for row in (0, 1) for column in (0, 1, 2)]
    patches = torch.stack([tile.flatten(1) for tile in tiles], dim=1)
    tokenizer = SimpleNamespace(grid=grid, image=image)
    assert torch.equal(Tokenizer.images(tokenizer, patches), pixels)
    pixel_tokenizer = TOKENIZERS.get("pixels")
    assert pixel_tokenizer(pixel_tokenizer.Options(), image, grid).tile == (2, 2, 3)
