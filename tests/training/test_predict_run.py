"""Predictions of a run match its evaluation, in the images' own pixels."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image

import reorder_kit
from prediction_runs import HOST, TASKS, train
from reorder_kit.errors import ReorderKitError


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of a task, trained on first use."""
    trained = {}

    def run(task):
        if task not in trained:
            trained[task] = train(task, tmp_path_factory.mktemp(task))
        return trained[task]

    return run


def predict(run, images, **options):
    return reorder_kit.predict(run.folder, images, host=HOST, **options)


def test_the_probabilities_of_classes_are_those_of_the_evaluation(runs):
    run = runs("classification")
    files, batch, outputs = run.by_hand()
    predictions = predict(run, files)
    assert [each.path for each in predictions] == files
    assert predictions.class_names == ("class-0", "class-1")
    for each, expected in zip(predictions, outputs.softmax(dim=1), strict=True):
        found = {entry.number: entry.probability for entry in each.classes}
        torch.testing.assert_close(torch.tensor([found[0], found[1]]), expected, atol=1e-6, rtol=0)
        assert each.best.number == int(expected.argmax())
        assert each.size == (12, 10)
    top1 = np.mean([each.best.number == target for each, target in zip(predictions, batch.targets, strict=True)])
    assert top1 == reorder_kit.load_run(run.folder, HOST).folder.read_result().metrics.test["top1"]


def test_any_class_at_or_above_the_threshold_is_present(runs):
    run = runs("multi-label")
    files, _, outputs = run.by_hand()
    predictions = predict(run, files)
    assert predictions.threshold[:2] == (0.5, "the default of multi-label")
    limit = float(outputs.sigmoid().median())
    lower = predict(run, files, threshold=limit)
    for each, raised, expected in zip(predictions, lower, outputs.sigmoid(), strict=True):
        found = {entry.number: entry.probability for entry in each.classes}
        torch.testing.assert_close(torch.tensor([found[0], found[1]]), expected, atol=1e-6, rtol=0)
        names = predictions.class_names
        assert set(each.present) == {names[number] for number in range(2) if found[number] >= 0.5}
        assert set(raised.present) == {names[number] for number in range(2) if found[number] >= limit}


def test_boxes_are_in_the_pixels_of_the_image(runs):
    run = runs("detection")
    files, batch, outputs = run.by_hand()
    predictions = predict(run, files, threshold=0.0)
    # 12x10 pixels become 16x13 (16 / 12 of them), 8x16 pixels 8x16; the rest of 16x16 is padding.
    scales = {(12, 10): (10 / 13, 12 / 16), (8, 16): (1.0, 1.0)}
    assert {each.size for each in predictions} == set(scales)
    for each, found, content in zip(predictions, outputs.detections(), batch.content.tolist(), strict=True):
        assert content == {(12, 10): [16, 13], (8, 16): [8, 16]}[each.size]
        across, down = scales[each.size]
        edges = torch.tensor([[box.left, box.top, box.right, box.bottom] for box in each.boxes])
        expected = found.boxes * torch.tensor([across, down, across, down])
        assert len(edges) == 7
        torch.testing.assert_close(edges, expected, atol=1e-4, rtol=0)
        assert [box.number for box in each.boxes] == found.classes.tolist()
        assert [box.score for box in each.boxes] == pytest.approx(found.scores.tolist())
        assert edges.min() >= 0
        assert (edges.max(dim=0).values <= torch.tensor([each.size[1], each.size[0]] * 2)).all()


def test_boxes_below_the_threshold_are_left_out(runs):
    run = runs("detection")
    files, _, outputs = run.by_hand()
    scores = torch.cat([found.scores for found in outputs.detections()])
    limit = float(scores.median())
    predictions = predict(run, files, threshold=limit)
    assert sum(len(each.boxes) for each in predictions) == int((scores >= limit).sum())
    assert predict(run, files[:1]).threshold[:2] == (0.3, "task.shown_score of the run")


def test_masks_have_the_size_of_the_image(runs):
    run = runs("segmentation")
    files, _, outputs = run.by_hand()
    for each, scores in zip(predict(run, files), outputs, strict=True):
        own = F.interpolate(scores[None, :, :16, :13], (12, 10), mode="bilinear", align_corners=False)[0].argmax(dim=0)
        assert each.mask.dtype == torch.uint8
        assert torch.equal(each.mask.long(), own)
        counts = {area.number: area.pixels for area in each.areas}
        assert counts == {number: int((own == number).sum()) for number in own.unique().tolist()}
        assert sum(area.share for area in each.areas) == pytest.approx(1)


@pytest.mark.parametrize("task", TASKS)
def test_a_photo_that_lies_on_its_side_is_seen_upright(runs, task, tmp_path):
    run = runs(task)
    files, _, _ = run.by_hand()
    with Image.open(files[0]) as image:
        upright = np.asarray(image)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be rotated clockwise by a quarter turn
    lying = tmp_path / "lying.png"
    Image.fromarray(np.rot90(upright)).save(lying, exif=exif)
    options = {"threshold": 0.0} if task == "detection" else {}
    plain, turned = predict(run, files[0], **options)[0], predict(run, lying, **options)[0]
    assert turned.as_dict() | {"path": ""} == plain.as_dict() | {"path": ""}
    if plain.mask is not None:
        assert torch.equal(turned.mask, plain.mask)


@pytest.mark.parametrize("task", TASKS)
def test_files_images_and_arrays_are_predicted_alike_after_the_data_is_gone(runs, task, tmp_path, monkeypatch):
    run = runs(task)
    files, _, _ = run.by_hand()
    (tmp_path / "shots" / "inner").mkdir(parents=True)
    copies = [shutil.copy(file, tmp_path / "shots" / "inner" / f"{place}.png") for place, file in enumerate(files[:3])]
    monkeypatch.setattr("reorder_kit.experiment.experiment.Experiment.open_data", None)
    before = sorted((path, path.stat().st_mtime_ns) for path in run.folder.rglob("*"))
    moved = run.data.rename(run.data.with_name("moved"))
    try:
        arrays = [np.asarray(Image.open(file)) for file in copies]
        kinds = [copies, tmp_path / "shots", [Image.fromarray(each) for each in arrays], arrays, iter(arrays)]
        first, *others = (predict(run, each) for each in kinds)
    finally:
        moved.rename(run.data)
    expected = [{**each.as_dict(), "path": ""} for each in first]
    assert len(expected) == 3
    for other in others:
        assert [{**each.as_dict(), "path": ""} for each in other] == expected
    assert [each.path for each in others[-1]] == ["image 0", "image 1", "image 2"]
    assert sorted((path, path.stat().st_mtime_ns) for path in run.folder.rglob("*")) == before


def test_predictions_do_not_hang_on_the_batch(runs):
    run = runs("classification")
    files, _, _ = run.by_hand()
    together = predict(run, files * 6)  # more than a batch
    alone = predict(run, files[-1])
    assert len(together) == 6 * len(files) > 16
    assert together[-1].best.probability == pytest.approx(alone[0].best.probability, abs=1e-6)


def test_an_unreadable_image_is_named_and_the_others_are_predicted(runs, tmp_path):
    run = runs("classification")
    files, _, _ = run.by_hand()
    torn = tmp_path / "torn.png"
    torn.write_bytes(b"no image")
    with pytest.warns(UserWarning, match="2 of the images could not be read: .*missing.png: there is no such file"):
        predictions = predict(run, [tmp_path / "missing.png", files[0], torn])
    assert [each.path for each in predictions] == [files[0]]
    assert [each.path for each in predictions.unreadable] == [str(tmp_path / "missing.png"), str(torn)]
    assert repr(predictions) == f"<classification of 1 images by {run.folder}, 2 unreadable>"


@pytest.mark.parametrize("task", TASKS)
def test_predictions_show_themselves(runs, task, tmp_path):
    run = runs(task)
    files, _, _ = run.by_hand()
    renamed = shutil.copy(files[0], tmp_path / "<b>.png")
    predictions = predict(run, [renamed, *files * 6], threshold=0.0 if task == "detection" else None)
    shown = predictions._repr_html_()
    assert shown.count("<svg") == 12
    assert f"and {len(predictions) - 12} more" in shown
    assert "<b>" not in shown
    assert len(shown) < 100_000
    assert shown.count("<rect") == (12 * 7 if task == "detection" else 0)
    predictions.draw(tmp_path / "seen.png")
    with Image.open(tmp_path / "seen.png") as picture:
        assert min(picture.size) > 300
    assert len(repr(predictions[0])) < 200


def test_a_loaded_run_and_what_a_run_returned_can_be_asked(runs):
    run = runs("classification")
    files, _, _ = run.by_hand()
    loaded = reorder_kit.load_run(run.folder, HOST)
    expected = predict(run, files[0])[0].as_dict()
    assert reorder_kit.predict(loaded, files[0], host=HOST)[0].as_dict() == expected
    with pytest.raises(ReorderKitError, match="expected a run, got 7"):
        reorder_kit.predict(7, files[0], host=HOST)


def test_a_model_that_fails_is_left_as_it_was(runs, monkeypatch):
    run = runs("classification")
    files, _, _ = run.by_hand()
    loaded = reorder_kit.load_run(run.folder, HOST)
    loaded.evaluated_model.train(True)

    def fail(task, model, batch):
        assert not model.training
        raise RuntimeError("out of memory")

    monkeypatch.setattr(type(loaded.experiment.task), "predict", fail)
    with pytest.raises(RuntimeError, match="out of memory"):
        reorder_kit.predict(loaded, files[0], host=HOST)
    assert loaded.evaluated_model.training


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([], "no image found"),
        ([3], "image 0: int is not an image"),
        (torch.zeros(3, 8, 8), "image 0: Tensor is not an image"),
        (np.zeros((8, 8)), "an array of float64 has no fixed scale"),
        (np.zeros((5, 8, 8), np.uint8), "with shape .5, 8, 8. is not an image"),
    ],
)
def test_what_is_no_image_is_refused(runs, images, message):
    with pytest.raises(ReorderKitError, match=message):
        predict(runs("classification"), images)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"threshold": 0.5}, "task 'classification' has no threshold"),
        ({"device": "gpu"}, "device: 'gpu' is unknown"),
    ],
)
def test_options_that_do_not_fit_are_refused(runs, options, message):
    with pytest.raises(ReorderKitError, match=message):
        predict(runs("classification"), np.zeros((8, 8), np.uint8), **options)


def test_a_threshold_is_a_share(runs):
    with pytest.raises(ReorderKitError, match="threshold: 2 is not between 0 and 1"):
        predict(runs("multi-label"), np.zeros((8, 8), np.uint8), threshold=2)


def test_scrambled_images_are_scrambled_here_too(tmp_path):
    fit = {"name": "Fit", "size": 12}
    run = train("classification", tmp_path, plant={"order": "spiral"}, image_size=12, train_transforms=[fit])
    files, _, outputs = run.by_hand()
    plain, _ = torch.sort(outputs.softmax(dim=1), descending=True)
    for each, expected in zip(predict(run, files), plain.tolist(), strict=True):
        assert [entry.probability for entry in each.classes] == pytest.approx(expected, abs=1e-6)
