"""A picture of a report: drawn by matplotlib, shown as SVG in the colours of the page, and written as PNG."""

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
    """A name for a file and an element of the page, of whatever something is called.

    >>> file_name("rank-shift", "digits/4x4", "../x")
    'rank-shift-digits-4x4----x'
    """
    return "-".join("".join(letter if letter.isalnum() else "-" for letter in part) for part in parts)


@dataclass(frozen=True)
class HoverLine:
    """A line whose values are read off a chart.

    Args:
        name: of the line.
        values: at each place of the chart's horizontal axis; None where it has none.
    """

    name: str
    values: Sequence[float | None]


@dataclass(frozen=True)
class Hover:
    """Tooltip text.

    Args:
        axis: what the horizontal axis counts, as in ``epoch``.
        places: on that axis, ascending.
        positions: where these lie in the picture, in its own units.
        top: upper end of the plot, in the same units.
        bottom: lower end of the plot.
        lines: with a value for each place.
    """

    axis: str
    places: Sequence[float]
    positions: Sequence[float]
    top: float
    bottom: float
    lines: Sequence[HoverLine]

    def as_dict(self) -> dict[str, Any]:
        """For the script of the page."""
        return asdict(self)


@dataclass(frozen=True)
class Chart:
    """A picture.

    Args:
        name: of the PNG file, without its suffix; unique on the page.
        title: what is shown.
        alt: what can be seen, for those who cannot see it.
        figure: with 72 dots an inch, so that its units are those of the SVG.
        tips: by the group id of an artist, a text for each of its marks, in their order.
        hover: values under the pointer.
        note: what has to be known to read it.
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
        """Markup for a page of HTML, with the page's colours and letters; no id of it can meet another picture's."""
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
        # The markup is matplotlib's, parsed and written again: text in it is escaped.
        return Markup(ElementTree.tostring(root, encoding="unicode", short_empty_elements=False))

    def save_png(self, path: Path) -> None:
        """Write it with its title, on white."""
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
    """Without namespaces, which HTML does not need; nor what matplotlib says of itself, nor its style for all."""
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
    """Attributes that name the id of another element, with it."""
    matches = [(name, _REFERENCE.match(element.get(name, ""))) for name in ("href", "clip-path")]
    return [(name, match["plain"] or match["paint"]) for name, match in matches if match]


def _marks(group: ElementTree.Element) -> Iterator[ElementTree.Element]:
    """What a group draws: uses of a shape that is defined once, or else paths."""
    uses = list(group.iter("use"))
    if uses:
        return iter(uses)
    defined = {path for defs in group.iter("defs") for path in defs.iter("path")}
    return (path for path in group.iter("path") if path not in defined)


def _themed(style: str) -> str:
    return _COLOUR.sub(lambda match: f"var({ROLES[match[0].lower()]})", style)
