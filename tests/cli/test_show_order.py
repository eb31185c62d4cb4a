"""`reorder-kit show-order`: an order in the terminal, as PNG and as JSON."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from says import says


def shown(cli, *arguments):
    done = cli("show-order", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def test_json_names_the_ordering_its_grid_and_its_patches(cli):
    assert shown(cli, "column", "--grid", "2x3") == {"name": "column", "grid": [2, 3], "order": [0, 3, 1, 4, 2, 5]}


def test_options_of_an_ordering_are_yaml(cli):
    assert shown(cli, "column", "--grid", "2x3", "--set", "reverse=true")["order"] == [5, 2, 4, 1, 3, 0]
    assert shown(cli, "row", "--grid", "1x3", "--set", "flip=horizontal")["order"] == [2, 1, 0]


def test_the_terminal_picture_has_a_heading_ranks_and_a_path(cli):
    lines = cli("show-order", "column", "--grid", "2x2").stdout.splitlines()
    # Patches 0, 2, 1, 3: two of three steps go down; one of the six pairs of patches is reversed.
    assert says(lines[0], "column", "2x2", "67%", "neighbor", "Kendall tau", "0.67")
    assert [line[:3] for line in lines[2:4]] == ["0 2", "1 3"]
    assert "●" in lines[2]
    assert "■" in lines[3]


def test_png_is_written_beside_what_is_printed(cli, tmp_path):
    done = cli("show-order", "spiral", "--grid", "3x4", "--png", "spiral.png", "--json")
    assert json.loads(done.stdout)["name"] == "spiral"
    assert done.stderr == "wrote spiral.png\n"
    with Image.open(tmp_path / "spiral.png") as picture:
        assert picture.format == "PNG"
        assert min(picture.size) > 100


def test_a_png_that_cannot_be_written_is_an_error_in_words(cli):
    done = cli("show-order", "row", "--grid", "2x2", "--png", "not/there.png")
    assert done.exit_code == 2
    assert says(done.stderr, "error: ", "not/there.png", "cannot be written")


def test_a_file_knows_its_grid(cli, tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"name": "mine", "grid": [1, 3], "order": [2, 0, 1]}))
    assert shown(cli, "mine.json") == {"name": "mine", "grid": [1, 3], "order": [2, 0, 1]}
    assert shown(cli, "mine.json", "--grid", "1x3")["order"] == [2, 0, 1]


def test_a_partial_order_is_shown_too(cli, tmp_path):
    (tmp_path / "partial.json").write_text(json.dumps({"name": "partial", "grid": [1, 3], "order": [2, 0]}))
    done = cli("show-order", "partial.json")
    assert done.exit_code == 0
    assert "1 of 3 patches have no slot" in done.stdout


def test_a_run_folder_gives_its_final_order(cli, trained):
    assert shown(cli, trained.folder)["order"] == trained.result["order"]["final"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["row"], "hint: add --grid HEIGHTxWIDTH, as in --grid 14x14"),
        (["row", "--grid", "14"], "hint: write HEIGHTxWIDTH in patches, as in 14x14"),
        (["rwo", "--grid", "2x2"], "hint: did you mean 'row'?"),
        (["row", "--grid", "2x2", "--set", "revers=true"], "revers: there is no such field (did you mean 'reverse'?)"),
        (["row", "--grid", "2x2", "--set", "flip=up"], "flip: there is no choice 'up'"),
        (["three.json", "--grid", "3x1"], "error: three.json holds an order for the grid 1x3, not for 3x1"),
        (["three.json", "--set", "reverse=true"], "error: three.json is not an ordering, so has no options"),
        (["bad.json"], "error: bad.json: patch 0 appears twice in an order"),
        (["empty"], "error: empty has no final order"),
        (["three.npy"], "error: three.npy does not contain its grid"),
        (
            ["three.npy", "--grid", "2x2"],
            "error: three.npy: an order of 3 patches does not fit the 2x2 grid, which has 4",
        ),
    ],
)
def test_mistakes_are_told_in_words(cli, tmp_path, arguments, message):
    (tmp_path / "three.json").write_text(json.dumps({"name": "three", "grid": [1, 3], "order": [2, 0, 1]}))
    (tmp_path / "bad.json").write_text(json.dumps({"name": "bad", "grid": [1, 2], "order": [0, 0]}))
    np.save(tmp_path / "three.npy", np.array([2, 0, 1]))
    (tmp_path / "empty").mkdir()
    done = cli("show-order", *arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_a_numpy_file_is_shown_on_the_grid_that_is_given(cli, tmp_path):
    np.save(tmp_path / "three.npy", np.array([2, 0, 1]))
    assert shown(cli, "three.npy", "--grid", "1x3") == {"name": "three", "grid": [1, 3], "order": [2, 0, 1]}


def test_the_first_share_is_shown_alone(cli, tmp_path):
    assert shown(cli, "strided", "--grid", "4x4", "--keep", "0.25")["order"] == [0, 10, 2, 8]
    assert len(shown(cli, "strided", "--grid", "4x4", "--keep", "1")["order"]) == 16
    assert "12 of 16 patches have no slot" in cli("show-order", "row", "--grid", "4x4", "--keep", "0.25").stdout
    (tmp_path / "mine.json").write_text(json.dumps({"name": "mine", "grid": [1, 4], "order": [2, 0]}))
    assert shown(cli, "mine.json", "--keep", "0.25")["order"] == [2]
    assert shown(cli, "mine.json", "--keep", "1")["order"] == [2, 0]
    for share, reason in (("0.75", "holds 2 of 4 patches, fewer than 3"), ("0", "cannot be kept")):
        done = cli("show-order", "mine.json", "--keep", share)
        assert done.exit_code == 2
        assert reason in done.stderr
