"""`reorder-kit export-order`: its files, and that its lines do the same in timm as `wrap`."""

from __future__ import annotations

import copy
import json
from pathlib import Path

import numpy
import pytest
import timm
import torch
from timm.models.vision_transformer import VisionTransformer

import reorder_kit
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from reorder_kit.runs.run_folder import RunFolder


def test_both_files_hold_the_final_order(cli, trained, tmp_path):
    done = cli("export-order", trained.folder, "--to", "out/deep")
    assert done.exit_code == 0
    final = trained.result["order"]["final"]
    assert final != list(range(16))
    assert json.loads((tmp_path / "out/deep/order.json").read_text())["order"] == final
    assert numpy.load(tmp_path / "out/deep/order.npy").tolist() == final
    assert "out/deep/order.json and out/deep/order.npy" in done.stdout


def test_by_default_they_stand_in_the_run_folder(cli, trained):
    before = (trained.folder / "order.json").read_text()
    assert cli("export-order", trained.folder).exit_code == 0
    assert (trained.folder / "order.json").read_text() == before
    assert (trained.folder / "order.npy").exists()


def lines_in(printed):
    """The Python code in the output."""
    start = printed.index("import numpy, torch")
    return printed[start : printed.index("\n\n", printed.index("register_forward_hook"))]


@pytest.mark.parametrize(
    "tokens",
    [{}, {"class_token": False, "global_pool": "avg"}, {"reg_tokens": 2}],
    ids=["cls", "no-extra-token", "cls-and-registers"],
)
def test_the_printed_lines_give_blocks_the_tokens_that_wrap_gives_them(cli, trained, tokens):
    printed = cli("export-order", trained.folder, "--to", "out").stdout
    assert "model = a timm VisionTransformer of this grid:" in printed
    torch.manual_seed(0)
    model = small_vit(**tokens)
    with_lines = copy.deepcopy(model)
    exec(lines_in(printed), {"model": with_lines})
    images = torch.randn(2, 3, 16, 16)
    arrived = {
        "lines": tokens_at_first_block(with_lines, with_lines, images),
        "wrap": tokens_at_first_block(model, reorder_kit.wrap(model, Path("out/order.json")), images),
    }
    torch.testing.assert_close(arrived["lines"], arrived["wrap"], rtol=0, atol=0)
    assert not torch.equal(arrived["lines"], tokens_at_first_block(model, model, images))


def test_lines_for_a_named_model_are_for_that_model_alone(cli, trained):
    printed = cli("export-order", trained.folder, "--to", "out", "--timm", "vit_wee_patch16_reg1_gap_256").stdout
    create = 'timm.create_model("vit_wee_patch16_reg1_gap_256", img_size=(64, 64))'
    assert f"In plain timm, with model = {create}:" in printed
    model = eval(create, {"timm": timm}).eval()
    with_lines = copy.deepcopy(model)
    exec(lines_in(printed), {"model": with_lines})
    images = torch.randn(2, 3, 64, 64)
    torch.testing.assert_close(
        tokens_at_first_block(with_lines, with_lines, images),
        tokens_at_first_block(model, reorder_kit.wrap(model, "out/order.npy"), images),
        rtol=0,
        atol=0,
    )
    for other in ("vit_wee_patch16_reg1_gap_256", "vit_tiny_patch16_224"):  # another grid, and other tokens
        with pytest.raises(TypeError, match="these lines are for another model"):
            exec(lines_in(printed), {"model": timm.create_model(other, depth=1)})


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("eva02_tiny_patch14_224", "lines for eva02_tiny_patch14_224: its rotary positions must be reordered"),
        ("swin_tiny_patch4_window7_224", "cannot read in another order: its blocks work on the 2-D image"),
        ("vit_tinny_patch16_224", "timm has no model 'vit_tinny_patch16_224'\n  hint: did you mean 'vit_tiny_"),
        ("nonsense__patch16_224", "hint: name one such as vit_small_patch16_224"),
        ("", "the value is empty"),
    ],
)
def test_a_model_that_cannot_read_in_the_order_is_refused_before_anything_is_written(cli, trained, model, message):
    done = cli("export-order", trained.folder, "--to", "out", "--timm", model)
    assert done.exit_code == 2
    assert message in done.stderr
    assert not Path("out").exists()


def test_a_part_of_an_order_has_lines_that_read_this_part(cli, trained, monkeypatch):
    stored = OrderFile.load(trained.folder / "order.json").kept(0.25)
    monkeypatch.setattr(RunFolder, "read_order", lambda folder: stored)
    printed = cli("export-order", trained.folder, "--to", "out").stdout
    assert "The model then reads 4 of 16 patches." in printed
    model = small_vit()
    exec(lines_in(printed), {"model": model})
    assert tokens_at_first_block(model, model, torch.randn(2, 3, 16, 16)).shape == (2, 5, 12)


def test_an_order_of_clips_has_no_lines(cli, trained, monkeypatch):
    stored = OrderFile("clips", Grid(2, 4, 2), Order(list(range(16))))
    monkeypatch.setattr(RunFolder, "read_order", lambda folder: stored)
    done = cli("export-order", trained.folder, "--to", "out", "--timm", "vit_tiny_patch16_224")
    assert done.exit_code == 2
    assert "clips of 2 frames, but timm models read single images" in done.stderr
    printed = cli("export-order", trained.folder, "--to", "out").stdout
    assert "No lines for timm" in printed
    assert "import" not in printed


def small_vit(**tokens):
    return VisionTransformer(
        img_size=16, patch_size=4, embed_dim=12, depth=2, num_heads=2, num_classes=3, **tokens
    ).eval()


def tokens_at_first_block(vit, run, images):
    seen = []
    handle = vit.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        run(images)
    handle.remove()
    return seen[0]


def test_what_cannot_be_written_is_an_error_in_words(cli, trained, tmp_path):
    (tmp_path / "file").write_text("")
    done = cli("export-order", trained.folder, "--to", "file")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: file: cannot be written: File exists\n  hint: ")
