"""`reorder-kit export-order`: what it writes, and that its two lines do in timm what `wrap` does."""

from __future__ import annotations

import copy
import json

import numpy
import pytest
import torch
from timm.models.vision_transformer import VisionTransformer

import reorder_kit
from reorder_kit.orders.order_file import OrderFile


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


@pytest.mark.parametrize(
    "tokens",
    [{}, {"class_token": False, "global_pool": "avg"}, {"reg_tokens": 2}],
    ids=["cls", "no-extra-token", "cls-and-registers"],
)
def test_the_printed_lines_give_blocks_the_tokens_that_wrap_gives_them(cli, trained, tokens):
    printed = cli("export-order", trained.folder, "--to", "out").stdout.splitlines()
    lines = [line for line in printed if line.startswith(("order, ", "model."))]
    assert len(lines) == 2
    torch.manual_seed(0)
    model = VisionTransformer(
        img_size=16, patch_size=4, embed_dim=12, depth=2, num_heads=2, num_classes=3, **tokens
    ).eval()
    wrapped = reorder_kit.wrap(copy.deepcopy(model), OrderFile.load(trained.folder / "order.json").order).eval()
    exec("\n".join(lines), {"numpy": numpy, "torch": torch, "model": model})
    images = torch.randn(2, 3, 16, 16)
    inner = next(module for module in wrapped.modules() if isinstance(module, VisionTransformer))
    arrived = {
        name: tokens_at_first_block(vit, run, images)
        for name, (vit, run) in {"lines": (model, model), "wrap": (inner, wrapped)}.items()
    }
    row_major = tokens_at_first_block(*(unordered(model),) * 2, images)
    torch.testing.assert_close(arrived["lines"], arrived["wrap"], rtol=0, atol=0)
    assert not torch.equal(arrived["lines"], row_major)


def tokens_at_first_block(vit, run, images):
    seen = []
    handle = vit.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    with torch.no_grad():
        run(images)
    handle.remove()
    return seen[0]


def unordered(model):
    plain = copy.deepcopy(model)
    plain.norm_pre._forward_hooks.clear()
    return plain


def test_what_cannot_be_written_is_an_error_in_words(cli, trained, tmp_path):
    (tmp_path / "file").write_text("")
    done = cli("export-order", trained.folder, "--to", "file")
    assert done.exit_code == 2
    assert done.stderr.startswith("error: file: cannot be written: File exists\n  hint: ")
