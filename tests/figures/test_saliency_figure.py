"""The picture of saliency by slot."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reorder_kit.figures.saliency import draw_saliency

BEFORE, AFTER, INFLUENCE = (0x00, 0x72, 0xB2), (0xD5, 0x5E, 0x00), (0xD6, 0xD8, 0xE2)


def columns(path, colour, least=8):
    """The columns of the picture with a color, from 0 on the left to 1."""
    picture = np.asarray(Image.open(path).convert("RGB")).astype(int)
    height = int(picture.shape[0] * 0.85)  # above the legend
    found = (abs(picture[:height] - np.array(colour)) <= 8).all(axis=-1)
    return np.nonzero(found.sum(axis=0) > least)[0] / picture.shape[1]


def test_triangles_stand_where_saliency_is_on_average(tmp_path):
    start, final = [0.9, 0.1, 0.0, 0.0], [0.0, 0.0, 0.1, 0.9]
    draw_saliency({"a": (start, final)}, [], "first to last", tmp_path / "a.png")
    assert columns(tmp_path / "a.png", BEFORE).mean() < 0.45
    assert columns(tmp_path / "a.png", AFTER).mean() > 0.55


def test_influence_is_shaded_where_it_is_known(tmp_path):
    shares = [0.25] * 4
    draw_saliency({"a": (shares, shares), "b": (shares, shares)}, [0, 0, 0, 1], "shaded", tmp_path / "a.png")
    assert columns(tmp_path / "a.png", INFLUENCE, least=40).min() > 0.7
