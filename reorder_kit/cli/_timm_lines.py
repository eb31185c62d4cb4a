"""Lines of code that make a plain timm model read in an order, and that fail on a model they do not fit."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from reorder_kit.errors import ReorderKitError

if TYPE_CHECKING:
    from reorder_kit.model.timm_reading import TimmReading
    from reorder_kit.orders.grid import Grid

_LINES = """\
import numpy, torch

order = torch.from_numpy(numpy.load({file}))
extra, size, grid = {extra}, model.patch_embed.img_size, model.patch_embed.grid_size
found = {found}
if found != {expected} or hasattr(model.{after}, "{buffer}"){more}:
    raise TypeError(f"these lines are for another model, or were already run: {{found}}")


def check_size(embed, inputs):
    if inputs[0].shape[-2:] != size:
        raise ValueError(f"expected images of {{size}} pixels, not {{tuple(inputs[0].shape)}}")


def read_in_order(module, inputs, tokens):
    if tokens.shape[1] != extra + grid[0] * grid[1]:
        raise ValueError(f"{{tokens.shape[1]}} tokens do not fit {{extra}} and a grid of {{grid}}")
    return torch.cat([tokens[:, :extra], tokens[:, extra:][:, module.{buffer}]], dim=1)


model.patch_embed.register_forward_pre_hook(check_size)
model.{after}.register_buffer("{buffer}", order, persistent=False)
model.{after}.register_forward_hook(read_in_order)
model.forward_intermediates = None  # it would return maps of patches in reading order"""

_PREFIX = "model.num_prefix_tokens"


@dataclass(frozen=True)
class TimmLines:
    """Lines of code for a timm model, and a description of that model."""

    model: str
    text: str


def lines_for_vit(file: Path, grid: Grid, slots: int) -> TimmLines:
    """Lines for any VisionTransformer of the grid, with or without CLS, distillation and register tokens.

    Args:
        file: the order as a numpy array.
        grid: the grid of the order.
        slots: the number of slots of the order.
    """
    text = _filled(
        file,
        found='type(model).__name__.removesuffix("Distilled"), grid, len(order)',
        expected=("VisionTransformer", (grid.height, grid.width), slots),
        # Other patch embeddings may overlap, and would reveal patches that a partial order leaves out.
        more="" if slots == grid.num_patches else ' or type(model.patch_embed).__name__ != "PatchEmbed"',
    )
    return TimmLines("model = a timm VisionTransformer of this grid", text)


def lines_for_model(reading: TimmReading, create: str, file: Path, slots: int) -> TimmLines:
    """Lines for one timm model.

    Args:
        reading: how the model reads.
        create: the call that creates it.
        file: the order as a numpy array.
        slots: the number of slots of the order.
    """
    grid = (reading.grid.height, reading.grid.width)
    text = _filled(
        file,
        found="type(model).__name__, extra, size, grid, len(order)",
        expected=(reading.kind, reading.prefix, reading.image, grid, slots),
        after=reading.after,
        extra="0" if reading.kind == "Cait" else _PREFIX,
        more=" or model.rope is not None" if reading.kind == "Eva" else "",
    )
    return TimmLines(f"model = {create}", text)


def _filled(
    file: Path,
    found: str,
    expected: tuple[Any, ...],
    after: str = "norm_pre",
    extra: str = _PREFIX,
    more: str = "",
) -> str:
    from reorder_kit.model.timm_reading import ORDER

    return _LINES.format(
        file=_quoted(repr(str(file))),
        found=found,
        expected=repr(expected).replace("'", '"'),
        after=after,
        extra=extra,
        more=more,
        buffer=ORDER,
    )


def _quoted(text: str) -> str:
    """A literal in double quotes, if the text contains none."""
    return text if '"' in text else f'"{text[1:-1]}"'


def named_model(name: str, grid: Grid) -> tuple[TimmReading, str]:
    """How a timm model reads images of a grid of patches, and the call that creates it. Nothing is downloaded.

    Raises:
        ReorderKitError: if timm does not have the model, it cannot read in another order, or it cannot be built for the
            grid.
    """
    import timm

    from reorder_kit.backbones._timm_names import closest
    from reorder_kit.model.timm_positions import ABSOLUTE
    from reorder_kit.model.timm_reading import reading_of

    if not timm.is_model(name):
        raise ReorderKitError(f"timm has no model {name!r}", closest(name, timm.list_models()))
    try:
        model = _on_meta(name)
    except Exception as error:  # raised by timm
        raise ReorderKitError(f"timm cannot build {name}: {error}", "name another model") from error
    reading = reading_of(model)
    if reading.positions != ABSOLUTE:
        raise ReorderKitError(
            f"cannot print lines for {name}: its {reading.positions} positions must be reordered in every block",
            "use reorder_kit.wrap(model, order), which does that",
        )
    if reading.grid == grid:
        return reading, f'timm.create_model("{name}")'
    patch = (reading.image[0] // reading.grid.height, reading.image[1] // reading.grid.width)
    image = (grid.height * patch[0], grid.width * patch[1])
    try:
        resized = reading_of(_on_meta(name, img_size=image))
    except ReorderKitError:
        raise
    except Exception as error:  # raised by timm: not every model accepts another size
        raise _wrong_grid(name, reading, grid) from error
    if resized.grid != grid:
        raise _wrong_grid(name, reading, grid)
    return resized, f'timm.create_model("{name}", img_size={image})'


def _on_meta(name: str, **arguments: Any) -> Any:
    import timm
    import torch

    with torch.device("meta"):  # uses no memory and computes nothing
        return timm.create_model(name, pretrained=False, **arguments)


def _wrong_grid(name: str, reading: TimmReading, grid: Grid) -> ReorderKitError:
    return ReorderKitError(
        f"{name} reads a {reading.grid} grid of patches, but the order is for a {grid} grid",
        "name a model with the grid of the order",
    )
