"""What a model says of some images, beside the truth."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from torch import Tensor

from reorder_kit.interfaces import IGNORED, Annotation
from reorder_kit.interfaces.run_events import Predictions

_DOTS_PER_INCH = 130
_SIDE, _TEXT, _TOP = 1.7, 0.5, 0.6  # inches: an image, the lines below it, the heading
_COLUMNS = 6  # of images; two to a prediction
_INK, _WRONG = "#1b1b24", "#b3261e"
# The palette of Okabe and Ito (2008), without the black; classes share colours where there are more of them.
_COLOURS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7")
_LETTERS = 26  # that fit below an image
_LINES = 3
_NAMED_SHARE = 0.01  # of an image's pixels, for a class to be named below its mask


def draw_predictions(predictions: Predictions, path: Path) -> None:
    """Write a PNG of pairs of images: the truth on the left, what the model says on the right.

    Args:
        predictions: images with both.
        path: the file.
    """
    pairs = len(predictions.images)
    columns = min(_COLUMNS, 2 * pairs)
    rows = math.ceil(2 * pairs / columns)
    width, height = columns * (_SIDE + 0.1), rows * (_SIDE + _TEXT) + _TOP
    figure = Figure(figsize=(max(width, 4), height), dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    heading = f"{predictions.run}: {predictions.split} images, truth on the left, prediction on the right"
    figure.suptitle("\n".join(textwrap.wrap(heading, int(12 * max(width, 4)))), color=_INK, fontsize=9)
    axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    figure.subplots_adjust(left=0.01, right=0.99, bottom=0.3 / height, top=1 - _TOP / height, wspace=0.06, hspace=0.3)
    for ax in axes:
        ax.set_axis_off()
    pictures = [picture for image in predictions.images for picture in (image, image)]
    shown = [side for pair in zip(predictions.truths, predictions.answers, strict=True) for side in pair]
    for number, (ax, image, annotation) in enumerate(zip(axes, pictures, shown, strict=False)):
        _draw(ax, image, annotation)
        text, truth = (_text(side, predictions.classes) for side in (annotation, predictions.truths[number // 2]))
        is_wrong = number % 2 == 1 and truth != "" and text != truth
        words = f"{text} ({annotation.note})" if annotation.note else text
        lines = textwrap.wrap(words, _LETTERS, max_lines=_LINES, placeholder=" …")
        ax.text(
            0.5, -0.03, "\n".join(lines), transform=ax.transAxes, ha="center", va="top", fontsize=6.5,
            color=_WRONG if is_wrong else _INK,
        )  # fmt: skip
    figure.savefig(path)


def _text(annotation: Annotation, classes: Sequence[str]) -> str:
    if annotation.text or annotation.mask is None:
        return annotation.text
    return _names(annotation.mask, classes)


def _names(mask: Int[Tensor, "height width"], classes: Sequence[str]) -> str:
    """The classes of a hundredth of the pixels or more, those that are ignored left out."""
    counted = mask[mask != IGNORED]
    shares = counted.bincount(minlength=len(classes)) / max(1, len(counted))
    return ", ".join(name for name, share in zip(classes, shares.tolist(), strict=True) if share >= _NAMED_SHARE)


def _draw(ax: Axes, image: Float[Tensor, "channel height width"], annotation: Annotation) -> None:
    pixels = displayable(image)
    ax.imshow(pixels.numpy(), interpolation="nearest")
    if annotation.mask is not None:
        mask = annotation.mask
        # The first class is mostly background; the image itself stands for it.
        shown = (mask % len(_COLOURS)).float().masked_fill((mask == IGNORED) | (mask == 0), float("nan"))
        colours = ListedColormap(_COLOURS)
        ax.imshow(shown.numpy(), cmap=colours, vmin=0, vmax=len(_COLOURS) - 1, alpha=0.55, interpolation="nearest")
    texts = [*annotation.box_texts, *[""] * (len(annotation.boxes) - len(annotation.box_texts))]
    for (left, top, right, bottom), text in zip(annotation.boxes.tolist(), texts, strict=True):
        # A class has its colour in every picture: the texts of a class begin with its name.
        colour = _COLOURS[sum(map(ord, text.split(" ")[0])) % len(_COLOURS)]
        # A pixel's centre is at whole numbers in the picture, and its edges half a pixel beside.
        ax.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.2)
        )
        ax.text(left, top, text, fontsize=4.5, color="black", va="bottom", clip_on=True,
                bbox={"facecolor": colour, "edgecolor": "none", "pad": 0.6})  # fmt: skip
    ax.set_xlim(-0.5, pixels.shape[1] - 0.5)
    ax.set_ylim(pixels.shape[0] - 0.5, -0.5)


def displayable(image: Float[Tensor, "channel height width"]) -> Float[Tensor, "height width 3"]:
    """Stretched from 0 to 1, since what the model sees was normalised; the first three channels, or grey."""
    channels = image[:3] if image.shape[0] >= 3 else image[:1].expand(3, -1, -1)
    low, high = channels.min(), channels.max()
    return ((channels - low) / (high - low).clamp(min=1e-6)).permute(1, 2, 0).float()
