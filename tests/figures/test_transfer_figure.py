"""The heat map of a transfer."""

from __future__ import annotations

import numpy as np
from PIL import Image

from reorder_kit.figures.transfer import draw_transfer


def test_what_gains_is_purple_and_what_loses_orange_in_every_panel(tmp_path):
    matrix = [[(0.5, None, False), (0.6, None, False)], [(0.6, 0.1, True), (0.5, -0.1, False)]]
    draw_transfer({"one": matrix, "two": matrix}, ["start", "a"], ["a", "b"], tmp_path / "matrix.png")
    picture = np.asarray(Image.open(tmp_path / "matrix.png").convert("RGB")).astype(int)
    red, blue = picture[..., 0], picture[..., 2]
    left, right = np.split(np.arange(picture.shape[1]), [int(picture.shape[1] * 0.55)])
    purple, orange = blue > red + 25, red > blue + 60
    assert purple[:, left].any()
    assert orange[:, right].any()
    assert not orange[:, left[: -len(left) // 5]].any()
    assert purple[: len(picture) // 2].any()
    assert purple[len(picture) // 2 :].any()
