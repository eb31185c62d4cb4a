"""timm models as a backbone: positions stay with their patches in any order; causal models read along it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

import tiny_timm  # timm identifies its models by name
from reorder_kit.backbones._timm_blocks import causal_ranks, visible
from reorder_kit.backbones.timm import Timm
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Grid, ImageShape, Order, PatchSequence, Proposal
from timm_cases import shaken

IMAGE = ImageShape(3, 8, 12)
NAMES = ["little_vit", "little_eva", "little_mixed", "little_beit", "little_relpos", "little_cait"]
every_model = pytest.mark.parametrize("name", NAMES)
every_masked_model = pytest.mark.parametrize("name", NAMES[:-1])


def build(name: str, image: ImageShape = IMAGE, **options: Any) -> Timm:
    torch.manual_seed(0)
    backbone = Timm(Timm.Options(model=name, patch_size=4, **options), image)
    shaken(backbone)
    return backbone.double()


def images(batch: int = 4) -> Tensor:
    return torch.randn(batch, 3, 8, 12, generator=torch.Generator().manual_seed(1), dtype=torch.float64)


def read(backbone: Timm, *orders: Order, batch: int = 4) -> PatchSequence:
    sequence = backbone.tokenize(images(batch))
    for order in orders:
        sequence = Proposal(order).apply(sequence)
    return sequence


def readout(backbone: Timm, sequence: PatchSequence) -> Tensor:
    return backbone.summarize(backbone.encode(sequence))


NOISE = torch.Generator().manual_seed(2)
STATIC = Order(torch.randperm(6, generator=NOISE))
PER_IMAGE = Order(torch.stack([torch.randperm(6, generator=NOISE) for _ in range(4)]))
GROUPED = Order(PER_IMAGE.indices[:2], groups=torch.tensor([1, 0, 0, 1]))
BY_KIND = {"static": STATIC, "per image": PER_IMAGE, "grouped": GROUPED}
every_kind = pytest.mark.parametrize("kind", BY_KIND)


@every_model
@every_kind
@torch.no_grad()
def test_every_order_gives_timms_own_output(name: str, kind: str) -> None:
    backbone = build(name)
    expected = backbone.model(images())
    torch.testing.assert_close(readout(backbone, read(backbone)), expected)
    torch.testing.assert_close(readout(backbone, read(backbone, BY_KIND[kind])), expected)
    torch.testing.assert_close(readout(backbone, read(backbone, BY_KIND[kind], PER_IMAGE)), expected)


@every_model
@every_kind
@torch.no_grad()
def test_a_part_of_the_patches_is_read_alike_in_any_order_with_padding_or_without(name: str, kind: str) -> None:
    backbone, order = build(name), BY_KIND[kind].first(4)
    kept = read(backbone, order)
    sorted_patches = Order(order.per_image(4).sort(dim=1).values, num_patches=6)
    expected = readout(backbone, read(backbone, sorted_patches))
    torch.testing.assert_close(readout(backbone, kept), expected)
    # The same patches in six slots, two of them padding.
    valid = torch.tensor([[True] * 4 + [False] * 2] * 4)
    full = BY_KIND[kind]
    padded = PatchSequence(read(backbone, full).patches, backbone.grid, valid=valid, order=full)
    torch.testing.assert_close(readout(backbone, padded), expected)


@every_model
@torch.no_grad()
def test_an_order_before_a_later_block_is_followed(name: str) -> None:
    backbone = build(name)
    first = backbone.encode(read(backbone, STATIC), stop=1)
    moved = Proposal(PER_IMAGE).apply(first.sequence)
    encoded = backbone.encode(moved, start=1, extra_tokens=first.extra_tokens)
    torch.testing.assert_close(backbone.summarize(encoded), backbone.model(images()))


@every_model
def test_gradients_are_those_of_timm_with_recomputed_blocks_too(name: str) -> None:
    found = {}
    for recompute in (False, True):
        backbone = build(name, gradient_checkpointing=recompute)  # relative biases have dropout
        readout(backbone, read(backbone, PER_IMAGE)).square().sum().backward()
        found[recompute] = {key: value.grad for key, value in backbone.model.named_parameters()}
        backbone.zero_grad()
    backbone.model(images()).square().sum().backward()
    expected = {key: value.grad for key, value in backbone.model.named_parameters()}
    for gradients in found.values():
        torch.testing.assert_close(gradients, expected)


# Causal


@every_masked_model
@pytest.mark.parametrize("kind", ["static", "per image"])
@torch.no_grad()
def test_a_causal_slot_is_what_it_is_in_the_sequence_that_ends_there(name: str, kind: str) -> None:
    backbone = build(name, causal=True, readout="last")
    whole = backbone.encode(read(backbone, BY_KIND[kind])).sequence.patches
    for slots in range(1, 7):
        cut = read(backbone, BY_KIND[kind].first(slots))
        torch.testing.assert_close(backbone.encode(cut).sequence.patches, whole[:, :slots])
        torch.testing.assert_close(
            readout(backbone, cut), backbone._normed(backbone.encode(cut).sequence.patches[:, -1])
        )


@every_masked_model
@torch.no_grad()
def test_cls_that_is_read_stands_behind_all_slots_and_registers_in_front(name: str) -> None:
    backbone = build(name, causal=True, readout="cls")
    sequence = read(backbone, STATIC)
    before = backbone.encode(sequence)
    assert before.extra_tokens is not None
    later = sequence.patches.clone()
    later[:, 5] += torch.randn_like(later[:, 5])
    after = backbone.encode(sequence.with_patches(later))
    assert after.extra_tokens is not None
    changed = (after.extra_tokens - before.extra_tokens).abs().amax(dim=(0, 2)) > 1e-9
    assert changed.tolist() == [True] + [False] * (before.extra_tokens.shape[1] - 1)
    # No slot sees CLS.
    backbone.model.cls_token.add_(torch.randn_like(backbone.model.cls_token))
    torch.testing.assert_close(backbone.encode(sequence).sequence.patches, before.sequence.patches)
    assert not torch.allclose(readout(backbone, read(backbone)), readout(backbone, read(backbone, STATIC)))


def test_who_sees_whom_in_a_causal_model() -> None:
    rank = causal_ranks(prefix=3, at_the_end=1, slots=2, device=torch.device("cpu"))
    seen = visible(None, 3, rank)
    assert seen is not None
    assert seen[0, 0].int().tolist() == [
        [1, 1, 1, 1, 1],  # CLS sees all
        [0, 1, 1, 0, 0],  # registers see each other
        [0, 1, 1, 0, 0],
        [0, 1, 1, 1, 0],  # slots see registers, themselves, and earlier slots
        [0, 1, 1, 1, 1],
    ]
    padded = visible(torch.tensor([[False, True]]), 3, rank)
    assert padded is not None
    assert padded[0, 0, 3:].int().tolist() == [[0, 1, 1, 1, 0], [0, 1, 1, 0, 1]]


@pytest.mark.parametrize(
    ("options", "sensitive"),
    [
        ({"model": "little_vit"}, False),
        ({"model": "little_vit", "readout": "last"}, True),
        ({"model": "little_vit", "causal": True}, True),
        ({"model": "little_vit", "causal": True, "readout": "mean"}, True),
    ],
)
def test_what_is_order_sensitive(options: dict[str, Any], sensitive: bool) -> None:
    facts = Timm.facts(Timm.Options(patch_size=4, **options), IMAGE)
    assert (facts.order_sensitive, facts.is_causal) == (sensitive, options.get("causal", False))


def test_one_causal_block_with_cls_sees_a_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tiny_timm.SHAPE, "depth", 1)
    backbone = build("little_vit", causal=True)
    assert not backbone.order_sensitive
    torch.testing.assert_close(readout(backbone, read(backbone)), readout(backbone, read(backbone, STATIC)))
    assert build("little_vit", causal=True, readout="mean").order_sensitive


def test_a_causal_model_of_a_single_slot_says_that_it_is_idle() -> None:
    facts = Timm.facts(Timm.Options(model="little_eva", patch_size=4, causal=True), ImageShape(3, 4, 4))
    assert (facts.order_sensitive, set(facts.idle)) == (False, {"causal"})


def test_blocks_without_a_mask_are_refused_by_name() -> None:
    with pytest.raises(ReorderKitError, match=r"Cait.*cannot be causal: its blocks take no mask"):
        Timm.facts(Timm.Options(model="little_cait", patch_size=4, causal=True), IMAGE)


@pytest.mark.parametrize(
    ("options", "warned"), [({}, False), ({"pretrained": True}, True), ({"weights": "weights.pth"}, True)]
)
def test_a_causal_model_with_weights_is_warned_of(options: dict[str, Any], warned: bool) -> None:
    facts = Timm.facts(Timm.Options(model="little_vit", patch_size=4, causal=True, **options), IMAGE)
    assert ("needs fine-tuning" in facts.caution) is warned
    assert not Timm.facts(Timm.Options(model="little_vit", patch_size=4, **options), IMAGE).caution


# Weights of a file


@pytest.mark.parametrize("classes", [0, 5])
@torch.no_grad()
def test_weights_come_from_a_file_with_a_classifier_or_without(classes: int, tmp_path: Path) -> None:
    torch.manual_seed(3)
    model = shaken(timm.create_model("test_vit", num_classes=classes, img_size=16, patch_size=4))
    torch.save(model.state_dict(), tmp_path / "weights.pth")
    options = Timm.Options(model="test_vit", patch_size=4, weights=str(tmp_path / "weights.pth"))
    assert not Timm.facts(options, IMAGE).downloads
    backbone, square = Timm(options, ImageShape(3, 16, 16)).eval(), torch.randn(2, 3, 16, 16)
    expected = model.forward_head(model.forward_features(square), pre_logits=True)
    sequence = backbone.tokenize(square)
    torch.testing.assert_close(backbone.summarize(backbone.encode(sequence)), expected)
    assert Timm.without_downloads(options).weights is None
    assert "state_dict" not in backbone.model.pretrained_cfg
    # Positions of another grid are resampled as in timm.
    assert Timm(options, IMAGE).grid == Grid(2, 3)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda state: state.pop("blocks.1.norm1.weight"), "Missing key"),
        (lambda state: state.update(extra=torch.zeros(1)), "Unexpected key"),
        (lambda state: state.update({"norm.weight": torch.zeros(3)}), "size mismatch"),
    ],
)
def test_weights_that_do_not_fit_are_refused(spoil: Any, message: str, tmp_path: Path) -> None:
    state = timm.create_model("test_vit", img_size=(8, 12), patch_size=4).state_dict()
    spoil(state)
    save_file(state, tmp_path / "weights.safetensors")
    options = Timm.Options(model="test_vit", patch_size=4, weights=str(tmp_path / "weights.safetensors"))
    with pytest.raises(ReorderKitError, match=f"cannot load .*weights.safetensors into test_vit: .*{message}"):
        Timm(options, IMAGE)


def test_a_file_that_is_missing_or_holds_more_than_tensors_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "weights.pth"
    options = Timm.Options(model="test_vit", patch_size=4, weights=str(file))
    with pytest.raises(ReorderKitError, match="cannot be read: No such file"):
        Timm(options, IMAGE)
    torch.save({"model": Path("x")}, file)
    with pytest.raises(ReorderKitError, match="objects besides tensors"):
        Timm(options, IMAGE)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda value: value.fill_(torch.nan), r"1 of its weights are not finite"),
        (lambda value: value.to(torch.int8), r"not floating-point numbers \(norm.weight: int8\)"),
        (lambda value: value.to("meta"), "norm.weight is sparse or has no values"),
    ],
)
def test_weights_that_are_no_numbers_are_refused(spoil: Any, message: str, tmp_path: Path) -> None:
    state = timm.create_model("test_vit", img_size=(8, 12), patch_size=4).state_dict()
    state["norm.weight"] = spoil(state["norm.weight"])
    torch.save(state, tmp_path / "weights.pth")
    with pytest.raises(ReorderKitError, match=message):
        Timm(Timm.Options(model="test_vit", patch_size=4, weights=tmp_path / "weights.pth"), IMAGE)


@pytest.mark.parametrize("content", [{}, [torch.zeros(1)], torch.zeros(3)], ids=["empty", "list", "tensor"])
def test_a_file_without_weights_by_name_is_refused(content: Any, tmp_path: Path) -> None:
    torch.save(content, file := tmp_path / "weights.pth")
    with pytest.raises(ReorderKitError, match="holds no weights by name"):
        Timm(Timm.Options(model="test_vit", patch_size=4, weights=str(file)), IMAGE)


@pytest.mark.parametrize("name", ["weights.PTH", "weights.SafeTensors"])
def test_a_file_is_read_once_without_running_it_whatever_the_case_of_its_ending(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state = timm.create_model("test_vit", img_size=(8, 12), patch_size=4).state_dict()
    file, read = tmp_path / name, torch.load
    (torch.save if name == "weights.PTH" else save_file)(state, file)
    safely: list[bool] = []
    monkeypatch.setattr(
        torch, "load", lambda *given, **named: safely.append(named["weights_only"]) or read(*given, **named)
    )
    backbone = Timm(Timm.Options(model="test_vit", patch_size=4, weights=str(file)), IMAGE)
    assert safely == ([] if name != "weights.PTH" else [True])
    assert torch.equal(backbone.model.state_dict()["blocks.1.norm1.weight"], state["blocks.1.norm1.weight"])
    assert torch.equal(backbone.model.blocks[0].attn.qkv.weight, state["blocks.0.attn.qkv.weight"])
    assert "state_dict" not in backbone.model.pretrained_cfg


def test_a_model_whose_patches_share_pixels_is_refused() -> None:
    with pytest.raises(ReorderKitError, match=r"vit_tiny_r_s16_p8_224 makes each patch from pixels of its neighbors"):
        Timm.facts(Timm.Options(model="vit_tiny_r_s16_p8_224"), ImageShape(3, 64, 64))


def test_patches_that_timm_cannot_change_are_refused() -> None:
    with pytest.raises(ReorderKitError, match=r"vit_tiny_r_s16_p8_224"):
        Timm.facts(Timm.Options(model="vit_tiny_r_s16_p8_224", patch_size=4), ImageShape(3, 64, 64))
