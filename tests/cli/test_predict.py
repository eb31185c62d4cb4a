"""`reorder-kit predict`: what a trained run says about image files."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

import reorder_kit
from prediction_runs import train


@pytest.fixture
def digits(tmp_path):
    """Four digits as PNG files, light on black, below a folder."""
    folder = tmp_path / "digits"
    folder.mkdir()
    for number, image in enumerate(load_digits().images[:4]):
        Image.fromarray(np.rint(image / 16 * 255).astype(np.uint8)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def cells(tmp_path_factory):
    return train("segmentation", tmp_path_factory.mktemp("cells"))


@pytest.fixture(scope="module")
def fish(tmp_path_factory):
    return train("detection", tmp_path_factory.mktemp("fish"))


def predicted(cli, *arguments):
    done = cli("predict", *arguments, "--json")
    return done, json.loads(done.stdout)


def test_json_has_what_python_has(cli, trained, digits):
    done, content = predicted(cli, trained.folder, "digits", "--top", "3")
    assert done.exit_code == 0, done.output
    assert content == json.loads(json.dumps(reorder_kit.predict(trained.folder, "digits").as_dict(3)))
    assert (content["task"], content["device"], content["threshold"]) == ("classification", "cpu, fp32", None)
    assert content["class_names"] == list("0123456789")
    assert [image["path"] for image in content["images"]] == [f"digits/{number}.png" for number in range(4)]
    assert [set(image) for image in content["images"]] == [{"path", "height", "width", "classes"}] * 4
    assert [len(image["classes"]) for image in content["images"]] == [3] * 4
    assert content["notes"] == ["The run was trained on light digits on black; invert images that are dark on white."]


def test_digits_are_read_on_the_scale_of_the_run(trained):
    run = reorder_kit.load_run(trained.folder)
    prepared = run.experiment.data_source.preparation(run.context.image)
    expected = run.experiment.open_data().test[0].image
    first = np.random.RandomState(0).permutation(1797)[-497]
    pixels = np.rint(load_digits().images[first] / 16 * 255).astype(np.uint8)
    found = prepared.transform(torch.from_numpy(pixels)[None]).image
    # Half a step of 255, of values up to 16 with a standard deviation of 6.
    torch.testing.assert_close(found, expected, atol=0.5 / 255 * 16 / 6, rtol=0)


def test_lines_fit_into_80_columns(cli, trained, digits):
    long = digits / ("a" * 90)
    long.mkdir()
    shutil.copy(digits / "0.png", long / "last.png")
    done = cli("predict", trained.folder, "digits", "--top", "10")
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    heading, first = lines[:2]
    assert heading.split() == ["image", "prediction"]
    assert first.startswith("digits/0.png")
    assert first[heading.index("prediction") - 1] == " "
    assert first[heading.index("prediction")].isdigit()
    assert any("aaa/last.png" in line for line in lines)
    assert f"{trained.folder.name}: classification of 5 images, cpu, fp32" in " ".join(done.stdout.split())


def test_what_cannot_be_read_is_named_after_the_others_with_exit_code_2(cli, trained, digits):
    (digits / "torn.png").write_bytes(b"")
    (digits / "notes.txt").write_text("")
    for arguments in ([], ["--json"]):
        done = cli("predict", trained.folder, "missing.png", "digits", *arguments)
        assert done.exit_code == 2
        assert "error: 2 of 6 images could not be read:\n  missing.png: there is no such file\n  digits/torn.png: " in (
            done.stderr
        )
    content = json.loads(done.stdout)
    assert [each["path"] for each in content["unreadable"]] == ["missing.png", "digits/torn.png"]
    assert len(content["images"]) == 4
    (left_out,) = content["findings"]
    assert (left_out["what"], left_out["count"], left_out["example"]) == (
        "files without an image extension are left out",
        1,
        "notes.txt",
    )


def test_where_there_is_no_image_nothing_is_computed(cli, trained, monkeypatch):
    monkeypatch.setattr("reorder_kit.training.predict_run.predict_run", None)
    done, content = predicted(cli, trained.folder, "missing.png")
    assert done.exit_code == 2
    assert content["error"] == "no image found\n  missing.png: there is no such file"


def test_boxes_stand_in_columns_and_the_threshold_is_told(cli, fish):
    files, _, _ = fish.by_hand()
    done = cli("predict", fish.folder, *files[:2], "--threshold", "0")
    assert done.exit_code == 0, done.output
    heading, *rows = done.stdout.splitlines()[: 1 + 2 * 7]
    assert heading.split() == ["image", "class", "score", "left", "top", "right", "bottom"]
    assert {len(heading), *map(len, rows)} == {80}
    assert {row.split()[-6] for row in rows} <= {"dog", "cat"}
    assert "Boxes with a score of 0 or more are reported (as asked)." in done.stdout
    usual = cli("predict", fish.folder, files[0])
    assert "(no box)" in usual.stdout
    assert "Boxes with a score of 0.3 or more are reported (task.shown_score of the run)." in usual.stdout


def test_masks_and_pictures_are_written(cli, cells, tmp_path):
    files, _, _ = cells.by_hand()
    (tmp_path / "again").mkdir()
    again = shutil.copy(files[0], tmp_path / "again")
    before = sorted(cells.folder.rglob("*"))
    done = cli("predict", cells.folder, *files[:2], again, "--masks", "masks", "--picture", "pictures")
    assert done.exit_code == 0, done.output
    names = sorted(path.name for path in (tmp_path / "masks").iterdir())
    assert len(names) == 3
    assert sum(name.endswith("-2.png") for name in names) == 1
    assert sorted(path.name for path in (tmp_path / "pictures").iterdir()) == names
    _, content = predicted(cli, cells.folder, *files[:2], "--masks", "again-masks", "--picture", "sheet.png")
    for image, found in zip(content["images"], reorder_kit.predict(cells.folder, files[:2]), strict=True):
        with Image.open(image["mask_file"]) as mask:
            assert np.array_equal(np.asarray(mask), found.mask.numpy())
    with Image.open(tmp_path / "sheet.png") as picture:
        assert min(picture.size) > 200
    assert sorted(cells.folder.rglob("*")) == before


def test_no_file_is_replaced_and_nothing_is_predicted_before_that_is_said(cli, cells, tmp_path, monkeypatch):
    files, _, _ = cells.by_hand()
    (tmp_path / "mine").mkdir()
    for name in ("a.png", "b.png"):
        shutil.copy(files[0], tmp_path / "mine" / name)
    kept = (tmp_path / "mine/a.png").read_bytes()
    (tmp_path / "link").symlink_to("mine")
    command = ("mine", "--masks", "masks", "--picture", "pictures")
    assert cli("predict", cells.folder, *command).exit_code == 0
    monkeypatch.setattr("reorder_kit.training.predict_run.predict_run", None)
    for arguments, named in (
        (("mine", "--picture", "mine"), "--picture: mine/a.png"),
        (("mine", "--picture", "link"), "--picture: link/a.png"),
        (("mine/a.png", "--picture", "mine/a.png"), "--picture: mine/a.png"),
        (("mine/b.png", "--masks", "mine"), "--masks: mine/b.png"),
        (command, "--picture: pictures/a.png"),
    ):
        done = cli("predict", cells.folder, *arguments)
        assert done.exit_code == 2
        assert f"{named} already exists and would be replaced" in done.stderr
    assert (tmp_path / "mine/a.png").read_bytes() == kept


def test_a_sheet_and_masks_of_one_name_do_not_replace_each_other(cli, cells, tmp_path):
    files, _, _ = cells.by_hand()
    image = shutil.copy(files[0], tmp_path / "a.png")
    done, content = predicted(cli, cells.folder, image, "--masks", "out", "--picture", "out/a.png")
    assert done.exit_code == 0, done.output
    assert content["images"][0]["mask_file"] == "out/a-2.png"
    with Image.open(tmp_path / "out/a.png") as sheet, Image.open(tmp_path / "out/a-2.png") as mask:
        assert min(sheet.size) > 200 > max(mask.size)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--masks", "masks"], "masks: task 'classification' does not predict masks"),
        (["--threshold", "0.5"], "task 'classification' has no threshold"),
        (["--picture", "seen.jpx"], "no picture can be written there"),
        (["--device", "gpu"], "device: 'gpu' is unknown"),
    ],
)
def test_what_does_not_fit_the_run_is_refused(cli, trained, digits, arguments, message, monkeypatch):
    monkeypatch.setattr("reorder_kit.training.predict_run._Asked", None)
    done = cli("predict", trained.folder, "digits/0.png", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_what_is_no_finished_run_is_refused(cli, trained, digits, tmp_path):
    assert "other is not a run folder" in cli("predict", "other", "digits").stderr
    shutil.copytree(trained.folder, tmp_path / "begun")
    (tmp_path / "begun" / "result.json").unlink()
    done = cli("predict", "begun", "digits")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "begun does not hold a finished run" in done.stderr
    shutil.copytree(trained.folder, tmp_path / "light")
    shutil.rmtree(tmp_path / "light" / "checkpoints")
    done = cli("predict", "light", "digits")
    assert done.exit_code == 2
    assert "light has no checkpoint" in done.stderr
