"""Draw a scene: digits of several sizes on a noisy canvas."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Int, Int8

INK = 0.35
"""Pixels brighter than this (from 0 to 1) belong to a drawn digit; the rest is its soft edge."""

NOBODY = -1
"""The owner of a pixel of the background."""

TRIES = 20


@dataclass(frozen=True)
class Glyphs:
    """Small pictures of digits.

    Args:
        pictures: ink from 0 (none) to 1.
        classes: the digit of each.
    """

    pictures: Float32[np.ndarray, "glyph height width"]
    classes: Int[np.ndarray, " glyph"]

    def __len__(self) -> int:
        return len(self.classes)


@dataclass(frozen=True)
class SceneRules:
    """The rules for drawing scenes; ranges include both ends.

    Args:
        size: height and width, in pixels.
        digits: the number of digits.
        digit_size: side of the square that a glyph is scaled to, in pixels.
        max_hidden: largest share of a digit's ink that later digits may cover.
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
        picture: brightness from 0 to 1.
        owner: the index of the digit that each pixel belongs to, or :data:`NOBODY`.
        classes: each digit's class.
    """

    picture: Float32[np.ndarray, "height width"]
    owner: Int8[np.ndarray, "height width"]
    classes: Int[np.ndarray, " digit"]

    def boxes(self) -> Float32[np.ndarray, "digit 4"]:
        """Left, top, right and bottom edges of each digit's visible ink."""
        edges = []
        for digit in range(len(self.classes)):
            ink = self.owner == digit
            left, right = _first_and_last(ink.any(axis=0))
            top, bottom = _first_and_last(ink.any(axis=1))
            edges.append((left, top, right + 1, bottom + 1))
        return np.array(edges, dtype=np.float32).reshape(-1, 4)

    def mask(self) -> Int[np.ndarray, "height width"]:
        """0 for the background, and the digit plus 1 where there is ink."""
        numbers: Int[np.ndarray, " owner"] = np.append(self.classes + 1, 0)  # the owner -1 is the last
        mask: Int[np.ndarray, "height width"] = numbers[self.owner]
        return mask


def draw_scene(random: np.random.RandomState, glyphs: Glyphs, rules: SceneRules) -> Scene:
    """Draw one scene. A digit is left out if every tried place would hide too much of the others.

    Args:
        random: the source of all randomness; the same state gives the same scene.
        glyphs: the glyphs to choose from.
        rules: the rules for drawing.
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
                # Paint with brightness 1, whose opacity is the amount of ink.
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
    """Bilinear interpolation by two small matrix products, because a scene is drawn each time it is used."""
    rows, columns = picture.shape
    enlarged: Float32[np.ndarray, "side side"] = _interpolation(rows, side) @ picture @ _interpolation(columns, side).T
    return enlarged


@cache
def _interpolation(pixels: int, wanted: int) -> Float32[np.ndarray, "wanted pixels"]:
    """Each row holds every pixel's share in one pixel of the enlarged line; the edge pixels extend outward."""
    centers = np.clip((np.arange(wanted) + 0.5) * pixels / wanted - 0.5, 0, pixels - 1)
    distance = np.abs(centers[:, None] - np.arange(pixels)[None])
    shares: Float32[np.ndarray, "wanted pixels"] = np.maximum(1 - distance, 0).astype(np.float32)
    return shares
