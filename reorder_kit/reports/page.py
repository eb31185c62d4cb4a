"""The page: sections of blocks, rendered as HTML."""

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
        verdict: a word or two.
        tone: how the verdict is marked.
        sentence: the full sentence.
    """

    verdict: str
    tone: Tone
    sentence: str


@dataclass(frozen=True)
class Notice:
    """A notice at the top of the page.

    Args:
        tone: how the notice is marked.
        text: a sentence or two.
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
        text: plain text.
    """

    text: str

    kind = "words"


@dataclass(frozen=True)
class Listing:
    """Text to copy, such as commands or a file.

    Args:
        heading: what the text is.
        text: the text as it is copied.
        is_folded: whether it is folded at first.
    """

    heading: str
    text: str
    is_folded: bool = False

    kind = "listing"


@dataclass(frozen=True)
class Facts:
    """A list of names and facts.

    Args:
        pairs: names and texts.
    """

    pairs: Sequence[tuple[str, str]]

    kind = "facts"


@dataclass(frozen=True)
class Photo:
    """An existing picture.

    Args:
        title: what the picture shows.
        alt: alternative text that describes the picture.
        source: a ``data:`` URI.
        note: an explanation of how to read it.
    """

    title: str
    alt: str
    source: str
    note: str = ""

    kind = "photo"


Block = Answers | Chart | Facts | Listing | Photo | Player | Table | Words


@dataclass(frozen=True)
class Section:
    """A section of the page; it is omitted if it has no blocks.

    Args:
        name: unique on the page, for links.
        heading: heading of the section.
        lead: a sentence about the section; empty if the heading is enough.
        blocks: the content.
    """

    name: str
    heading: str
    lead: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Page:
    """A report page.

    Args:
        title: name of the run or the study.
        kind: ``run`` or ``study``.
        facts: facts about it, in a few words each.
        verdict: the points at the top, the most important first.
        notices: notices below the verdict.
        sections: the sections in sequence.
        data: lines that describe the data sets.
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
            raise ValueError("two charts or tables of a page have the same name")

    def html(self) -> str:
        """The whole page. Its content security policy forbids loading anything and running any script but its own."""
        # Templates come from the installed package; all values are escaped.
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
        """Write ``report.html``, and in the same folder a PNG of each chart and a CSV of each table.

        Args:
            folder: the folder to write to; it is created if needed.
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
    """The same sections, with a number appended to repeated names of charts and tables."""
    count: Counter[str] = Counter()

    def distinct(block: Block) -> Block:
        if not isinstance(block, Chart | Table):
            return block
        count[block.name] += 1
        number = count[block.name]
        return block if number == 1 else replace(block, name=f"{block.name}-again-{number}")

    return [replace(section, blocks=[distinct(block) for block in section.blocks]) for section in sections]


def _own(name: str) -> Markup:
    """A file of the package that is inserted into the page unchanged."""
    return Markup((files("reorder_kit.reports") / "templates" / name).read_text(encoding="utf-8"))
