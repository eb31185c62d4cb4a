"""Very long and thin images, of which little is left in a square."""

from __future__ import annotations

import pytest
import torch
import torchvision.transforms.v2.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from reorder_kit.data.fit import Fit

# Saved, since a test replaces it.
_resize = F.resize


def whole(image: torch.Tensor, side: int) -> torch.Tensor:
    """The same with all of the strip enlarged first."""
    height, width = image.shape[-2:]
    scale = max(side / height, side / width)
    size = [max(side, round(height * scale)), max(side, round(width * scale))]
    return F.center_crop(_resize(image, size, antialias=True), [side, side])


@pytest.mark.parametrize("shape", [(1, 20_000), (20_000, 1), (2, 1_000_001), (50_000, 3)])
def test_a_strip_is_not_enlarged_as_a_whole(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []

    def resize(image: torch.Tensor, size: list[int], antialias: bool) -> torch.Tensor:
        sizes.append(size[0] * size[1])
        return _resize(image, size, antialias=antialias)

    monkeypatch.setattr(F, "resize", resize)
    image = torch.zeros((3, *shape), dtype=torch.uint8)
    assert Fit(224)(image).shape == (3, 224, 224)
    assert max(sizes) <= 20 * 224 * 224 * 2


@settings(max_examples=40, deadline=None)
@given(st.sampled_from([1, 2, 4]), st.integers(100, 400), st.booleans(), st.integers(0, 2**31))
def test_what_is_left_is_the_middle_of_it(short: int, long: int, is_tall: bool, seed: int) -> None:
    shape = (long, short) if is_tall else (short, long)
    image = torch.randint(0, 256, (1, *shape), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))
    difference = (Fit(8)(image).int() - whole(image, 8).int()).abs()
    assert difference.max() <= 1


def test_a_panorama_is_enlarged_as_before() -> None:
    image = torch.randint(0, 256, (3, 10, 150), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(Fit(32)(image), whole(image, 32))
