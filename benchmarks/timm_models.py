"""Which timm models can read in another order: all whose blocks see a sequence of patches; and why others cannot.

    nice -n 19 python benchmarks/timm_models.py --out benchmarks/raw/timm-models.jsonl

Each model is built with two blocks, or narrow, if its function allows it, for images with a grid of 4x6 patches, in
double precision. Its weights are drawn so that no norm or LayerScale hides anything. It reads noise row-major and in a
random order, wrapped (`reorder_kit.wrap`) and as the backbone `timm`, there with a different order for each image. The
largest difference between outputs is relative to the largest output. Models with one signature (class, positions, kinds
of layers) differ only in size: one of them is measured, and the records of the others refer to it; with `--all`, all
are measured. Each class that works on the 2-D image is covered by one model. Models already in the file are skipped.
`check_results.py --write` puts the table into RESULTS.md.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

import reorder_kit
from reorder_kit.backbones._timm_names import class_of
from reorder_kit.backbones.timm import Timm
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import Proposal
from reorder_kit.model.timm_reading import READABLE, reading_of
from reorder_kit.orders.order import Order

RIGHT, REFUSED, WRONG = "right", "refused", "wrong"
BAR = 1e-4
GRID = (4, 6)
HEAD_DIM = 8
MOST_WEIGHTS = 150_000_000


def listed(done: Sequence[Mapping[str, Any]] = ()) -> Iterator[tuple[str, Any]]:
    """The models to examine, on the meta device: all models of readable classes, one model of every other class.

    Args:
        done: records of models already examined.
    """
    seen = {record["kind"] for record in done if record["outcome"] == REFUSED and record["kind"] not in READABLE}
    known = {record["model"] for record in done}
    for name in timm.list_models():
        if not timm.model_entrypoint(name).__module__.startswith("timm."):
            continue  # registered by another package
        kind = class_of(name)
        if kind in seen or name in known:
            continue
        with torch.device("meta"):
            model: Any = timm.create_model(name, pretrained=False)
        kind = type(model).__name__
        if kind not in READABLE:
            if kind in seen:
                continue
            seen.add(kind)
        yield name, model


def outcome_of(name: str, model: Any) -> dict[str, Any]:
    """The record of one model, without computing anything.

    Args:
        name: in timm.
        model: its tensors may be on the meta device.
    """
    record: dict[str, Any] = {"model": name, "kind": type(model).__name__}
    try:
        reading = reading_of(model)
    except ReorderKitError as error:
        who, _, reason = error.message.partition(": ")
        return {**record, "outcome": REFUSED if name in who else WRONG, "reason": reason}
    return {**record, "outcome": RIGHT, "positions": reading.positions, "signature": signature(model)}


def signature(model: Any) -> str:
    """What distinguishes how models read, apart from their size."""
    block = model.blocks[0]
    rope = getattr(model, "rope", None)
    parts = {
        "class": type(model).__name__,
        "prefix": getattr(model, "num_prefix_tokens", 0),
        "registers": 0 if getattr(model, "reg_token", None) is None else model.reg_token.shape[1],
        "absolute": _shape_of(model),
        "rope": "" if rope is None else type(rope).__name__,
        "half": getattr(getattr(block, "attn", None), "rotate_half", ""),
        "dynamic": getattr(model, "dynamic_img_size", ""),
        "pool": f"{model.global_pool} {type(getattr(model, 'attn_pool', None)).__name__}",
        "layers": "/".join(_kinds(model.patch_embed, getattr(model, "norm_pre", None), model.norm)),
        "block": "/".join([type(block).__name__, *sorted({type(each).__name__ for each in block.modules()})]),
        "bias": "/".join(name for name in ("rel_pos_bias", "shared_rel_pos") if getattr(model, name, None) is not None),
    }
    return " ".join(f"{key}={value}" for key, value in parts.items() if value not in ("", 0))


def _shape_of(model: Any) -> str:
    positions = getattr(model, "pos_embed", None)
    if positions is None:
        return ""
    height, width = model.patch_embed.grid_size
    return f"patches+{positions.shape[1] - height * width}"


def _kinds(*modules: nn.Module | None) -> list[str]:
    return [type(module).__name__ for module in modules]


def measured(name: str, patch: tuple[int, int]) -> dict[str, Any]:
    """The largest difference that an order makes in the output of a model.

    Args:
        name: in timm.
        patch: height and width of its patches, pixels.
    """
    torch.manual_seed(0)
    image = (GRID[0] * patch[0], GRID[1] * patch[1])
    model, cut = _built(name, image)
    model = _shaken(model).double()
    noise = torch.randn(2, 3, *image, dtype=torch.float64)
    with torch.no_grad():
        expected = model(noise)
        differences = {"wrap": _difference(reorder_kit.wrap(model, torch.randperm(24))(noise), expected)}
        if not reading_of(model).overlaps:  # otherwise it is refused as a backbone
            differences["backbone"] = _difference(*_of_backbone(model, noise))
    outcome = RIGHT if max(differences.values()) <= BAR else WRONG
    return {"outcome": outcome, "cut": cut, "differences": differences}


def _of_backbone(model: Any, noise: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The readout with a random order for each image, and timm's own."""
    features = model.forward_head(model.forward_features(noise), pre_logits=True)
    backbone = Timm.from_timm(model)
    orders = Order(torch.stack([torch.randperm(24) for _ in range(len(noise))]))
    sequence = Proposal(orders).apply(backbone.tokenize(noise))
    return backbone.summarize(backbone.encode(sequence)), features


def _built(name: str, image: tuple[int, int]) -> tuple[Any, dict[str, int]]:
    with torch.device("meta"):
        heads = _heads_of(timm.create_model(name, pretrained=False).blocks[0])
    # The first that its function allows: two blocks, narrow blocks, or the full model.
    for cut in ({"depth": 2}, {"embed_dim": HEAD_DIM * heads}, {}):
        arguments = {"pretrained": False, "num_classes": 5, "img_size": image, **cut}
        try:
            with torch.device("meta"):
                weights = sum(each.numel() for each in timm.create_model(name, **arguments).parameters())
        except (TypeError, AssertionError, KeyError, ValueError):  # its function does not take these arguments
            continue
        if weights <= MOST_WEIGHTS:
            return timm.create_model(name, **arguments), cut
    raise SystemExit(f"timm cannot build {name} for images of {image} with at most {MOST_WEIGHTS:,} weights")


def _heads_of(block: nn.Module) -> int:
    found = (getattr(part, "num_heads", None) for part in block.modules())
    return next((heads for heads in found if isinstance(heads, int)), 1)


def _shaken(model: nn.Module) -> nn.Module:
    with torch.no_grad():
        for parameter in model.parameters():
            scale = 0.3 if parameter.ndim != 2 else parameter.shape[1] ** -0.5
            parameter.add_(scale * torch.randn_like(parameter))
    return model.eval()


def _difference(found: torch.Tensor, expected: torch.Tensor) -> float:
    return float((found - expected).abs().max() / expected.abs().max())


def report(records: Iterable[Mapping[str, Any]]) -> list[str]:
    """A table of the supported models by class and positions, then of the refused ones by reason."""
    records = list(records)
    right = [record for record in records if record["outcome"] == RIGHT]
    refused = [record for record in records if record["outcome"] == REFUSED]
    lines = [
        f"{len(right)} models are right, {len(records) - len(right) - len(refused)} wrong; "
        f"{len(refused)} classes are refused by name.",
        "",
        "| class | positions in its blocks | models | signatures | measured | largest difference, `wrap` | `timm` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for kind, positions in sorted({(record["kind"], record["positions"]) for record in right}):
        group = [record for record in right if (record["kind"], record["positions"]) == (kind, positions)]
        known = [record["differences"] for record in group if "differences" in record]
        most = [max(differences[way] for differences in known if way in differences) for way in ("wrap", "backbone")]
        signatures = len({record["signature"] for record in group})
        counts = f"{len(group)} | {signatures} | {len(known)}"
        lines.append(f"| {kind} | {positions} | {counts} | {most[0]:.0e} | {most[1]:.0e} |")
    lines += ["", "| refused, because | classes |", "| --- | --- |"]
    for reason in sorted({record["reason"] for record in refused}):
        kinds = sorted({record["kind"] for record in refused if record["reason"] == reason})
        lines.append(f"| {reason} | {', '.join(kinds)} |")
    return lines


def main() -> None:
    """Examine the models that are not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("timm-models.jsonl"))
    parser.add_argument("--all", action="store_true", help="measure every model")
    arguments = parser.parse_args()
    arguments.out.touch()
    done = [json.loads(line) for line in arguments.out.read_text().splitlines()]
    if arguments.all:
        done = [record for record in done if "like" not in record]
    like = {record["signature"]: record["model"] for record in done if "differences" in record}
    for name, model in listed(tuple(done)):
        began, record = time.monotonic(), outcome_of(name, model)
        if record["outcome"] == RIGHT and (arguments.all or record["signature"] not in like):
            record |= measured(name, model.patch_embed.feat_ratio(as_scalar=False))
            like[record["signature"]] = name
        elif record["outcome"] == RIGHT:
            record["like"] = like[record["signature"]]
        done.append(record)
        arguments.out.write_text("".join(json.dumps(each) + "\n" for each in done))
        print(f"{name}: {record['outcome']}, {time.monotonic() - began:.1f} s", file=sys.stderr, flush=True)
    print("\n".join(report(done)))


if __name__ == "__main__":
    main()
