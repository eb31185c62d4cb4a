"""Speed and memory of the order-sensitive backbones, compared with transformers and by sequence length.

    python benchmarks/backbones.py speed
    python benchmarks/backbones.py growth

`speed`: forward and backward of the Mamba mixer compared with transformers' slow path (batch 8, 197 slots, inner width
384, state 16; the same weights), of the mixers of Mamba-2 (state 128) and Gated DeltaNet (the tiny size) compared with
transformers' Mamba-2 and Qwen3-Next in the same way, and of Longformer's attention compared with transformers'
LongformerSelfAttention (1,025 tokens, width 384, 6 heads, 128 slots on each side, one global token, no output
projection). The runs of all contestants alternate in one process; figures are medians, and ratios are ratios of
medians.

`growth`: forward and backward of two blocks of width 192 for one image of 1,024, 4,096 and 16,384 slots, each in its
own process: median time, and peak resident memory above the baseline before the first pass (Linux). With a fixed stride
or block, part of the time of `sparse` grows with the square of the length; with BigBird it does not.
"""

from __future__ import annotations

import argparse
import multiprocessing
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import torch
import transformers
from torch import Tensor, nn
from transformers import LongformerConfig, Mamba2Config, MambaConfig, Qwen3NextConfig
from transformers.models.longformer.modeling_longformer import LongformerSelfAttention
from transformers.models.mamba.modeling_mamba import MambaMixer as TheirMixer
from transformers.models.mamba2.modeling_mamba2 import Mamba2Mixer as TheirMamba2Mixer
from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.interfaces import ImageShape, PatchSequence
from reorder_kit.layers.gated_delta_mixer import GatedDeltaMixer
from reorder_kit.layers.mamba2_mixer import Mamba2Mixer
from reorder_kit.layers.mamba_mixer import MambaMixer
from reorder_kit.layers.windowed_attention import WindowedAttention

BACKBONES: dict[str, dict[str, Any]] = {
    "mamba": {"name": "mamba", "size": "tiny", "readout": "mean"},
    "mamba2": {"name": "mamba2", "size": "tiny", "readout": "mean"},
    "gated-deltanet": {"name": "gated-deltanet", "size": "tiny", "readout": "mean"},
    "longformer": {"name": "longformer", "size": "tiny", "window": 14},
    "transformer-xl": {"name": "transformer-xl", "size": "tiny"},
    "local": {"name": "local", "dim": 192, "heads": 3, "window": 14},
    "hierarchical": {
        "name": "hierarchical",
        "dim": 192,
        "levels": [{"mixer": "local", "heads": 3, "window": 14}, {"mixer": "mamba"}],
    },
    "vmamba": {"name": "vmamba", "dim": 192, "depths": [1, 1]},
    "sparse, strided": {"name": "sparse", "size": "tiny", "pattern": "strided", "stride": 64},
    "sparse, fixed": {"name": "sparse", "size": "tiny", "pattern": "fixed", "block": 64},
    "sparse, bigbird": {"name": "sparse", "size": "tiny", "pattern": "bigbird", "block": 64},
}
SIDES = (32, 64, 128)  # of the image, in patches of one pixel
WINDOW = 128  # on each side; transformers' attention_window counts both sides


def alternate(contestants: dict[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Median seconds of each contestant; their runs alternate."""
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for run in contestants.values():
        run()
        run()
    for _ in range(repeats):
        for name, run in contestants.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    return {name: median(values) for name, values in seconds.items()}


def both_ways(function: Callable[[Tensor], Tensor], inputs: Tensor) -> Callable[[], None]:
    """Forward and backward."""

    def run() -> None:
        function(inputs).square().mean().backward()

    return run


def speed(repeats: int) -> None:
    """Print the tables of both comparisons."""
    describe_machine()
    show("Mamba mixer, batch 8", alternate(mixers(), repeats))
    show("Mamba-2 mixer, batch 8", alternate(mamba2_mixers(), repeats))
    show("Gated DeltaNet mixer, batch 8", alternate(gated_delta_mixers(), repeats))
    for batch in (1, 8):
        show(f"Longformer attention, batch {batch}", alternate(attentions(batch), repeats))


def show(title: str, seconds: dict[str, float]) -> None:
    """Print a table; the others are compared with the first contestant."""
    base = next(iter(seconds.values()))
    print(f"\n| {title} | ms | times faster |\n| --- | --- | --- |")
    for name, value in seconds.items():
        print(f"| {name} | {1000 * value:.0f} | {base / value:.1f} |")


def mixers() -> dict[str, Callable[[], object]]:
    """Mixers with the same weights."""
    config = MambaConfig(hidden_size=192, state_size=16, num_hidden_layers=1, use_mambapy=False)
    theirs = TheirMixer(config, layer_idx=0)
    inputs = torch.randn(8, 197, 192, requires_grad=True)
    contestants: dict[str, Callable[[], object]] = {"transformers": both_ways(theirs, inputs)}
    for backend in ("torch", "compiled"):
        ours = MambaMixer(192, backend=backend)
        ours.load_state_dict(theirs.state_dict())
        contestants[f"ours, backend {backend}"] = both_ways(ours, inputs)
    return contestants


def mamba2_mixers() -> dict[str, Callable[[], object]]:
    """Mixers with the same weights."""
    config = Mamba2Config(hidden_size=192, state_size=128, num_heads=6, n_groups=1, chunk_size=64, num_hidden_layers=1)
    return same_weights(TheirMamba2Mixer(config, layer_idx=0), Mamba2Mixer(192))


def gated_delta_mixers() -> dict[str, Callable[[], object]]:
    """Mixers with the same weights."""
    config = Qwen3NextConfig(
        hidden_size=192,
        linear_num_key_heads=3,
        linear_num_value_heads=3,
        linear_key_head_dim=48,
        linear_value_head_dim=96,
        num_hidden_layers=1,
    )
    return same_weights(Qwen3NextGatedDeltaNet(config, layer_idx=0), GatedDeltaMixer(192, 3, 3, 48, 96))


def same_weights(theirs: nn.Module, ours: nn.Module) -> dict[str, Callable[[], object]]:
    """A mixer of transformers, and ours with the same weights."""
    ours.load_state_dict(theirs.state_dict())
    inputs = torch.randn(8, 197, 192, requires_grad=True)
    return {"transformers": both_ways(theirs, inputs), "ours": both_ways(ours, inputs)}


def attentions(batch: int) -> dict[str, Callable[[], object]]:
    """Attention with a global CLS token; transformers needs whole windows, so its input is padded."""
    tokens, padding = 1025, -1025 % (2 * WINDOW)
    config = LongformerConfig(
        hidden_size=384, num_attention_heads=6, attention_window=[2 * WINDOW], attention_probs_dropout_prob=0.0
    )
    theirs = LongformerSelfAttention(config, layer_id=0)
    mask = torch.zeros(batch, tokens + padding)
    mask[:, 0], mask[:, tokens:] = 1, -10_000

    def attend(inputs: Tensor) -> Tensor:
        padded = nn.functional.pad(inputs, (0, 0, 0, padding))
        attended = theirs(padded, mask, is_index_masked=mask < 0, is_index_global_attn=mask > 0, is_global_attn=True)
        return attended[0][:, :tokens]

    ours = WindowedAttention(384, heads=6, window=WINDOW, num_global=1)
    ours.register_module("proj", nn.Identity())  # in transformers, the output projection is in another module
    inputs = torch.randn(batch, tokens, 384, requires_grad=True)
    return {"transformers": both_ways(attend, inputs), "ours": both_ways(ours, inputs)}


def growth(repeats: int) -> None:
    """Print time and memory by sequence length."""
    describe_machine()
    print("\n| backbone | slots | ms | per 4x slots | peak MiB | per 4x slots |\n| --- | --- | --- | --- | --- | --- |")
    context = multiprocessing.get_context("spawn")
    for name in BACKBONES:
        before: tuple[float, float] | None = None
        for side in SIDES:
            with context.Pool(1) as pool:
                figures = pool.apply(measure_length, (name, side, repeats))
            ratios = (
                ["", ""] if before is None else [f"{now / then:.1f}" for now, then in zip(figures, before, strict=True)]
            )
            seconds, mebibytes = figures
            print(f"| {name} | {side**2} | {1000 * seconds:.0f} | {ratios[0]} | {mebibytes:.0f} | {ratios[1]} |")
            before = figures


def measure_length(name: str, side: int, repeats: int) -> tuple[float, float]:
    """Median seconds of forward and backward, and peak memory above the baseline, MiB."""
    torch.manual_seed(0)
    options = dict(BACKBONES[name])
    kind = PluginHost(third_party=False).backbones.get(options.pop("name"))
    if "depth" in kind.Options.model_fields:  # others set the blocks of each level
        options["depth"] = 2
    backbone = kind(kind.Options(**options, patch_size=1), ImageShape(1, side, side))
    sequence = backbone.tokenize(torch.randn(1, 1, side, side))

    def encode(patches: Tensor) -> Tensor:
        return backbone.summarize(backbone.encode(PatchSequence(patches, backbone.grid)))

    run = both_ways(encode, sequence.patches.detach().requires_grad_())
    before = status("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak counts from here
    run()
    peak = status("VmHWM") - before
    return alternate({name: run}, repeats)[name], peak


def status(field: str) -> float:
    """A memory figure of this process, MiB."""
    lines = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(lines[field].split()[0]) / 1024


def describe_machine() -> None:
    """Versions and threads."""
    print(f"torch {torch.__version__}, transformers {transformers.__version__}, {torch.get_num_threads()} threads")


def main() -> None:
    """Run the chosen benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "growth"))
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    torch.manual_seed(0)
    {"speed": speed, "growth": growth}[arguments.what](arguments.repeats)


if __name__ == "__main__":
    main()
