"""Predictions for notebooks: a table with small images."""

from __future__ import annotations

import base64
import html
from collections.abc import Sequence
from io import BytesIO
from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from reorder_kit.figures.class_colours import COLOURS
from reorder_kit.interfaces import IGNORED, Annotation

MOST_ROWS = 12
"""The number of images that are shown; the others are counted."""
_SIDE = 96
_MASK_OPACITY = 0.5


class PredictionRow(NamedTuple):
    """One image.

    Args:
        name: the name of the image.
        words: the prediction in words.
        preview: a small version of the image; None if none was kept.
        annotation: boxes and mask in pixels of the preview.
    """

    name: str
    words: str
    preview: UInt8[Tensor, "channel rows columns"] | None
    annotation: Annotation | None


def prediction_table(heading: str, rows: Sequence[PredictionRow], missing: Sequence[str]) -> str:
    """HTML of a few kilobytes for each image.

    Args:
        heading: the heading.
        rows: the images.
        missing: images that could not be read, with the reason.
    """
    lines = [f"<tr><td>{_picture(row)}</td><td>{_text(row.name)}</td><td>{_text(row.words)}</td></tr>" for row in rows]
    further = len(lines) - MOST_ROWS
    told = [f"and {further} more"] if further > 0 else []
    told += [f"could not be read: {each}" for each in missing]
    notes = "".join(f"<p>{_text(each)}</p>" for each in told)
    header = "<tr><th></th><th>image</th><th>prediction</th></tr>"
    return f"<div><p>{_text(heading)}</p><table>{header}{''.join(lines[:MOST_ROWS])}</table>{notes}</div>"


def _text(text: str) -> str:
    return html.escape(text)


def _picture(row: PredictionRow) -> str:
    if row.preview is None or row.annotation is None:
        return ""
    height, width = row.preview.shape[-2:]
    scale = _SIDE / max(height, width)
    rows, columns = max(1, round(height * scale)), max(1, round(width * scale))
    boxes = "".join(
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{bottom - top:.1f}" fill="none" '
        f'stroke="{COLOURS[0]}" stroke-width="2" vector-effect="non-scaling-stroke"/>'
        for left, top, right, bottom in row.annotation.boxes.tolist()
    )
    href = _encoded(row, rows, columns)
    image = f'<image width="{width}" height="{height}" preserveAspectRatio="none" href="{href}"/>'
    return f'<svg width="{columns}" height="{rows}" viewBox="0 0 {width} {height}">{image}{boxes}</svg>'


def _encoded(row: PredictionRow, rows: int, columns: int) -> str:
    """The preview, overlaid with its mask, as a data URL."""
    assert row.preview is not None
    assert row.annotation is not None
    channels = row.preview.expand(3, -1, -1) if row.preview.shape[0] == 1 else row.preview
    picture = Image.fromarray(channels.permute(1, 2, 0).contiguous().numpy()).resize((columns, rows))
    if row.annotation.mask is not None:
        mask = F.interpolate(row.annotation.mask[None, None].float(), (rows, columns), mode="nearest-exact")[0, 0]
        for number in sorted(set(mask.int().flatten().tolist()) - {0, IGNORED}):
            there = Image.fromarray(((mask == number).numpy() * int(255 * _MASK_OPACITY)).astype("uint8"))
            picture.paste(Image.new("RGB", picture.size, COLOURS[number % len(COLOURS)]), mask=there)
    picture.save(content := BytesIO(), "JPEG", quality=80)
    return f"data:image/jpeg;base64,{base64.b64encode(content.getvalue()).decode()}"
