"""Released checkpoints of ARM and Vision Mamba: every weight is loaded correctly, or the file is refused."""

from __future__ import annotations

import argparse
import logging
import pickle
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

import reorder_kit
from released_weights import arm_pretraining_shapes, arm_shapes, drawn, vim_shapes
from reorder_kit.backbones.arm import Arm
from reorder_kit.backbones.mamba import Mamba
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Backbone, ImageShape
from reorder_kit.layers import weights_file
from reorder_kit.layers.weights_file import read_weights

IMAGE = ImageShape(1, 8, 8)
DIM, DEPTH = 8, 2
D = "layers.0.mixer.D"
ARM = drawn(arm_shapes(DIM, DEPTH, patches=16, patch=2, channels=1, classes=3))
PRETRAINED = drawn(arm_pretraining_shapes(DIM, DEPTH, patches=16, patch=2, channels=1))
VIM = drawn(vim_shapes(DIM, DEPTH, patches=16, patch=2, channels=1, classes=3))


def build(backbone: type[Backbone], path: Path | None, image: ImageShape = IMAGE, **options: Any) -> Any:
    given = {"patch_size": 2, "dim": DIM, "depth": DEPTH, "weights": path, **options}
    return backbone(backbone.Options(**given), image)


def saved(weights: dict[str, Tensor], path: Path) -> Path:
    save_file(weights, path)
    return path


@pytest.fixture
def arm_file(tmp_path: Path) -> Path:
    return saved(ARM, tmp_path / "arm.safetensors")


def without_middle(table: Tensor) -> Tensor:
    return torch.cat([table[:, :8], table[:, 9:]], dim=1)


def test_every_weight_of_arm_after_fine_tuning_goes_where_it_belongs(arm_file: Path) -> None:
    arm = build(Arm, arm_file)
    assert torch.equal(arm.embedding.positions.table, without_middle(ARM["pos_embed"]))
    assert torch.equal(arm.position_of_cls, ARM["pos_embed"][:, 8:9])
    assert torch.equal(arm.cls_token, ARM["cls_token"])
    for index, suffix in enumerate(("", "_b", "_c", "_c_b")):
        walk = arm.blocks[1].mixer.walks[index]
        assert torch.equal(walk.A_log, ARM[f"layers.1.mixer.A{suffix}_log"])
        assert torch.equal(walk.D, ARM[f"layers.1.mixer.D{suffix}"])
        assert torch.equal(walk.conv1d.bias, ARM[f"layers.1.mixer.conv1d{suffix}.bias"])
        assert torch.equal(walk.dt_proj.weight, ARM[f"layers.1.mixer.dt_proj{suffix}.weight"])
    assert torch.equal(arm.norm.bias, ARM["norm_f.bias"])


def test_the_single_scan_of_pretraining_becomes_all_four_and_the_rest_keeps_its_start(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        torch.manual_seed(0)
        arm = build(Arm, saved(PRETRAINED, tmp_path / "arm.safetensors"))
    torch.manual_seed(0)
    untrained = build(Arm, None)
    assert torch.equal(arm.embedding.positions.table, PRETRAINED["pos_embed"])
    for walk in arm.blocks[0].mixer.walks:
        assert torch.equal(walk.A_log, PRETRAINED["layers.0.mixer.A_log"])
        assert torch.equal(walk.x_proj.weight, PRETRAINED["layers.0.mixer.x_proj.weight"])
    for name in ("cls_token", "position_of_cls", "norm.weight", "norm.bias"):
        assert torch.equal(arm.state_dict()[name], untrained.state_dict()[name])
    left_out, kept = caplog.messages
    decoder = [name for name in PRETRAINED if not name.startswith(("layers", "patch_embed", "pos_embed"))]
    assert f"weights that belong to no backbone, left out: {len(decoder)}, such as" in left_out
    assert "weights that are not in the file and keep their start: 4, such as cls_token" in kept


def test_every_weight_of_vision_mamba_goes_where_it_belongs(tmp_path: Path) -> None:
    mamba = build(Mamba, saved(VIM, tmp_path / "vim.safetensors"))
    assert torch.equal(mamba.cls_token, VIM["cls_token"] + VIM["pos_embed"][:, 8:9])
    assert torch.equal(mamba.embedding.positions.table, without_middle(VIM["pos_embed"]))
    mixer = mamba.blocks[1].mixer
    for part, suffix in ((mixer, ""), (mixer.reverse, "_b")):
        assert torch.equal(part.A_log, VIM[f"layers.1.mixer.A{suffix}_log"])
        assert torch.equal(part.D, VIM[f"layers.1.mixer.D{suffix}"])
        assert torch.equal(part.conv1d.weight, VIM[f"layers.1.mixer.conv1d{suffix}.weight"])
        assert torch.equal(part.x_proj.weight, VIM[f"layers.1.mixer.x_proj{suffix}.weight"])
    assert torch.equal(mamba.blocks[0].norm.weight, VIM["layers.0.norm.weight"])
    assert torch.equal(mamba.norm.weight, VIM["norm_f.weight"])


@pytest.mark.parametrize(("backbone", "weights"), [(Arm, ARM), (Arm, PRETRAINED), (Mamba, VIM)])
def test_each_weight_of_a_file_is_used_or_reported(backbone: type[Backbone], weights: Any, tmp_path: Path) -> None:
    for name in [name for name in weights if not name.startswith("layers.0")]:  # both layers have the same names
        others = {other: value for other, value in weights.items() if other != name}
        is_needed = name.startswith(("layers", "patch_embed", "pos_embed", "norm_f", "cls_token"))
        path = saved(others, tmp_path / "less.safetensors")
        if name == "ar_token":  # without it, the file is not from pretraining
            is_needed = True
        if is_needed:
            with pytest.raises(ReorderKitError):
                build(backbone, path)
        else:
            build(backbone, path)


def test_the_classifier_is_left_out_and_counted(arm_file: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        build(Arm, arm_file)
    (told,) = caplog.messages
    assert told == f"{arm_file}: weights that belong to no backbone, left out: 2, such as head.bias"


def test_positions_of_another_grid_are_interpolated_and_reported(
    arm_file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        arm = build(Arm, arm_file, ImageShape(1, 6, 12))
    by_place = without_middle(ARM["pos_embed"]).reshape(4, 4, DIM).permute(2, 0, 1)[None]
    expected = F.interpolate(by_place, (3, 6), mode="bicubic", align_corners=False)[0].permute(1, 2, 0).reshape(18, DIM)
    torch.testing.assert_close(arm.embedding.positions.table[0], expected)
    assert caplog.messages[0] == f"{arm_file}: the positions of a 4x4 grid are interpolated to 3x6"


@pytest.mark.parametrize(
    ("options", "image", "message"),
    [
        ({"depth": 1}, IMAGE, r"32 missing|unexpected \(layers.1"),
        ({"depth": 3}, IMAGE, r"missing \(layers.2.mixer"),
        ({"dim": 16}, IMAGE, r"of another shape \(cls_token is 1x1x8 and not 1x1x16"),
        ({"patch_size": 4}, ImageShape(1, 16, 16), r"patch_embed.proj.weight is 8x1x2x2 and not 8x1x4x4"),
        ({"positions": "none"}, IMAGE, r"1 unexpected \(pos_embed\)"),
        ({"positions": "sincos"}, IMAGE, r"1 unexpected \(pos_embed\)"),
        ({}, ImageShape(1, 8, 8, frames=2), "not of clips of 2 frames"),
    ],
)
def test_weights_of_another_model_are_refused_by_name(
    options: dict[str, Any], image: ImageShape, message: str, arm_file: Path
) -> None:
    with pytest.raises(ReorderKitError, match=message):
        build(Arm, arm_file, image, **options)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda found: found | {"pos_embed": torch.zeros(1, 7, DIM)}, "7 positions are not those of a square grid"),
        (lambda found: found | {"extra": torch.zeros(1)}, r"1 unexpected \(extra\)"),
        (lambda found: {"a": torch.zeros(1)}, "it has no positions"),
        (lambda found: found | {"pos_embed": torch.zeros(())}, "positions are torch.float32 of shape a number"),
        (lambda found: found | {"pos_embed": torch.zeros(17, DIM)}, "positions are torch.float32 of shape 17x8"),
        (lambda found: found | {"pos_embed": torch.zeros(1, 17, DIM).int()}, "positions are torch.int32"),
        (
            lambda found: found | {"pos_embed": torch.zeros(1, 1, DIM)},
            "position of a single patch would be used for 16",
        ),
        (
            lambda found: found | {"pos_embed": torch.zeros(1, 2, DIM)},
            "position of a single patch would be used for 16",
        ),
        (lambda found: found | {"pos_embed": torch.full((1, 17, DIM), torch.inf)}, r"not finite \(pos_embed\)"),
        (lambda found: found | {D: torch.full((DIM,), torch.nan)}, rf"1 of its weights are not finite \({D}\)"),
        (lambda found: found | {D: torch.full((DIM,), 1e300, dtype=torch.float64)}, "not finite"),
        (lambda found: found | {D: torch.ones(DIM, dtype=torch.int8)}, rf"floating-point numbers \({D}: int8\)"),
        (lambda found: found | {D: torch.ones(DIM, dtype=torch.complex64)}, rf"\({D}: complex64\)"),
        (lambda found: found | {D: torch.ones(DIM).to_sparse()}, f"{D} is sparse or has no values"),
        (lambda found: found | {D: torch.ones(DIM, device="meta")}, f"{D} is sparse or has no values"),
    ],
)
@pytest.mark.filterwarnings("ignore:Validating sparse tensor")
def test_damaged_weights_are_refused(
    change: Callable[[dict[str, Tensor]], dict[str, Tensor]], message: str, tmp_path: Path
) -> None:
    torch.save(change(ARM), tmp_path / "arm.pth")
    with pytest.raises(ReorderKitError, match=message):
        build(Arm, tmp_path / "arm.pth")


@pytest.mark.parametrize("shape", [(DIM,), (1, 1, 1)])
def test_a_cls_of_another_shape_than_its_position_is_refused(shape: tuple[int, ...], tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"cls_token is .* but its position is \(1, 1, 8\)"):
        build(Mamba, saved(VIM | {"cls_token": torch.zeros(shape)}, tmp_path / "vim.safetensors"))


@pytest.mark.parametrize(
    ("option", "value"),
    [("readout", "mean"), ("bidirectional", False), ("cls_position", "end"), ("slot_positions", "sincos")],
)
def test_released_weights_of_mamba_are_those_of_vision_mamba(option: str, value: Any, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"two directions, CLS in the middle .* leave out {option}"):
        build(Mamba, tmp_path / "vim.safetensors", **{option: value})


def test_released_weights_of_arm_have_no_positions_of_slots(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leave out slot_positions"):
        build(Arm, tmp_path / "arm.safetensors", slot_positions="learned")


@pytest.mark.parametrize("as_zip", [True, False], ids=["zip", "legacy"])
@pytest.mark.filterwarnings("ignore")  # torch warns about damaged files
def test_a_damaged_checkpoint_is_refused_in_words_or_read(as_zip: bool, tmp_path: Path) -> None:
    path, noise = tmp_path / "one.pth", random.Random(0)
    weights = {f"l{number}.w": torch.ones(2) for number in range(4)}
    content: dict[str, Any] = {"args": argparse.Namespace(lr=1.0), "model": weights}
    torch.save(content, path, _use_new_zipfile_serialization=as_zip)
    whole = path.read_bytes()
    assert read_weights(path)["l3.w"].tolist() == [1, 1]
    for length in range(0, len(whole), len(whole) // 100):
        path.write_bytes(whole[:length])
        with pytest.raises(ReorderKitError):
            read_weights(path)
    refused = 0
    for _ in range(300):
        flipped = bytearray(whole)
        flipped[noise.randrange(4, min(len(whole), 1200))] = noise.randrange(256)
        path.write_bytes(flipped)
        try:
            read_weights(path)
        except ReorderKitError:
            refused += 1
    assert 0 < refused < 300


@pytest.mark.parametrize("where", ["model", "model_ema", "state_dict_ema", "state_dict", None])
def test_checkpoints_hold_weights_in_several_places(where: str | None, tmp_path: Path) -> None:
    weights = {"module._orig_mod.layer.weight": torch.ones(2)}
    is_average = where in ("model_ema", "state_dict_ema")
    other = {"model": {"layer.weight": torch.zeros(2)}} if is_average else {}
    settings = {"args": argparse.Namespace(lr=0.1), "epoch": 3}
    torch.save(weights if where is None else {**settings, **other, where: weights}, tmp_path / "one.pth")
    assert read_weights(tmp_path / "one.pth")["layer.weight"].tolist() == [1, 1]


class Unknown:
    """What a checkpoint should not hold."""


def test_what_cannot_be_read_is_refused_in_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ReorderKitError, match=r"none\.pth: cannot be read: No such file"):
        read_weights(tmp_path / "none.pth")
    torch.save({"model": Unknown()}, tmp_path / "objects.pth")
    with pytest.raises(ReorderKitError, match="objects besides tensors") as caught:
        read_weights(tmp_path / "objects.pth")
    assert "safetensors.torch.save_file" in str(caught.value.hint)
    for name, content in (
        ("noise.pth", b"noise"),
        ("empty.pth", b""),
        ("plain.pth", pickle.dumps([1])),
        ("noise.safetensors", b"noise"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ReorderKitError, match=f"{name}: cannot be read as"):
            read_weights(tmp_path / name)
    for content in ([1], {}, {"epoch": 3}):
        torch.save(content, tmp_path / "other.pth")
        with pytest.raises(ReorderKitError, match=r"holds no weights by name|epoch is not a tensor"):
            read_weights(tmp_path / "other.pth")
    monkeypatch.setattr(weights_file, "MOST_BYTES", 10)
    with pytest.raises(ReorderKitError, match="too much for a file of weights"):
        read_weights(tmp_path / "objects.pth")


@pytest.mark.parametrize(
    ("backbone", "weights"), [(Arm, ARM), pytest.param(Mamba, VIM, marks=pytest.mark.slow)], ids=["arm", "mamba"]
)
def test_a_run_is_opened_again_without_the_file(backbone: type[Backbone], weights: Any, tmp_path: Path) -> None:
    path = saved(weights, tmp_path / "released.safetensors")
    recipe = {
        "format_version": 1,
        "name": "released",
        "data": {"name": "digits", "batch_size": 900},
        "backbone": {"name": backbone.name, "patch_size": 2, "dim": DIM, "depth": DEPTH, "weights": str(path)},
        "optimizer": {"lr": 1.0e-9, "weight_decay": 0},
        "train": {"epochs": 1, "device": "cpu"},
    }
    reorder_kit.run(recipe, out=tmp_path / "run")
    path.unlink()
    opened = reorder_kit.load_run(tmp_path / "run").model.backbone
    expected = weights["patch_embed.proj.weight"]
    torch.testing.assert_close(opened.embedding.projection.weight, expected, rtol=0, atol=1e-5)
