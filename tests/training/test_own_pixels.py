"""From the model's image back to the original image: worked out by hand."""

from __future__ import annotations

import torch

from reorder_kit.interfaces import BoxAnswer, ClassAnswer, PixelAnswer
from reorder_kit.training.own_pixels import boxes_in, class_of_pixels, prediction_of


def test_boxes_are_scaled_and_cut_at_the_edges():
    # A photo of 200x100 pixels in 50x50: 50x25 of content, the right half is padding. One pixel stands for 4x4.
    boxes = torch.tensor([[5.0, 10.0, 20.0, 30.0], [-1.0, 0.0, 26.0, 50.0]])
    assert boxes_in(boxes, (200, 100), (50, 25)).tolist() == [[20, 40, 80, 120], [0, 0, 100, 200]]


def test_each_axis_has_its_own_scale_where_the_content_was_rounded():
    # 7x10 pixels in 5x5: 3.5 rows are rounded to 4.
    assert boxes_in(torch.tensor([[1.0, 1.0, 5.0, 4.0]]), (7, 10), (4, 5)).tolist() == [[2, 1.75, 10, 7]]


def test_boxes_below_the_threshold_are_left_out():
    answer = BoxAnswer(torch.tensor([[0.0, 0, 2, 2], [1, 1, 2, 2]]), torch.tensor([0.75, 0.25]), torch.tensor([1, 0]))
    (box,) = prediction_of(answer, "a.png", (8, 8), (4, 4), ["cat"], 0.5).boxes
    assert box.as_dict() == {"name": "1", "number": 1, "score": 0.75, "left": 0, "top": 0, "right": 4, "bottom": 4}


def test_the_class_of_a_pixel_is_the_highest_of_the_interpolated_scores():
    # From two columns to four, scores are at 1/4 and 3/4 of the way between the centers of the old ones.
    scores = torch.tensor([[[1.0, 0.0]], [[0.0, 0.5]]])
    # Class 0: 1, 0.75, 0.25, 0; class 1: 0, 0.125, 0.375, 0.5.
    assert class_of_pixels(scores, (1, 4)).tolist() == [[0, 0, 1, 1]]
    assert class_of_pixels(scores, (1, 2)).tolist() == [[0, 1]]


def test_padding_is_no_part_of_a_mask():
    scores = torch.zeros(2, 4, 4)
    scores[0, :2, :3] = 1  # the content
    scores[1, 2:] = 9
    scores[1, :, 3] = 9
    prediction = prediction_of(PixelAnswer(scores), "a.png", (4, 6), (2, 3), ["sky", "sea"], 0.0)
    assert prediction.mask.tolist() == [[0] * 6] * 4
    assert [area.as_dict() for area in prediction.areas] == [{"name": "sky", "number": 0, "pixels": 24, "share": 1.0}]


def test_classes_are_ranked_and_equal_ones_stay_in_their_sequence():
    answer = ClassAnswer(torch.tensor([0.25, 0.5, 0.25]), is_exclusive=True)
    prediction = prediction_of(answer, "a.png", (1, 1), (1, 1), ["a", "b", "c"], 0.9)
    assert [each.name for each in prediction.classes] == ["b", "a", "c"]
    assert prediction.present is None
    assert prediction.as_dict(top=1)["classes"] == [{"name": "b", "number": 1, "probability": 0.5}]


def test_a_class_at_the_threshold_is_present():
    answer = ClassAnswer(torch.tensor([0.25, 0.5, 0.125]), is_exclusive=False)
    prediction = prediction_of(answer, "a.png", (1, 1), (1, 1), ["a", "b", "c"], 0.25)
    assert prediction.present == ("b", "a")
    assert prediction.words == "b 0.500, a 0.250"
    nothing = prediction_of(answer, "a.png", (1, 1), (1, 1), ["a", "b", "c"], 0.75)
    assert nothing.words == "(none), nearest b 0.500"
