"""Predictions with tasks and data sources of plugins: they are used, or refused by name."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import reorder_kit
from prediction_runs import HOST
from reorder_kit.data_sources.digits import Digits
from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces import BoxAnswer, ClassAnswer, Decoding, Preparation, Sample
from reorder_kit.tasks.classification import Classification

PIXELS = np.zeros((8, 8), np.uint8)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run") / "run"
    content = {
        "format_version": 1,
        "name": "digits",
        "data": {"name": "digits", "batch_size": 600},
        "backbone": {"name": "local", "patch_size": 4, "dim": 8, "depth": 1, "window": 2, "heads": 2},
        "train": {"epochs": 1, "device": "cpu"},
    }
    reorder_kit.run(content, out=folder, host=HOST)
    return folder


def predict(run):
    return reorder_kit.predict(run, PIXELS, host=HOST)


def test_a_task_that_says_nothing_about_single_images_is_refused(run, monkeypatch):
    monkeypatch.setattr(Classification, "answers", lambda self, predictions, context: ())
    with pytest.raises(ReorderKitError, match="task 'classification' has no answers for single images"):
        predict(run)


def test_a_task_that_compares_views_is_refused(run, monkeypatch):
    monkeypatch.setattr(Classification, "views", lambda self, training: 1)
    with pytest.raises(ReorderKitError, match="compares several views of an image"):
        predict(run)


def test_another_number_of_answers_than_images_is_a_mistake_of_the_task(run, monkeypatch):
    answer = ClassAnswer(torch.ones(10) / 10, is_exclusive=True)
    monkeypatch.setattr(Classification, "answers", lambda self, predictions, context: [answer] * 2)
    with pytest.raises(ComponentError, match="answers returned 2 answers for 1 images"):
        predict(run)


def test_nan_is_refused(run, monkeypatch):
    answer = ClassAnswer(torch.full((10,), torch.nan), is_exclusive=True)
    monkeypatch.setattr(Classification, "answers", lambda self, predictions, context: [answer])
    with pytest.raises(ReorderKitError, match="image 0: the model's answer contains NaN or infinite numbers"):
        predict(run)


def test_boxes_need_the_place_of_the_image(run, monkeypatch):
    answer = BoxAnswer(torch.zeros(0, 4), torch.zeros(0), torch.zeros(0, dtype=torch.int64))
    monkeypatch.setattr(Classification, "answers", lambda self, predictions, context: [answer])
    with pytest.raises(ReorderKitError, match="'digits' does not say which part of an image the model sees"):
        predict(run)


@pytest.mark.parametrize(
    ("preparation", "message"),
    [
        (None, "does not say how to prepare an image from elsewhere"),
        (7, "preparation returned a int"),
        (Preparation(lambda pixels: pixels, Decoding(1)), "preparation turned image 0 into Tensor"),
        (
            Preparation(lambda pixels: Sample(torch.zeros(3, 8, 8), None), Decoding(1)),
            r"preparation turned image 0 into \(3, 8, 8\), but 1x8x8 is needed",
        ),
    ],
)
def test_a_source_that_does_not_prepare_images_is_refused(run, monkeypatch, preparation, message):
    monkeypatch.setattr(Digits, "preparation", lambda self, image: preparation)
    with pytest.raises(ReorderKitError, match=message):
        predict(run)


def test_a_class_without_a_name_is_called_by_its_number(run, monkeypatch):
    answer = ClassAnswer(torch.tensor([0.0] * 10 + [1.0]), is_exclusive=True)
    monkeypatch.setattr(Classification, "answers", lambda self, predictions, context: [answer])
    assert predict(run)[0].best.name == "10"
