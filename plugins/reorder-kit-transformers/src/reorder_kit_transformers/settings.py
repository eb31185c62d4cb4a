"""Settings of an encoder, as transformers names them: those that a recipe may give, and those of a checkpoint."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from pathlib import Path
from typing import Any

from reorder_kit.errors import ReorderKitError, quoted
from reorder_kit_transformers.families import VISION_PARTS, Family, family_of

_OF_OTHER_PARTS = frozenset(
    {
        "add_fpn",
        "apply_layernorm",
        "encoder_stride",
        "mask_ratio",
        "norm_pix_loss",
        "projection_dim",
        "reshape_hidden_states",
        "semantic_loss_ignore_index",
        "use_mask_token",
        "vocab_size",
    }
)
"""Of heads, decoders and losses, which no backbone has."""
_PREFIXES_OF_OTHER_PARTS = ("_", "auxiliary_", "decoder_", "pool", "use_auxiliary_")
_GIVEN_ELSEWHERE = {"patch_size": "give the option patch_size of the backbone"}


@dataclass(frozen=True)
class Settings:
    """What a checkpoint says of its encoder.

    Args:
        model: its ``model_type``.
        config: settings that differ from the defaults of its class, and those about images.
        patch_size: side of a patch, pixels.
    """

    model: str
    config: dict[str, Any]
    patch_size: int


def config_class(family: Family) -> Any:
    """The class of a family's configuration. The import of transformers takes seconds."""
    import transformers

    return getattr(transformers, family.config)


def setting_names(family: Family) -> frozenset[str]:
    """Names of the settings that change the encoder of a family."""
    import transformers

    shared = {each.name for each in fields(transformers.PreTrainedConfig)}
    names = {each.name for each in fields(config_class(family))} - shared - _OF_OTHER_PARTS - {"patch_size"}
    if family.positions is None:  # rotary positions are made for the images that come
        names.discard("image_size")
    return frozenset(name for name in names if not name.startswith(_PREFIXES_OF_OTHER_PARTS))


def require_settings(family: Family, config: Mapping[str, Any]) -> None:
    """Whether a family has the settings that a recipe gives.

    Raises:
        ReorderKitError: if it does not have one of them, or it changes nothing.
    """
    known = setting_names(family)
    for name in config:
        if name in known:
            continue
        close = difflib.get_close_matches(name[:100], known, n=1)
        hint = f"did you mean {close[0]}?" if close else f"{family.name} has {', '.join(sorted(known))}"
        message = f"{quoted(name)} is not a setting of the encoder of {family.name}"
        raise ReorderKitError(message, _GIVEN_ELSEWHERE.get(name, hint))


def settings_of(source: str) -> Settings:
    """What the ``config.json`` of a folder, or of a model on the Hugging Face hub, says of the encoder.

    Raises:
        ReorderKitError: if it cannot be read, or the encoder cannot be read in another order.
    """
    values = _read(source)
    kind = str(values.get("model_type"))
    if kind in VISION_PARTS and isinstance(values.get("vision_config"), Mapping):
        values, kind = dict(values["vision_config"]), VISION_PARTS[kind]
    try:
        family = family_of(kind)
    except ReorderKitError as error:
        raise ReorderKitError(f"{source}: {error.message}", error.hint) from None
    defaults = {each.name: each.default for each in fields(config_class(family))}
    config = {
        name: values[name]
        for name in sorted(setting_names(family))
        if name in values and _is_plain(values[name]) and (name in _OF_IMAGES or values[name] != defaults[name])
    }
    # A configuration that leaves a setting out means its default.
    config |= {name: defaults[name] for name in _OF_IMAGES if name in setting_names(family) and name not in config}
    return Settings(kind, config, _side(source, values.get("patch_size", defaults["patch_size"])))


_OF_IMAGES = ("image_size", "num_channels")


def _read(source: str) -> dict[str, Any]:
    from transformers import PreTrainedConfig

    try:
        values, _ = PreTrainedConfig.get_config_dict(source)
    except Exception as error:  # of the hub, of the network, of a file
        reason = (" ".join(str(error).split()) or type(error).__name__)[:300]
        raise ReorderKitError(
            f"cannot read the configuration of {source}: {reason}",
            "give a folder that save_pretrained wrote; without a network, download the model before",
        ) from None
    if not values:
        raise ReorderKitError(f"{source} holds no config.json", "give a folder that save_pretrained wrote")
    return dict(values)


def _side(source: str, patch_size: Any) -> int:
    sides = set(patch_size) if isinstance(patch_size, list | tuple) else {patch_size}
    if len(sides) != 1 or patch_size is MISSING or not isinstance(side := sides.pop(), int):
        raise ReorderKitError(f"{source}: its patches are not square: {patch_size}", "use a model with square patches")
    return side


def _is_plain(value: Any) -> bool:
    whole = isinstance(value, list) and all(isinstance(each, int) for each in value)
    return value is None or whole or isinstance(value, bool | int | float | str)


def place_of(source: str) -> str:
    """The absolute path of a folder; the name of a model on the hub stays as it is.

    Raises:
        ValueError: if it is neither.
    """
    folder = Path(source).expanduser()
    if folder.is_dir():
        return str(folder.absolute())
    parts = source.split("/")
    if source.startswith(("/", ".", "~")) or len(parts) != 2 or not all(parts):
        raise ValueError(f"there is no folder {source}; give one, or a model of the Hugging Face hub as OWNER/NAME")
    return source
