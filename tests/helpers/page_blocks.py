"""The blocks of code of a page, run one after the other as a reader runs them.

Python blocks share their variables. One that begins with ``# NAME.py`` is saved as that file, too, for later ones to
import. Of a console block, the commands of reorder-kit are typed. An HTML comment before a block says how it is made
cheap, ``<!-- runs small: OLD => NEW; OLD => NEW -->``, or why it is not run, ``<!-- not run: REASON -->``.
"""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from pages import Page, commands_of
from reorder_kit.cli.main import app

_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]*) -->\n\n?)?^```(?P<language>\w+)\n(?P<source>.*?)^```$", re.MULTILINE | re.DOTALL
)
EXECUTED = ("python", "console")

SMALL = {
    "run": ["--set", "train.epochs=2", "--set", "controls=[]"],
    "transfer": ["--set", "train.epochs=2", "--seeds", "1"],
    "study": ["--dry-run", "--out", "planned"],
    "race": ["--dry-run"],
    # It takes hours: cases and learners are looked up before a wrong --set is refused.
    "bench": ["--set", "wrong"],
}
"""What is added to costly commands of blocks that have no comment of their own."""

REFUSED = {"bench": "--set wrong: not an assignment"}


@dataclass(frozen=True)
class Block:
    """A block of code, with the line of the page on which its code begins."""

    language: str
    source: str
    line: int
    mark: str = ""

    @property
    def reason(self):
        """Why it is not run; empty if it is."""
        return self.mark.removeprefix("not run: ") if self.mark.startswith("not run: ") else ""

    @property
    def replaced(self):
        """What is replaced to make it cheap, by what."""
        if not self.mark.startswith("runs small: "):
            return {}
        pairs = (each.split(" => ") for each in self.mark.removeprefix("runs small: ").split("; "))
        return dict(pairs)

    @property
    def small_source(self):
        """Its code, made cheap."""
        source = self.source
        for old, new in self.replaced.items():
            if old not in source:
                raise ValueError(f"line {self.line}: {old!r} is not in the block")
            source = source.replace(old, new)
        return source

    @property
    def arguments(self):
        """The arguments of each command of reorder-kit that is typed."""
        for words in commands_of(self.small_source):
            if words[0] == "reorder-kit":
                yield [*words[1:], *([] if self.replaced else SMALL.get(words[1], []))]


def blocks_of(page: Page) -> list[Block]:
    """All blocks of a page that name a language; comments before them that are no marks are ignored."""
    found = []
    for block in _BLOCK.finditer(page.text):
        mark = block["mark"] or ""
        is_mark = mark.startswith(("runs small: ", "not run: "))
        line = page.text.count("\n", 0, block.start("source")) + 1
        found.append(Block(block["language"], block["source"], line, mark if is_mark else ""))
    return found


@dataclass
class PageRun:
    """A page that is run in the working directory."""

    page: Page
    variables: dict[str, Any] = field(default_factory=lambda: {"__name__": "page"})
    saved: set[str] = field(default_factory=set)

    def run(self):
        """Run all of it."""
        sys.path.insert(0, str(Path.cwd()))
        try:
            for block in blocks_of(self.page):
                if block.language in EXECUTED and not block.reason:
                    getattr(self, f"_{block.language}")(block)
        finally:
            sys.path.remove(str(Path.cwd()))
            for name in self.saved:
                sys.modules.pop(name, None)
        return self

    def _python(self, block):
        source = block.small_source
        if file := re.match(r"# (\w+)\.py\n", source):
            self.saved.add(file[1])
            Path(f"{file[1]}.py").write_text(source)
        placed = "\n" * (block.line - 1) + source  # so that a traceback names the line of the page
        exec(compile(placed, self.page.name, "exec"), self.variables)

    def _console(self, block):
        for arguments in block.arguments:
            done = CliRunner().invoke(app, arguments)
            refusal = REFUSED.get(arguments[0])
            assert done.exit_code == (2 if refusal else 0), (block.line, arguments, done.output, done.exception)
            assert refusal is None or refusal in done.output
            assert refusal or done.stdout
