"""LZMA: how much smaller a general compressor makes the sequence."""

from __future__ import annotations

import lzma

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Prior
from reorder_kit.priors._streams import StreamPrior

PRESET = 6


class Lzma(StreamPrior):
    """How much smaller LZMA makes the patch sequence of an image, in percent; the mean over images.

    A tokenizer gives each patch tokens: one for each pixel, if none is named. Those of the patch in the first slot are
    written first, then those of the patch in the second slot, and so on. With ``tokens: bigram`` each token is written
    together with the one in the same place of the patch in the next slot, as one number, and the last slot has none. A
    number takes one byte, or two or four (little-endian) if there are more than 256 or 65,536.

    Every image is compressed separately, as a raw LZMA stream of preset 6 whose dictionary holds all of it; the size of
    an empty stream is not counted. The saving is relative to the same numbers at ``log2(vocabulary)`` bits each, so
    noise saves nothing and costs a little; so do sequences of a few dozen tokens, which end before the compressor has
    learned anything: then only the ranking is meaningful. Padding also counts.

    The idea, with a VQ-VAE's codes as tokens, comes from REOrder (Kutscher et al., 2025,
    https://arxiv.org/abs/2505.23751); the compressor is documented at https://docs.python.org/3/library/lzma.html
    """

    name = "lzma"

    @staticmethod
    def compressed_bytes(data: bytes) -> int:
        """The size of the raw stream, minus that of an empty one."""
        return _stream_bytes(data) - _EMPTY


def _stream_bytes(data: bytes) -> int:
    # A dictionary longer than the data only adds the time it takes to clear it.
    dictionary = max(4096, 1 << (len(data) - 1).bit_length())
    filters = [{"id": lzma.FILTER_LZMA1, "preset": PRESET, "dict_size": dictionary}]
    return len(lzma.compress(data, format=lzma.FORMAT_RAW, filters=filters))


_EMPTY = _stream_bytes(b"")


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [Lzma]
