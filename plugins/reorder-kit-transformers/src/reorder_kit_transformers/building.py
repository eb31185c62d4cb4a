"""An encoder of transformers: built from a configuration, with random weights or those of a checkpoint."""

from __future__ import annotations

from typing import Any

import torch

from reorder_kit.errors import ReorderKitError
from reorder_kit_transformers.configuration import Plan
from reorder_kit_transformers.fixed_positions import fixed_positions
from reorder_kit_transformers.options import TransformersOptions
from reorder_kit_transformers.settings import settings_of

_ATTENTION = "sdpa"
_MOST_NAMES = 5


def build(options: TransformersOptions, plan: Plan) -> Any:
    """The model of transformers, without weights that a backbone never uses.

    Raises:
        ReorderKitError: if the checkpoint cannot be read, or holds the weights of another encoder.
    """
    import transformers

    kind = getattr(transformers, plan.family.model)
    if options.pretrained is None:
        plan.config._attn_implementation = _ATTENTION
        model = kind(plan.config, **plan.family.arguments)
        if plan.family.fixed_positions:
            with torch.no_grad():
                table = fixed_positions(plan.own_grid.height, plan.config.hidden_size)
                model.embeddings.position_embeddings.copy_(table.unsqueeze(0))
    else:
        model = _loaded(options.pretrained, kind, options, plan)
    _leave_out(model, options, plan)
    return model


def _loaded(source: str, kind: Any, options: TransformersOptions, plan: Plan) -> Any:
    found = settings_of(source)
    unsaid = sorted(found.config.keys() - options.config.keys())
    if found.model != options.model or unsaid:
        what = f"is a {found.model}, not a {options.model}" if found.model != options.model else "has other settings"
        raise ReorderKitError(
            f"{source} {what}{f' ({_some(unsaid)})' if unsaid else ''}",
            "leave model and config out: they are filled in from the checkpoint",
        )
    try:
        model, loading = kind.from_pretrained(
            source,
            config=plan.config,
            output_loading_info=True,
            dtype=torch.float32,
            attn_implementation=_ATTENTION,
            **plan.family.arguments,
        )
    except Exception as error:  # of transformers, of the hub, of the network, of a file
        reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
        raise ReorderKitError(
            f"transformers cannot load {source}: {reason}",
            "give a folder that save_pretrained wrote, without patch_size, grid and other settings of the encoder",
        ) from error
    prefix = f"{kind.base_model_prefix}."
    parts = tuple(f"{name}." for name, _ in model.named_children() if name != "pooler")
    left_over = [name for name in loading["unexpected_keys"] if name.removeprefix(prefix).startswith(parts)]
    for problem, names in (("missing", loading["missing_keys"]), ("left over", left_over)):
        if names:
            raise ReorderKitError(
                f"{source}: {len(names)} weights of the encoder are {problem} ({_some(sorted(names))})",
                "leave model and config out, or give the checkpoint of such an encoder",
            )
    broken = [name for name, value in model.named_parameters() if not value.isfinite().all()]
    if broken:
        raise ReorderKitError(f"{source}: weights are NaN or infinite ({_some(broken)})", "give another checkpoint")
    return model


def _leave_out(model: Any, options: TransformersOptions, plan: Plan) -> None:
    """Remove what only pretraining, or another readout, uses: a weight without a gradient stops runs on many GPUs."""
    if getattr(model.embeddings, "mask_token", None) is not None:
        model.embeddings.mask_token = None
    if plan.family.readout == "head" and options.readout is not None and plan.config.vision_use_head:
        model.head, model.use_head = None, False
    for parameter in model.parameters():
        if parameter.numel() == 0:  # no registers
            parameter.requires_grad_(False)


def _some(names: list[str]) -> str:
    further = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {further} more" if further > 0 else "")
