"""VIOLIN: a ViT whose attention fades along space-filling curves."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Literal

import torch
from jaxtyping import Int
from pydantic import Field, model_validator
from torch import Tensor, nn

from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import Backbone, BackboneFacts, Grid, ImageShape, Ordering, Part
from reorder_kit.interfaces.part import reads_file
from reorder_kit.layers.cls_transformer import ClsTransformer
from reorder_kit.layers.curve_attention import CurveAttention
from reorder_kit.layers.patch_geometry import patch_geometry
from reorder_kit.layers.positions import check_positions
from reorder_kit.layers.transformer_options import TransformerOptions

# Snake, zig-zag, Peano and Hilbert of the released code, by our names. Its Peano is the Morton order.
CURVES = ("boustrophedon", "snake", "morton", "hilbert")


class Violin(ClsTransformer):
    """VIOLIN (Candogan et al., 2026, https://arxiv.org/abs/2606.14757): a ViT with curves through the image.

    The score of two patches is multiplied, before the softmax, by ``strength * mean of decay ** distance`` over several
    curves. The distance is that of the two patches along a curve; each head of each block learns a decay for each
    curve, and a strength. Nothing is cut off: patches whose score fades to 0 still see each other.

    The curves are in the image and move with the patches, so the model is blind to the order. With ``along_sequence``
    the sequence itself is one more curve, so the order matters; that is our addition, as are partial orders, rectangles
    and clips, whose frames a curve walks one after another.

    The sources are the released code (https://github.com/LIONS-EPFL/VIOLIN), the abstract and the start of the
    introduction: the masks and their mean, a decay for each curve and head, starting values (a decay of 0.9933 to
    0.9999 from a patch to the next, and a strength drawn around 0 with standard deviation 0.5), the CLS token, which is
    at no distance from anything, and the curves. The curve that the code calls Peano is the Morton order. Attention
    equals that of the code up to rounding. Here, CLS has no position, and dropout follows only the projection.

    A patch sees all patches, so the time and memory of attention grow with the square of their number.
    """

    name = "violin"
    needs = frozenset({"order"})

    class Options(TransformerOptions):
        curves: tuple[Part[Ordering], ...] = Field(
            tuple(Part.named(name, transpose=transpose) for name in CURVES for transpose in (False, True)),
            description="curves through the image: orderings that visit every patch",
        )
        along_sequence: bool = Field(False, description="the sequence itself is one more curve, so the order matters")
        readout: Literal["mean", "cls"] = Field("mean", description="what summarizes the sequence")

        @model_validator(mode="after")
        def _has_distinct_curves(self) -> Violin.Options:
            if not self.curves and not self.along_sequence:
                raise ValueError("give a curve, or set along_sequence: true")
            seen: list[dict[str, Any]] = []
            for curve in self.curves:
                # Distances are the same from either end.
                walked = {key: value for key, value in curve.as_dict().items() if key != "reverse"}
                if walked in seen:
                    raise ValueError(f"curve {curve.name} is given twice; walked backward, it has the same distances")
                seen.append(walked)
            return self

    options: Violin.Options

    @classmethod
    def facts(cls, options: Violin.Options, image: ImageShape) -> BackboneFacts:
        """Never causal; sensitive to the order only with ``along_sequence``, and not if CLS reads a single block or all
        slots are equally far apart."""
        grid, shape = patch_geometry(options, image).grid, options.shape()
        check_positions(options.positions, grid, shape.dim)
        tells_apart = options.along_sequence and grid.num_patches > 2
        return BackboneFacts(
            grid,
            shape.dim,
            shape.depth,
            order_sensitive=tells_apart and (options.readout == "mean" or shape.depth > 1),
            slots_order_sensitive=tells_apart,
            has_positions=options.positions != "none",
            caution=_equal_curves(options.curves, grid),
        )

    @classmethod
    def without_downloads(cls, options: Violin.Options) -> Violin.Options:
        """Drop the files of curves: their places are saved with the weights."""
        if not reads_file(options.curves):
            return options
        curves = tuple(Part.of(SavedCurve) if reads_file(curve) else curve for curve in options.curves)
        return options.model_copy(update={"curves": curves})

    def build_attention(self) -> Iterator[nn.Module]:
        """Each block with its own decays and strengths."""
        curves, along, dropout = self.options.curves, self.options.along_sequence, self.options.dropout
        places, keep = places_on(curves, self.grid), any(map(_is_in_file, curves))
        for _ in range(self.depth):
            yield CurveAttention(
                self.dim, self.options.shape().heads, places, along, dropout, self.num_cls, keep_places=keep
            )


class SavedCurve(Ordering):
    """Stands in for a curve from a file when a model is reopened: its places come with the weights."""

    name = "saved-curve"

    def cells(self, height: int, width: int) -> Iterator[tuple[int, int]]:
        """Row-major until the weights are loaded."""
        return product(range(height), range(width))


def _is_in_file(curve: Part[Ordering]) -> bool:
    return reads_file(curve) or curve.chosen is SavedCurve


def places_on(curves: tuple[Part[Ordering], ...], grid: Grid) -> Int[Tensor, "curve patch"]:
    """The place of each patch on each curve.

    Raises:
        ReorderKitError: if a curve leaves patches out.
    """
    places = []
    for curve in curves:
        with torch.device("cpu"):  # real indices, even while the backbone's weights are counted on meta
            order = curve.build().order(grid)
        if not order.is_full:
            raise ReorderKitError(
                f"the curve {curve.name} leaves out {order.num_patches - order.num_slots} of the {grid} grid's patches",
                "give curves that visit every patch",
            )
        places.append(order.rank)
    return torch.stack(places) if places else torch.empty(0, grid.num_patches, dtype=torch.long)


def _equal_curves(curves: tuple[Part[Ordering], ...], grid: Grid) -> str:
    """A sentence about two curves that coincide on a grid, in either direction.

    Curves in files are not read, and curves known only by name cannot be.
    """
    known = tuple(curve for curve in curves if not (_is_in_file(curve) or isinstance(curve.chosen, str)))
    seen: dict[tuple[int, ...], str] = {}
    for curve, places in zip(known, places_on(known, grid).tolist(), strict=True):
        walk = min(tuple(places), tuple(grid.num_patches - 1 - place for place in places))
        name = curve.name + (" transposed" if curve.build().options.transpose else "")
        if walk in seen:
            return f"curves: {seen[walk]} and {name} have the same distances on a {grid} grid: one of them adds nothing"
        seen[walk] = name
    return ""


@hookimpl
def register_backbones() -> list[type[Backbone]]:
    """VIOLIN."""
    return [Violin]
