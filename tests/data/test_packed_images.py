"""Decoded images as bytes: identical after unpacking, and damaged bytes never become images."""

from __future__ import annotations

import pickle

import pytest
import torch

from reorder_kit.data.annotated import RawSample
from reorder_kit.data.packed_images import pack, unpack
from reorder_kit.interfaces import BoxTarget, Finding


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24, dtype=torch.uint8).reshape(2, 4, 3).permute(2, 0, 1),
        torch.arange(24, dtype=torch.float32).reshape(3, 2, 4),
        torch.arange(24)[::2].reshape(3, 4),
        torch.zeros(0, 4),
        torch.zeros(0, dtype=torch.bool),
        torch.tensor(7),
        torch.arange(3, dtype=torch.uint8)[None].expand(2, 3),
    ],
    ids=["channels last", "channels first", "with gaps", "no rows", "empty", "a number", "repeated"],
)
def test_tensors_come_back_with_their_layout(tensor: torch.Tensor) -> None:
    (copy,) = unpack(pack((tensor,)))
    assert copy.dtype == tensor.dtype
    assert torch.equal(copy, tensor)
    if tensor.numel() and tensor.stride() in ((1, 12, 3), (8, 4, 1)):
        assert copy.stride() == tensor.stride()


def test_a_sample_with_boxes_and_findings_comes_back() -> None:
    target = BoxTarget(torch.rand(2, 4), torch.tensor([3, 1]), torch.tensor([True, False]))
    finding = Finding("images are turned upright according to their EXIF orientation", 1, "a.jpg")
    image, copied, rest = unpack(pack((RawSample(torch.ones(3, 2, 2, dtype=torch.uint8), target), target, finding)))
    assert isinstance(image, RawSample)
    for one, other in ((image.target.boxes, target.boxes), (copied.classes, target.classes)):
        assert torch.equal(one, other)
    assert rest == finding


def test_every_damaged_byte_is_noticed() -> None:
    packed = pack((torch.arange(40, dtype=torch.uint8), "a"))
    for place in range(12, len(packed)):  # behind the length and the checksum
        broken = bytearray(packed)
        broken[place] ^= 1
        if 12 <= place < 16:  # nothing lies between head and tensors but what aligns them
            continue
        with pytest.raises(ValueError, match="damaged"):
            unpack(broken)
    with pytest.raises(ValueError, match="missing"):
        unpack(b"")


class Harmful:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("harmful",)


def test_functions_are_never_called(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(pickle.UnpicklingError, match="print"):
        unpack(pack(Harmful()))
    assert capsys.readouterr().out == ""
