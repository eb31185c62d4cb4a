"""The page: sections of blocks, and the HTML that they become."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from reorder_kit.reports.chart import Chart
from reorder_kit.reports.playback import Player
from reorder_kit.reports.table import Table, Tone
from reorder_kit.whole_file import write_whole


@dataclass(frozen=True)
class Answer:
    """A sentence with its verdict.

    Args:
        verdict: in a word or two.
        tone: how it is marked.
        sentence: in whole.
    """

    verdict: str
    tone: Tone
    sentence: str


@dataclass(frozen=True)
class Notice:
    """What has to be known before anything is read.

    Args:
        tone: how it is marked.
        text: in a sentence or two.
    """

    tone: Tone
    text: str


@dataclass(frozen=True)
class Answers:
    """Sentences with their verdicts.

    Args:
        answers: at least one.
    """

    answers: Sequence[Answer]

    kind = "answers"


@dataclass(frozen=True)
class Words:
    """A paragraph.

    Args:
        text: plain.
    """

    text: str

    kind = "words"


@dataclass(frozen=True)
class Listing:
    """Text to copy: commands, a file.

    Args:
        heading: what it is.
        text: as it is copied.
        is_folded: whether it is shown on demand only.
    """

    heading: str
    text: str
    is_folded: bool = False

    kind = "listing"


@dataclass(frozen=True)
class Facts:
    """Names with what they are.

    Args:
        pairs: name and text.
    """

    pairs: Sequence[tuple[str, str]]

    kind = "facts"


@dataclass(frozen=True)
class Photo:
    """A picture that was made before.

    Args:
        title: what is shown.
        alt: what can be seen, for those who cannot see it.
        source: a ``data:`` URI.
        note: what has to be known to read it.
    """

    title: str
    alt: str
    source: str
    note: str = ""

    kind = "photo"


Block = Answers | Chart | Facts | Listing | Photo | Player | Table | Words


@dataclass(frozen=True)
class Section:
    """A part of the page; one without blocks is left out.

    Args:
        name: unique on the page, for links.
        heading: of the part.
        lead: what it is about, in a sentence; nothing if the heading says it.
        blocks: what it holds.
    """

    name: str
    heading: str
    lead: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report.

    Args:
        title: name of the run or the study.
        kind: ``run`` or ``study``.
        facts: about it, in a few words each.
        verdict: the points on top, the most important first.
        notices: below it.
        sections: in their order.
        data: what was read, a line for each of several data sets.
    """

    title: str
    kind: str
    facts: Sequence[str]
    verdict: Sequence[str]
    notices: Sequence[Notice]
    sections: Sequence[Section]
    data: Sequence[str] = ()

    def __post_init__(self) -> None:
        names = [block.name for block in self.blocks() if isinstance(block, Chart | Table)]
        if len(set(names)) < len(names):
            raise ValueError("two charts or tables of a page have one name")

    def html(self) -> str:
        """The whole page. It can fetch nothing and runs no script but its own, by its own policy."""
        # Loaded from the package, wherever that is; everything that is filled in is escaped.
        environment = Environment(
            loader=PackageLoader("reorder_kit.reports"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        script = _own("page.js")
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        return environment.get_template("page.html.jinja").render(
            page=self,
            sections=[section for section in self.sections if section.blocks],
            style=_own("style.css"),
            script=script,
            digest=digest,
        )

    def write(self, folder: Path) -> list[Path]:
        """Write ``report.html``, and beside it a PNG of every chart and a CSV of every table.

        Args:
            folder: it is made if it is not there.
        """
        folder.mkdir(parents=True, exist_ok=True)
        page = folder / "report.html"
        write_whole(page, self.html())
        written = [page]
        for block in self.blocks():
            if isinstance(block, Chart):
                written.append(folder / f"{block.name}.png")
                block.save_png(written[-1])
            elif isinstance(block, Table):
                written.append(folder / f"{block.name}.csv")
                write_whole(written[-1], block.csv())
        return written

    def blocks(self) -> Iterator[Block]:
        """The blocks of all sections."""
        for section in self.sections:
            yield from section.blocks


def with_distinct_names(sections: Sequence[Section]) -> list[Section]:
    """The same sections, with a number behind every name of a chart or table that was there before."""
    count: Counter[str] = Counter()

    def distinct(block: Block) -> Block:
        if not isinstance(block, Chart | Table):
            return block
        count[block.name] += 1
        number = count[block.name]
        return block if number == 1 else replace(block, name=f"{block.name}-again-{number}")

    return [replace(section, blocks=[distinct(block) for block in section.blocks]) for section in sections]


def _own(name: str) -> Markup:
    """A file of the package that goes into the page as it is."""
    return Markup((files("reorder_kit.reports") / "templates" / name).read_text(encoding="utf-8"))
