"""Build timm models for the backbone ``timm``, with the requested weights, readout and positions.

Importing timm takes seconds, so this module is imported only to build a model.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import timm
import torch

from reorder_kit.backbones._timm_options import TimmOptions
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BackboneFacts, ImageShape
from reorder_kit.layers.patch_geometry import patch_geometry, whole_patches
from reorder_kit.layers.weights_file import read_weights, require_numbers
from reorder_kit.model.timm_positions import bias_holders
from reorder_kit.model.timm_reading import reading_of


def build(options: TimmOptions, image: ImageShape) -> Any:
    """Build the model that the options describe.

    Raises:
        ReorderKitError: if timm cannot build the model for such images, its weights are not available, or it does not
            have the readout.
    """
    model = _named(options, image)
    _check_patches(model, options, image)
    _set_readout(model, options)
    if options.positions == "none":
        _remove_positions(model)
    return model


def facts_of(model: Any, options: TimmOptions | None = None) -> BackboneFacts:
    """The facts of an existing model.

    Args:
        model: a timm model.
        options: its options; without them, the model's own readout, and not causal.

    Raises:
        ReorderKitError: if it cannot read in another order, its patches share pixels, or it cannot be causal.
    """
    reading = reading_of(model)
    if reading.overlaps:
        # A slot would contain pixels of patches that come later, are hidden or are left out.
        raise ReorderKitError(
            f"{reading.name} makes each patch from pixels of its neighbors as well, but a backbone embeds each alone",
            "name a model whose patches do not overlap; reorder_kit.wrap takes this one with orders of all patches",
        )
    causal, readout = (False, None) if options is None else (options.causal, options.readout)
    if causal and not reading.takes_mask:
        raise ReorderKitError(
            f"{reading.name} (timm's {reading.kind}) cannot be causal: its blocks take no mask",
            "set causal: false, or name one such as vit_small_patch16_224",
        )
    depth, single = len(model.blocks), reading.grid.num_patches == 1
    # With one block, CLS reads patches that have not seen each other: it sees them as a set.
    blind_cls = depth == 1 and readout != "last" and reads_summary_tokens(model)
    return BackboneFacts(
        reading.grid,
        int(model.embed_dim),
        depth,
        is_causal=causal,
        order_sensitive=not single and ((causal and not blind_cls) or readout == "last"),
        slots_order_sensitive=not single and causal,
        has_positions=getattr(model, "pos_embed", None) is not None,
        idle={"causal": "there is a single slot"} if causal and single else {},
    )


def reads_summary_tokens(model: Any) -> bool:
    """Whether the readout is the CLS token, with the distillation token if there is one."""
    return model.global_pool == "token" and getattr(model, "attn_pool", None) is None


def _named(options: TimmOptions, image: ImageShape) -> Any:
    arguments: dict[str, Any] = {"num_classes": 0}
    if options.patch_size is not None or options.grid is not None:
        arguments["patch_size"] = patch_geometry(options, image).patch_size
    if options.weights is not None:
        arguments |= _from_file(options.model, options.weights)
    try:
        model = timm.create_model(
            options.model,
            **{"pretrained": options.pretrained, **arguments},
            img_size=(image.height, image.width),
            in_chans=image.channels,
            drop_path_rate=options.drop_path,
        )
    except Exception as error:  # from timm, the hub it downloads from, the network, or a file
        raise _not_built(options, error) from error
    if options.weights is not None:
        # timm has converted names and shapes; it also keeps a copy of what it loaded, which is not needed.
        model.pretrained_cfg.pop("state_dict", None)
        require_numbers(options.weights, dict(model.named_parameters()))
    if model.num_classes:
        model.reset_classifier(0)
    return model


def _from_file(name: str, path: Path) -> dict[str, Any]:
    """Arguments that make timm load a file strictly: no weight may be missing or left over."""
    found = read_weights(path)
    # timm would silently convert other dtypes. Counters and indices may be integers.
    require_numbers(path, {key: value for key, value in found.items() if value.dtype not in (torch.int64, torch.bool)})
    classifier = timm.get_pretrained_cfg(name).classifier
    first = classifier if isinstance(classifier, str) else classifier[0]
    rows = found.get(f"{first}.weight")
    classes = len(rows) if isinstance(rows, torch.Tensor) else 0
    # timm is strict if the number of classes is the one it expects of its weights.
    overlay = {"state_dict": found, "custom_load": False, "num_classes": classes}
    return {"pretrained": True, "num_classes": classes, "pretrained_cfg_overlay": overlay}


def _check_patches(model: Any, options: TimmOptions, image: ImageShape) -> None:
    height, width = model.patch_embed.feat_ratio(as_scalar=False)
    if options.patch_size is not None or options.grid is not None:
        asked = patch_geometry(options, image).patch_size
        if asked != (height, width):
            raise ReorderKitError(
                f"{options.model} has patches of {height}x{width} pixels, not {asked[0]}x{asked[1]}",
                "leave patch_size and grid out, or name another model",
            )
    whole_patches(height, width, image)


def _not_built(options: TimmOptions, error: Exception) -> ReorderKitError:
    if options.weights is not None:
        message, hint = f"timm cannot load {options.weights} into {options.model}", "give a state dict of this model"
    elif options.pretrained:
        message = f"timm cannot build {options.model}"
        hint = (
            "name a model that has weights, go online for the first download, give a file of them in weights, or set "
            "pretrained: false"
        )
    else:
        message, hint = f"timm cannot build {options.model}", "name another model"
    return ReorderKitError(f"{message}: {_reason(error)}", hint)


def _reason(error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return reason if len(reason) <= 300 else f"{reason[:300]} ..."


def _set_readout(model: Any, options: TimmOptions) -> None:
    """Set the readout after weights are loaded: the final norm stays where the model was trained with it."""
    if options.readout is None:
        return
    if hasattr(model, "dist_token"):
        raise ReorderKitError("a distilled model reads its CLS and its distillation token", "leave readout out")
    if options.readout == "cls" and getattr(model, "cls_token", None) is None:
        raise ReorderKitError("the named model has no CLS token", "set readout: mean, or leave readout out")
    model.reset_classifier(0, "token" if options.readout == "cls" else "avg")
    if hasattr(model, "pool_include_prefix"):
        model.pool_include_prefix = False


def _remove_positions(model: Any) -> None:
    if hasattr(model, "pos_embed"):
        model.pos_embed = None
    if getattr(model, "rope", None) is not None:
        model.rope = None
        model.rope_mixed = False
    for holder in list(bias_holders(model)):
        above, _, name = holder.path.rpartition(".")
        module: Any = model.get_submodule(holder.path)
        if hasattr(module, "_get_rel_pos_bias"):
            module.relative_position_bias_table = None
        else:
            setattr(model.get_submodule(above), name, None)
