"""Charts of a report: drawn by matplotlib, shown as SVG in the colors of the page, and saved as PNG."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from markupsafe import Markup
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from reorder_kit.figures.write_figure import write_figure
from reorder_kit.reports.palette import INK, ROLES

POINTS_PER_INCH = 72
_PNG_DOTS_PER_INCH = 200
_REFERENCE = re.compile(r"^#(?P<plain>.+)$|^url\(#(?P<paint>.+)\)$")
_COLOUR = re.compile("|".join(map(re.escape, ROLES)), re.IGNORECASE)


def file_name(*parts: str) -> str:
    """Turn any names into a name for a file and an element of the page.

    >>> file_name("rank-shift", "digits/4x4", "../x")
    'rank-shift-digits-4x4----x'
    """
    return "-".join("".join(letter if letter.isalnum() else "-" for letter in part) for part in parts)


@dataclass(frozen=True)
class HoverLine:
    """The values of a line, to be read off a chart.

    Args:
        name: name of the line.
        values: the value at each place of the horizontal axis; None for a gap.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Hover:
    """Tooltip text.

    Args:
        axis: what the horizontal axis counts, such as ``epoch``.
        places: values on that axis, ascending.
        positions: their horizontal positions in the picture, in its own units.
        top: upper edge of the plot, in the same units.
        bottom: lower edge of the plot.
        lines: lines with a value for each place.
    """

    axis: str
    places: Sequence[float]
    positions: Sequence[float]
    top: float
    bottom: float
    lines: Sequence[HoverLine]

    def as_dict(self) -> dict[str, Any]:
        """The data for the page's script."""
        return asdict(self)


@dataclass(frozen=True)
class Chart:
    """A chart.

    Args:
        name: name of the PNG file, without its suffix; unique on the page.
        title: what the chart shows.
        alt: alternative text that describes the chart.
        figure: a matplotlib figure with 72 dots per inch, so that its units are those of the SVG.
        tips: the tooltip texts of an artist's marks, in order, by the artist's group id.
        hover: values shown under the pointer.
        note: an explanation of how to read it.
    """

    name: str
    title: str
    alt: str
    figure: Figure
    tips: Mapping[str, Sequence[str]] = field(default_factory=dict)
    hover: Hover | None = None
    note: str = ""

    kind = "chart"

    def svg(self) -> Markup:
        """SVG markup for the page, in its colors and fonts; ids do not clash with those of other charts."""
        out = io.BytesIO()
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": self.name}):
            self.figure.savefig(out, format="svg", transparent=True)
        root = ElementTree.fromstring(out.getvalue())
        _plain_names(root)
        self._tell_tips(root)
        _keep_needed_ids(root, self.name)
        for element in root.iter():
            if "style" in element.attrib:
                element.set("style", _themed(element.get("style", "")))
        for size in ("width", "height", "version"):
            root.attrib.pop(size, None)
        root.attrib |= {"class": "plot", "role": "img", "aria-label": self.alt}
        # Matplotlib's markup is parsed and written again, which escapes all text.
        return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))

    def save_png(self, path: Path) -> None:
        """Save the chart with its title on a white background."""
        heading = self.figure.text(
            0.02, 1.0, self.title, va="bottom", fontsize=10, fontweight="bold", color=INK, parse_math=False
        )
        FigureCanvasAgg(self.figure)
        write_figure(self.figure, path, _PNG_DOTS_PER_INCH, padding=0.15)
        heading.remove()

    def _tell_tips(self, root: ElementTree.Element) -> None:
        groups = {group.get("id"): group for group in root.iter("g")}
        for gid, texts in self.tips.items():
            for mark, text in zip(_marks(groups[gid]), texts, strict=True):
                mark.set("data-tip", text)


def _plain_names(root: ElementTree.Element) -> None:
    """Remove namespaces, which HTML does not need, and matplotlib's metadata and global style."""
    for element in root.iter():
        for child in list(element):
            if child.tag.rpartition("}")[2] in ("metadata", "style"):
                element.remove(child)
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in [name for name in element.attrib if "}" in name]:
            element.set(name.rpartition("}")[2], element.attrib.pop(name))


def _keep_needed_ids(root: ElementTree.Element, prefix: str) -> None:
    needed = {id_of for element in root.iter() for _, id_of in _references(element)}
    for element in root.iter():
        own = element.attrib.pop("id", None)
        if own in needed:
            element.set("id", f"{prefix}-{own}")
        for name, id_of in _references(element):
            element.set(name, element.attrib[name].replace(f"#{id_of}", f"#{prefix}-{id_of}"))


def _references(element: ElementTree.Element) -> list[tuple[str, str]]:
    """Attributes that refer to the id of another element, with that id."""
    matches = [(name, _REFERENCE.match(element.get(name, ""))) for name in ("href", "clip-path")]
    return [(name, match["plain"] or match["paint"]) for name, match in matches if match]


def _marks(group: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """The marks of a group: uses of a shape defined once, or else paths."""
    uses = list(group.iter("use"))
    if uses:
        return iter(uses)
    defined = {path for defs in group.iter("defs") for path in defs.iter("path")}
    return (path for path in group.iter("path") if path not in defined)


def _themed(style: str) -> str:
    return _COLOUR.sub(lambda match: f"var({ROLES[match[0].lower()]})", style)
