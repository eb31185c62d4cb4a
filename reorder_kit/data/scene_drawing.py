"""Draw a scene: digits of several sizes on a noisy canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, Int8

INK = 0.35
"""Where a drawn digit, from 0 to 1, is brighter than this, the pixel is the digit's; the rest is its soft edge."""

NOBODY = -1
"""The owner of a pixel of the background."""

TRIES = 20


@dataclass(frozen=True)
class Glyphs:
    """Small pictures of digits.

    Args:
        pictures: from 0, no ink, to 1.
        classes: the digit of each.
    """

    pictures: Float32[np.ndarray, "glyph height width"]
    classes: Int[np.ndarray, " glyph"]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class SceneRules:
    """How scenes are made; ranges include both ends.

    Args:
        size: height and width, pixels.
        digits: how many there are.
        digit_size: side of the square that a glyph is scaled to, pixels.
        max_hidden: share of a digit's ink that later digits may cover.
        noise: the brightest value of the background.
    """

    size: tuple[int, int]
    digits: tuple[int, int]
    digit_size: tuple[int, int]
    max_hidden: float
    noise: float


class Scene(NamedTuple):
    """A drawn scene.

    Args:
        picture: from 0 to 1.
        owner: which of the digits each pixel belongs to, in their sequence, or :data:`NOBODY`.
        classes: the digit of each.
    """

    picture: Float32[np.ndarray, "height width"]
    owner: Int8[np.ndarray, "height width"]
    classes: Int[np.ndarray, " digit"]

    def boxes(self) -> Float32[np.ndarray, "digit 4"]:
        """Left, top, right and bottom edge of the visible ink of each digit."""
        edges = []
        for digit in range(len(self.classes)):
            ink = self.owner == digit
            left, right = _first_and_last(ink.any(axis=0))
            top, bottom = _first_and_last(ink.any(axis=1))
            edges.append((left, top, right + 1, bottom + 1))
        return np.array(edges, dtype=np.float32).reshape(-1, 4)

    def mask(self) -> Int[np.ndarray, "height width"]:
        """0 for the background, and 1 more than the digit where there is ink."""
        numbers: Int[np.ndarray, " owner"] = np.append(self.classes + 1, 0)  # the owner -1 is the last
        mask: Int[np.ndarray, "height width"] = numbers[self.owner]
        return mask


def draw_scene(random: np.random.RandomState, glyphs: Glyphs, rules: SceneRules) -> Scene:
    """Draw one. A digit that finds no place where it leaves enough of the others visible is left out.

    Args:
        random: decides everything; the same state gives the same scene.
        glyphs: what to choose from.
        rules: how the scene is made.
    """
    height, width = rules.size
    picture = random.random_sample(rules.size).astype(np.float32) * np.float32(rules.noise)
    owner = np.full(rules.size, NOBODY, dtype=np.int8)
    classes: list[int] = []
    may_lose = np.zeros(0)
    for _ in range(_between(random, rules.digits)):
        glyph, side = random.randint(len(glyphs)), _between(random, rules.digit_size)
        strokes = _enlarge(glyphs.pictures[glyph], side)
        ink = strokes > INK
        for _ in range(TRIES):
            top, left = random.randint(height - side + 1), random.randint(width - side + 1)
            window = slice(top, top + side), slice(left, left + side)
            lost = np.bincount(owner[window][ink] + 1, minlength=len(classes) + 1)[1:]
            if (lost <= may_lose).all():
                # Paint of the brightness 1, which covers as much as there is of it.
                picture[window] += strokes * (1 - picture[window])
                owner[window][ink] = len(classes)
                classes.append(int(glyphs.classes[glyph]))
                may_lose = np.append(may_lose - lost, rules.max_hidden * ink.sum())
                break
    return Scene(picture, owner, np.array(classes))


def _between(random: np.random.RandomState, ends: tuple[int, int]) -> int:
    return int(random.randint(ends[0], ends[1] + 1))


def _first_and_last(line: Bool[np.ndarray, " pixel"]) -> tuple[int, int]:
    places = np.flatnonzero(line)
    return int(places[0]), int(places[-1])


def _enlarge(picture: Float32[np.ndarray, "rows columns"], side: int) -> Float32[np.ndarray, "side side"]:
    """Bilinear interpolation: two small products of matrices, since a scene is drawn each time it is asked for."""
    rows, columns = picture.shape
    enlarged: Float32[np.ndarray, "side side"] = _interpolation(rows, side) @ picture @ _interpolation(columns, side).T
    return enlarged


@cache
def _interpolation(pixels: int, wanted: int) -> Float32[np.ndarray, "wanted pixels"]:
    """Each row holds the share of every pixel in one pixel of the enlarged line; the outermost are continued."""
    centres = np.clip((np.arange(wanted) + 0.5) * pixels / wanted - 0.5, 0, pixels - 1)
    distance = np.abs(centres[:, None] - np.arange(pixels)[None])
    shares: Float32[np.ndarray, "wanted pixels"] = np.maximum(1 - distance, 0).astype(np.float32)
    return shares
