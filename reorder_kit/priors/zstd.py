"""Zstandard: how much smaller another general compressor makes the sequence."""

from __future__ import annotations

import zstandard

from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Prior
from reorder_kit.priors._streams import StreamPrior

LEVEL = 15


class Zstd(StreamPrior):
    """How much smaller Zstandard makes the patch sequence of an image, in percent; the mean over images.

    The numbers and the saving are those of ``lzma``. Every image is compressed separately, at level 15 with the
    parameters for its size, without magic number, size or checksum; the five bytes of an empty frame are not counted.
    Zstandard codes single tokens and matches by their frequencies in the image, not by what precedes them, so an order
    helps only by making stretches of tokens recur: a check on ``lzma``, whose probabilities also depend on the previous
    byte.

    Source: RFC 8878, https://www.rfc-editor.org/rfc/rfc8878
    """

    name = "zstd"

    @staticmethod
    def compressed_bytes(data: bytes) -> int:
        """The size of the frame, minus that of an empty one."""
        return _frame_bytes(data) - _EMPTY


def _frame_bytes(data: bytes) -> int:
    parameters = zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        source_size=len(data),
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=False,
        write_dict_id=False,
    )
    # A compressor for each image: it must not be shared between threads, and making one takes microseconds.
    return len(zstandard.ZstdCompressor(compression_params=parameters).compress(data))


_EMPTY = _frame_bytes(b"")


@hookimpl
def register_priors() -> list[type[Prior]]:
    return [Zstd]
