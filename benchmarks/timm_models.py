"""Which models of timm read in another order: `wrap` and the lines that `export-order` prints, model by model.

    python benchmarks/timm_models.py --out benchmarks/raw/timm-models.jsonl

Every model is built at its own size with random weights, and reads a batch of noise in a random order. What arrives at
the first block, and the output, are compared with those of the plain model, whose tokens are put in order one by one.
The largest difference is a share of the largest number. With models that are refused, lines for a ViT must fail, too.
Models that are in the file already are skipped. `check_results.py --write` puts the table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy
import timm
import torch
from torch import Tensor, nn

import reorder_kit
from reorder_kit.cli._timm_lines import lines_for_model, lines_for_vit, named_model
from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid

MODELS = [
    "vit_tiny_patch16_224",
    "vit_small_patch32_224",
    "vit_small_patch8_224",
    "vit_base_patch16_224",
    "vit_base_patch16_224_miil",
    "vit_wee_patch16_reg1_gap_256",
    "vit_little_patch16_reg4_gap_256",
    "vit_medium_patch16_reg4_gap_256",
    "vit_medium_patch16_gap_240",
    "vit_dlittle_patch16_reg1_gap_256",
    "vit_dpwee_patch16_reg1_gap_256",
    "vit_pwee_patch16_reg1_gap_256",
    "vit_small_patch14_dinov2",
    "vit_small_patch14_reg4_dinov2",
    "vit_base_patch16_clip_224",
    "vit_base_patch32_clip_quickgelu_224",
    "vit_base_patch16_siglip_224",
    "vit_base_patch16_siglip_gap_224",
    "vit_base_patch16_rpn_224",
    "vit_base_patch16_18x2_224",
    "vit_base_patch16_xp_224",
    "vit_base_patch16_radio_v3",
    "vit_base_patch14_reg1_tipsv2",
    "vit_small_patch16_36x1_224",
    "vit_xsmall_patch16_clip_224",
    "flexivit_small",
    "beit3_base_patch16_224",
    "aimv2_large_patch14_224",
    "test_vit",
    "test_vit2",
    "test_vit3",
    "test_vit4",
    "vit_tiny_r_s16_p8_224",
    "vit_small_r26_s32_224",
    "vit_base_resnet26d_224",
    "vit_base_mci_224",
    "vitamin_small_224",
    "vitamin_base_224",
    "deit_tiny_patch16_224",
    "deit_tiny_distilled_patch16_224",
    "deit_small_distilled_patch16_224",
    "deit3_small_patch16_224",
    "deit3_medium_patch16_224",
    "cait_xxs24_224",
    "cait_xs24_384",
    "eva_large_patch14_196",
    "eva02_tiny_patch14_224",
    "eva02_base_patch16_clip_224",
    "vit_pe_core_tiny_patch16_384",
    "vit_small_patch16_rope_224",
    "vit_small_patch16_rope_ape_224",
    "vit_small_patch16_rope_mixed_224",
    "vit_small_patch16_rope_mixed_ape_224",
    "vit_small_patch16_dinov3",
    "vit_medium_patch16_rope_reg1_gap_256",
    "beit_base_patch16_224",
    "beitv2_base_patch16_224",
    "vit_relpos_small_patch16_224",
    "vit_relpos_base_patch16_clsgap_224",
    "vit_srelpos_small_patch16_224",
    "test_vit_relpos",
    "samvit_base_patch16",
    "samvit_base_patch16_224",
    "naflexvit_base_patch16_gap",
    "naflexvit_base_patch16_siglip",
    "xcit_nano_12_p16_224",
    "xcit_tiny_12_p8_224",
    "convit_tiny",
    "crossvit_9_240",
    "tnt_s_patch16_224",
    "volo_d1_224",
    "mixer_s32_224",
    "mixer_b16_224",
    "resmlp_12_224",
    "gmlp_ti16_224",
    "gmixer_12_224",
    "deepseek_vit_412m",
    "qwen3_vit_88m",
    "gemma4_vit_167m",
    "levit_128s",
    "pit_ti_224",
    "pit_ti_distilled_224",
    "nest_tiny",
    "hiera_tiny_224",
    "sam2_hiera_tiny",
    "mvitv2_tiny",
    "twins_svt_small",
    "twins_pcpvt_small",
    "coat_tiny",
    "swin_tiny_patch4_window7_224",
    "swinv2_tiny_window8_256",
    "swinv2_cr_tiny_224",
    "gcvit_xxtiny",
    "pvt_v2_b0",
    "davit_tiny",
    "focalnet_tiny_srf",
    "coatnet_0_224",
    "maxvit_tiny_tf_224",
    "efficientformer_l1",
    "tiny_vit_5m_224",
    "visformer_tiny",
    "convmixer_768_32",
    "sequencer2d_s",
    "caformer_s18",
    "edgenext_xx_small",
    "mobilevit_xxs",
    "resnet18",
]
"""Every family with patch tokens, some that have none; of each the small ones."""

RIGHT, REFUSED = "right", "refused"
BAR = 1e-4


def examine(name: str) -> dict[str, Any]:
    """What becomes of one model: right or refused, and what is wrong where it is neither."""
    with torch.device("meta"):
        model: Any = timm.create_model(name, pretrained=False)
    record = {
        "model": name,
        "family": timm.model_entrypoint(name).__module__.split(".")[-1],
        "kind": type(model).__name__,
    }
    try:
        reorder_kit.wrap(model, "random")
    except ReorderKitError as error:
        who, _, reason = error.message.partition(": ")
        outcome = REFUSED if name in who else "wrong"
        return {**record, "outcome": outcome, "reason": reason, "lines": _failing_lines(model)}
    return {**record, **_measured(name)}


def _failing_lines(model: nn.Module) -> str:
    """The error of lines that are for a ViT of the same grid."""
    height, width = getattr(getattr(model, "patch_embed", None), "grid_size", None) or (14, 14)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "order.npy"
        numpy.save(file, numpy.arange(height * width))
        try:
            exec(lines_for_vit(file, Grid(height, width), height * width).text, {"model": model})
        except (TypeError, AttributeError) as error:
            return type(error).__name__
    return "none"


def _measured(name: str) -> dict[str, Any]:
    torch.manual_seed(0)
    model: Any = timm.create_model(name, pretrained=False)
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.3 if parameter.ndim != 2 else parameter.shape[1] ** -0.5
            parameter.add_(scale * torch.randn_like(parameter))
    model.eval()
    images = torch.randn(2, 3, *model.patch_embed.img_size)
    height, width = model.patch_embed.grid_size
    order = torch.randperm(height * width)
    plain = _arrived(model, model, images)
    prefix = plain[0].shape[1] - height * width
    differences = {"wrap": _difference(_arrived(model, reorder_kit.wrap(model, order), images), plain, order, prefix)}
    reading, create = named_model(name, Grid(height, width))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "order.npy"
        numpy.save(file, order.numpy())
        ours = copy.deepcopy(model)
        exec(lines_for_model(reading, create, file, len(order)).text, {"model": ours})
    differences["lines"] = _difference(_arrived(ours, ours, images), plain, order, prefix)
    outcome = RIGHT if max(differences.values()) <= BAR else "wrong"
    return {"outcome": outcome, "prefix": prefix, "grid": [height, width], "differences": differences}


@torch.no_grad()
def _arrived(model: Any, run: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    seen: list[Tensor] = []
    handle = model.blocks[0].register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    output: Tensor = run(images)
    handle.remove()
    return seen[0], output


def _difference(found: tuple[Tensor, Tensor], plain: tuple[Tensor, Tensor], order: Tensor, prefix: int) -> float:
    tokens = [plain[0][:, place] for place in [*range(prefix), *(prefix + patch for patch in order.tolist())]]
    expected = (torch.stack(tokens, dim=1), plain[1])
    pairs = zip(found, expected, strict=True)
    return max(float((ours - theirs).abs().max() / theirs.abs().max()) for ours, theirs in pairs)


def report(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of the right ones by family, then of the refused ones by reason."""
    records = list(records)
    right = [record for record in records if record["outcome"] == RIGHT]
    refused = [record for record in records if record["outcome"] == REFUSED]
    wrong = [record["model"] for record in records if record["outcome"] not in (RIGHT, REFUSED)]
    silent = [record["model"] for record in refused if record["lines"] == "none"]
    lines = [
        f"{len(records)} models: {len(right)} right, {len(refused)} refused by name, "
        f"{len({*wrong, *silent})} silently wrong.",
        "",
        "| class | tokens before the patches | models | largest difference, `wrap` | largest difference, lines |",
        "| --- | --- | --- | --- | --- |",
    ]
    for kind, prefix in sorted({(record["kind"], record["prefix"]) for record in right}):
        group = [record for record in right if (record["kind"], record["prefix"]) == (kind, prefix)]
        most = [max(record["differences"][way] for record in group) for way in ("wrap", "lines")]
        lines.append(f"| {kind} | {prefix} | {_names(group)} | {most[0]:.0e} | {most[1]:.0e} |")
    lines += ["", "| refused, because | models |", "| --- | --- |"]
    for reason in sorted({record["reason"] for record in refused}):
        lines.append(f"| {reason} | {_names([record for record in refused if record['reason'] == reason])} |")
    return lines


def _names(records: Iterable[Mapping[str, Any]]) -> str:
    return ", ".join(record["model"] for record in records)


def main() -> None:
    """Examine what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("timm-models.jsonl"))
    parser.add_argument("--models", nargs="*", default=MODELS)
    arguments = parser.parse_args()
    arguments.out.touch()
    done = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    for name in arguments.models:
        if name in {record["model"] for record in done}:
            continue
        began = time.monotonic()
        record = examine(name)
        with arguments.out.open("a") as file:
            file.write(json.dumps(record) + "\n")
        done.append(record)
        print(f"{name}: {record['outcome']}, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    print("\n".join(report(done)))


if __name__ == "__main__":
    main()
