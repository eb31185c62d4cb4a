"""A model's predictions for some images, next to the truth."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int, Shaped
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Text
from numpy.typing import NDArray
from torch import Tensor

from reorder_kit.figures.class_colours import COLOURS, colours_of
from reorder_kit.figures.write_figure import write_figure
from reorder_kit.interfaces import IGNORED, Annotation
from reorder_kit.interfaces.run_events import Predictions

_DOTS_PER_INCH = 130
_SIDE, _TEXT, _TOP = 1.7, 0.5, 0.6  # inches: an image, the lines below it, the heading
_COLUMNS = 6  # of images; two to a prediction
_FEW_BOXES = 8  # per image; more are drawn on larger images with thinner lines, and a color legend below
_MOST_BOXES = 100  # drawn per prediction, those with the highest scores
_LARGE_SIDE, _LARGE_COLUMNS = 3.4, 4
_INK, _WRONG = "#1b1b24", "#b3261e"
_LEGEND_ROW, _LEGEND_ENTRY, _LEGEND_LETTERS = 0.17, 1.3, 16  # inches: height and width of an entry; letters of a name
_LETTERS = 26  # per line below an image
_LINES = 3
_MASK_ALPHA = 0.55
_PAD = 0.6  # points, around the text of a box
_NAMED_SHARE = 0.01  # of an image's pixels, for a class to be named below its mask


class Shown(NamedTuple):
    """An image with its annotation.

    Args:
        image: as the model sees it, or 8-bit pixels.
        annotation: what is drawn on it.
        most: the maximal number of boxes to draw, highest scores first; None for all.
        is_wrong: whether its text is highlighted, because it is not the truth.
    """

    image: Shaped[Tensor, "channel height width"]
    annotation: Annotation
    most: int | None = None
    is_wrong: bool = False


def draw_predictions(predictions: Predictions, path: Path) -> None:
    """Write a PNG of pairs of images: the truth on the left, the prediction on the right.

    Args:
        predictions: images with both.
        path: the file.
    """
    shown = []
    for image, truth, answer in zip(predictions.images, predictions.truths, predictions.answers, strict=True):
        true_text = _text(truth, predictions.classes)
        is_wrong = true_text not in ("", _text(answer, predictions.classes))
        shown += [Shown(image, truth), Shown(image, answer, _MOST_BOXES, is_wrong)]
    heading = f"{predictions.run}: {predictions.split} images, truth on the left, prediction on the right"
    _draw_all(shown, predictions.classes, heading, path)


def draw_answers(
    images: Sequence[Shaped[Tensor, "channel height width"]],
    answers: Sequence[Annotation],
    classes: Sequence[str],
    heading: str,
    path: Path,
) -> None:
    """Write a picture of images with the prediction for each.

    Args:
        images: 8-bit pixels; their sizes may differ.
        answers: what is drawn on each.
        classes: names of the classes.
        heading: the heading.
        path: the file.
    """
    shown = [Shown(image, answer, _MOST_BOXES) for image, answer in zip(images, answers, strict=True)]
    _draw_all(shown, classes, heading, path)


def _draw_all(shown: Sequence[Shown], classes: Sequence[str], heading: str, path: Path) -> None:
    is_crowded = any(len(each.annotation.boxes) > _FEW_BOXES for each in shown)
    image_side = _LARGE_SIDE if is_crowded else _SIDE
    columns = min(_LARGE_COLUMNS if is_crowded else _COLUMNS, len(shown))
    rows = math.ceil(len(shown) / columns)
    named = [_classes_of_boxes(each.annotation, classes) if is_crowded else [] for each in shown]
    visible = [number for each in shown for number in _visible(each.annotation.mask)]
    colours = colours_of([*visible, *(number for numbers in named for number in numbers if number is not None)])
    width = max(columns * (image_side + 0.1), 4)
    entries = max(1, int(width / _LEGEND_ENTRY))  # in a row
    legend = math.ceil(len(colours) / entries) * _LEGEND_ROW
    height = rows * (image_side + _TEXT) + _TOP + legend
    figure = Figure(figsize=(width, height), dpi=_DOTS_PER_INCH, facecolor="white")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(textwrap.wrap(heading, int(12 * width))), color=_INK, fontsize=9, parse_math=False)
    axes = figure.subplots(rows, columns, squeeze=False).flatten().tolist()
    bottom, top = (0.3 + legend) / height, 1 - _TOP / height
    figure.subplots_adjust(left=0.01, right=0.99, bottom=bottom, top=top, wspace=0.06, hspace=_TEXT / image_side)
    for ax in axes:
        ax.set_axis_off()
    _explain(figure, colours, classes, entries)
    for ax, each, numbers in zip(axes, shown, named, strict=False):
        _draw(ax, each.image, each.annotation, colours)
        if is_crowded:
            _draw_many_boxes(ax, each.annotation, numbers, colours, each.most)
        else:
            _draw_boxes(ax, each.annotation)
        words = _words(each, classes, is_crowded)
        lines = textwrap.wrap(words, int(_LETTERS * image_side / _SIDE), max_lines=_LINES, placeholder=" …")
        ax.text(
            0.5, -0.03, "\n".join(lines), transform=ax.transAxes, ha="center", va="top", fontsize=6.5,
            color=_WRONG if each.is_wrong else _INK, parse_math=False,
        )  # fmt: skip
    write_figure(figure, path, _DOTS_PER_INCH)


def _words(shown: Shown, classes: Sequence[str], is_crowded: bool) -> str:
    """The text below an image."""
    text, note = _text(shown.annotation, classes), shown.annotation.note
    words = f"{text} ({note})" if note else text
    return words or (_count(shown.annotation, shown.most) if is_crowded else "")


def _text(annotation: Annotation, classes: Sequence[str]) -> str:
    if annotation.text or annotation.mask is None:
        return annotation.text
    return _names(annotation.mask, classes)


def _names(mask: Int[Tensor, "height width"], classes: Sequence[str]) -> str:
    """The classes of at least a hundredth of the pixels, not counting ignored pixels."""
    counted = mask[mask != IGNORED]
    shares = counted.bincount(minlength=len(classes)) / max(1, len(counted))
    return ", ".join(name for name, share in zip(classes, shares.tolist(), strict=True) if share >= _NAMED_SHARE)


def _visible(mask: Int[Tensor, "height width"] | None) -> set[int]:
    """Classes with a color; the first is mostly background, so the image itself is shown there."""
    return set() if mask is None else set(np.unique(mask.numpy()).tolist()) - {0, IGNORED}


def _explain(figure: Figure, colours: Mapping[int, str], classes: Sequence[str], entries: int) -> None:
    """A legend of the mask colors below the images, with this many entries per row."""
    if not colours:
        return
    patches = [Patch(color=colour, alpha=_MASK_ALPHA) for colour in colours.values()]
    whole = [classes[number] for number in colours]
    names = [name if len(name) <= _LEGEND_LETTERS else f"{name[: _LEGEND_LETTERS - 1]}…" for name in whole]
    legend = figure.legend(
        patches, names, loc="lower center", ncols=min(entries, len(names)), fontsize=6.5, frameon=False,
        borderaxespad=0.2, borderpad=0, labelspacing=0.4, handlelength=1.2, columnspacing=1.5, labelcolor=_INK,
    )  # fmt: skip
    for text in legend.get_texts():
        text.set_parse_math(False)


def _draw(
    ax: Axes, image: Shaped[Tensor, "channel height width"], annotation: Annotation, colours: Mapping[int, str]
) -> None:
    pixels = displayable(image)
    ax.imshow(pixels.numpy(), interpolation="nearest")
    if annotation.mask is not None:
        ax.imshow(_coloured(annotation.mask, colours), interpolation="nearest")
    ax.set_xlim(-0.5, pixels.shape[1] - 0.5)
    ax.set_ylim(pixels.shape[0] - 0.5, -0.5)
    ax.apply_aspect()  # otherwise its size is wrong until it is drawn


def _classes_of_boxes(annotation: Annotation, classes: Sequence[str]) -> list[int | None]:
    """The number of the class whose name begins the text of each box; None if there is no such class."""
    longest_first = sorted(range(len(classes)), key=lambda number: -len(classes[number]))
    texts = [*annotation.box_texts, *[""] * (len(annotation.boxes) - len(annotation.box_texts))]
    return [next((number for number in longest_first if text.startswith(classes[number])), None) for text in texts]


def _draw_many_boxes(
    ax: Axes, annotation: Annotation, numbers: Sequence[int | None], colours: Mapping[int, str], most: int | None
) -> None:
    """Draw thin lines in class colors, with the first boxes, which have the highest scores, on top."""
    boxes = list(zip(annotation.boxes.tolist(), numbers, strict=True))[:most]
    for (left, top, right, bottom), number in reversed(boxes):
        colour = _INK if number is None else colours[number]
        ax.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=0.9)
        )


def _count(annotation: Annotation, most: int | None) -> str:
    """The number of boxes, and how many of them are drawn."""
    count = len(annotation.boxes)
    words = "1 box" if count == 1 else f"{count} boxes"
    return words if most is None or count <= most else f"the top {most} of {words}"


def _draw_boxes(ax: Axes, annotation: Annotation) -> None:
    """Draw each box with its text."""
    texts = [*annotation.box_texts, *[""] * (len(annotation.boxes) - len(annotation.box_texts))]
    for (left, top, right, bottom), text in zip(annotation.boxes.tolist(), texts, strict=True):
        # A class has the same color in every picture: the texts of a class begin with its name.
        colour = COLOURS[sum(map(ord, text.split(" ")[0])) % len(COLOURS)]
        # Pixel centers are at whole numbers in the picture, and pixel edges half a pixel away.
        ax.add_patch(
            Rectangle((left - 0.5, top - 0.5), right - left, bottom - top, fill=False, edgecolor=colour, linewidth=1.2)
        )
        label = ax.text(left, top, text, fontsize=4.5, color=_readable_on(colour), va="bottom", clip_on=True,
                        parse_math=False, bbox={"facecolor": colour, "edgecolor": "none", "pad": _PAD})  # fmt: skip
        _push_inside(ax, label)


def _coloured(mask: Int[Tensor, "height width"], colours: Mapping[int, str]) -> NDArray[np.float64]:
    """Red, green, blue and opacity of every pixel."""
    table = np.zeros((IGNORED + 1, 4))
    for number, colour in colours.items():
        table[number] = to_rgba(colour, _MASK_ALPHA)
    coloured: NDArray[np.float64] = table[mask.numpy()]
    return coloured


def _readable_on(colour: str) -> str:
    red, green, blue = to_rgb(colour)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.4 else "white"


def _push_inside(ax: Axes, label: Text) -> None:
    """Move a text that crosses the edges of the image, no further than needed; its beginning stays visible."""
    shown = label.get_window_extent().padded(_PAD * _DOTS_PER_INCH / 72)
    frame = ax.bbox
    right = max(min(0.0, frame.x1 - shown.x1), frame.x0 - shown.x0)
    up = min(0.0, frame.y1 - shown.y1) if shown.y1 > frame.y1 else max(0.0, frame.y0 - shown.y0)
    x, y = ax.transData.transform(label.get_position())
    label.set_position(ax.transData.inverted().transform((x + right, y + up)).tolist())


def displayable(image: Shaped[Tensor, "channel height width"]) -> Float[Tensor, "height width 3"]:
    """The first three channels, or gray, from 0 to 1; normalized images, as the model sees them, are rescaled."""
    channels = image[:3] if image.shape[0] >= 3 else image[:1].expand(3, -1, -1)
    if image.dtype == torch.uint8:
        return channels.permute(1, 2, 0).float() / 255
    low, high = channels.min(), channels.max()
    return ((channels - low) / (high - low).clamp(min=1e-6)).permute(1, 2, 0).float()
