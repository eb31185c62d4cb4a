"""`reorder-kit evaluate`: a trained model in its own and in other orders."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from PIL import Image

from resealed import reseal
from says import says


def evaluated(cli, *arguments):
    done = cli("evaluate", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def assert_same(figures, stated):
    assert figures.pop("loss") == pytest.approx(stated["loss"], rel=1e-6)
    assert figures == {name: value for name, value in stated.items() if name != "loss"}


def test_in_its_own_order_a_run_is_as_good_as_it_said(cli, trained):
    report = evaluated(cli, trained.folder)
    assert (report["split"], report["headline"]) == ("test", "top1")
    (own,) = report["orders"]
    assert_same(own["metrics"], trained.result["metrics"]["test"])


def test_the_validation_split_can_be_asked_for(cli, trained):
    report = evaluated(cli, trained.folder, "--split", "validation")
    assert_same(report["orders"][0]["metrics"], trained.result["metrics"]["validation"])
    assert report["orders"][0]["metrics"]["images"] == 100


def test_predictions_are_drawn_beside_the_run(cli, trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "predictions.png").unlink()
    evaluated(cli, tmp_path / "elsewhere")
    evaluated(cli, tmp_path / "elsewhere", "--split", "validation")
    for name in ("predictions.png", "predictions-validation.png"):
        with Image.open(tmp_path / "elsewhere" / name) as picture:
            assert min(picture.size) > 100


def test_a_run_of_a_gpu_can_be_evaluated_without_one(cli, trained, tmp_path, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    shutil.copytree(trained.folder, tmp_path / "elsewhere")
    recipe = (tmp_path / "elsewhere" / "recipe.yaml").read_text()
    changed = recipe.replace("device: cpu", "device: cuda").replace("precision: auto", "precision: fp16")
    assert {"  device: cuda", "  precision: fp16"} <= set(changed.splitlines())
    (tmp_path / "elsewhere" / "recipe.yaml").write_text(changed)
    reseal(tmp_path / "elsewhere")
    assert_same(evaluated(cli, "elsewhere")["orders"][0]["metrics"], trained.result["metrics"]["test"])


def test_other_orders_are_read_from_names_and_files(cli, trained):
    own, file, column = evaluated(cli, trained.folder, "--order", trained.folder / "order.json", "--order", "column")[
        "orders"
    ]
    assert (own["order"], file["order"], column["order"]) == (
        "own order",
        str(trained.folder / "order.json"),
        "column",
    )
    assert file["metrics"] == own["metrics"]
    assert (own["kendall_tau_to_own"], file["kendall_tau_to_own"]) == (1, 1)
    assert column["kendall_tau_to_own"] < 1
    assert column["metrics"]["loss"] != own["metrics"]["loss"]


def test_the_table_gives_the_difference_in_points(cli, trained):
    done = cli("evaluate", trained.folder, "--order", "column")
    own, column = evaluated(cli, trained.folder, "--order", "column")["orders"]
    difference = 100 * (column["metrics"]["top1"] - own["metrics"]["top1"])
    assert f"{column['metrics']['top1']:.3f}       {difference:+.1f} points" in done.stdout
    assert "497 images" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("colum", "hint: did you mean 'column'?"),
        ("two.json", "error: two.json holds an order for the grid 1x2, not for 4x4"),
    ],
)
def test_an_order_that_does_not_fit_is_refused(cli, trained, tmp_path, order, message):
    (tmp_path / "two.json").write_text(json.dumps({"name": "two", "grid": [1, 2], "order": [1, 0]}))
    done = cli("evaluate", trained.folder, "--order", order)
    assert done.exit_code == 2
    assert message in done.stderr


def test_what_is_no_run_is_refused(cli, tmp_path):
    (tmp_path / "runs" / "trial").mkdir(parents=True)
    assert "trial is not a run folder\n  hint: did you mean runs/trial?" in cli("evaluate", "trial").stderr
    assert "give the folder of a run" in cli("evaluate", "other").stderr


def test_a_run_that_is_not_finished_has_no_final_weights(cli, tmp_path):
    (tmp_path / "begun").mkdir()
    (tmp_path / "begun" / "recipe.yaml").write_text("format_version: 1\n")
    done = cli("evaluate", "begun")
    assert done.exit_code == 2
    assert "begun does not hold a finished run" in done.stderr


def test_shares_of_the_order_are_printed_with_what_they_cost(cli, trained, tmp_path):
    shutil.copytree(trained.folder, tmp_path / "elsewhere")
    done = cli("evaluate", "elsewhere", "--keep", "0.5", "--keep", "1")
    assert done.exit_code == 0, done.output
    (heading,) = [line for line in done.stdout.splitlines() if line.startswith("share read")]
    assert says(heading, "slots", "test top1", "encoder, ms per image", "million operations")
    own = f"{trained.result['metrics']['test']['top1']:.3f}"
    rows = [line.split() for line in done.stdout.splitlines() if line.startswith(("0.5 ", "1 "))]
    assert [row[:2] for row in rows] == [["0.5", "8"], ["1", "16"]]
    assert rows[1][2] == own
    assert (tmp_path / "elsewhere" / "shares.json").exists()
    done = cli("evaluate", "elsewhere", "--keep", "0.25")
    assert "shares.json also keeps earlier shares: 0.5, 1." in done.stdout
    done = cli("evaluate", "elsewhere", "--keep", "2")
    assert done.exit_code == 2
    assert "--keep 2: is not a share of the patches" in done.stderr
