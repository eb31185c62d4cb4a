"""The time and the operations that a model's encoder needs for an image."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from reorder_kit.data.data_loading import load_batch
from reorder_kit.interfaces import Batch, Encoded, SampleSet, TargetKind
from reorder_kit.interfaces.gather_images import alone
from reorder_kit.model.one_pass import evaluating
from reorder_kit.model.ordered_model import Encode, OrderedModel
from reorder_kit.runs.encoder_cost import EncoderCost

MOST_IMAGES = 64
LEAST_TIMED, MOST_TIMED, ENOUGH_SECONDS = 5, 40, 1.0
"""The fewest and the most batches to time, after one for warm-up, and the seconds after which the fewest are enough.

Other load only adds to the time of a batch, so the fastest batch is the least disturbed.
"""


def encoder_cost(
    model: OrderedModel, samples: SampleSet, kind: TargetKind, split: str, batch_size: int, accelerator: Accelerator
) -> EncoderCost | None:
    """The cost of encoding an image in the model's order, in evaluation; None if no image can be read.

    Each process measures separately.

    Args:
        model: the model, which reads in its own order.
        samples: the samples of the split, of which the first are read.
        kind: the kind of their targets.
        split: the name of the split.
        batch_size: images that are encoded at once, at most :data:`MOST_IMAGES`.
        accelerator: device and precision.
    """
    images = load_batch(samples, kind, split, range(min(batch_size, MOST_IMAGES, len(samples))))
    if not len(images):
        return None
    batch = images.to(accelerator.device)
    with alone(), evaluating(model), torch.no_grad(), accelerator.autocast():
        operations, slots = _operations(model, batch.take(torch.tensor([0], device=accelerator.device)))
        _seconds(model, batch, accelerator.device)
        seconds: list[float] = []
        while len(seconds) < LEAST_TIMED or (len(seconds) < MOST_TIMED and sum(seconds) < ENOUGH_SECONDS):
            seconds.append(_seconds(model, batch, accelerator.device))
    return EncoderCost(slots=slots, seconds=min(seconds) / len(batch), operations=operations)


def _operations(model: OrderedModel, image: Batch) -> tuple[int, int]:
    """The operations for one image, and the number of slots read.

    They are counted with plain kernels, because fused ones cannot be counted on every device, and for a single image,
    because plain attention takes much memory.
    """
    found: list[tuple[int, int]] = []

    def counting(_: Encode) -> Encode:
        def encode(*arguments: Any) -> Encoded:
            counter = FlopCounterMode(display=False)
            with _plain_kernels(), counter:
                encoded = model.backbone.encode(*arguments)
            found.append((counter.get_total_flops(), arguments[0].num_slots))
            return encoded

        return encode

    model.with_encode(counting).read(image)
    return sum(operations for operations, _ in found), found[0][1]


@contextmanager
def _plain_kernels() -> Iterator[None]:
    """Disable fused attention and recurrent layers, whose operations would not be counted."""
    # The context manager of oneDNN's flags warns if there is no Intel GPU.
    was_enabled, *_ = torch.backends.mkldnn.set_flags(_enabled=False)  # type: ignore[no-untyped-call]
    try:
        with sdpa_kernel(SDPBackend.MATH), torch.backends.cudnn.flags(enabled=False):
            yield
    finally:
        torch.backends.mkldnn.set_flags(_enabled=was_enabled)  # type: ignore[no-untyped-call]


def _seconds(model: OrderedModel, batch: Batch, device: torch.device) -> float:
    """The seconds for encoding a batch."""
    passed: list[float] = []

    def timing(inner: Encode) -> Encode:
        def encode(*arguments: Any) -> Encoded:
            _wait_for(device)
            began = time.perf_counter()
            encoded = inner(*arguments)
            _wait_for(device)
            passed.append(time.perf_counter() - began)
            return encoded

        return encode

    model.with_encode(timing).read(batch)
    return sum(passed)


def _wait_for(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()
