"""README.md and the pages in docs/: their blocks, and the commands that they show."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import typer

from reorder_kit.cli.main import app

ROOT = Path(__file__).parents[2]
COMMAND_LINE = typer.main.get_command(app)
_BLOCK = r"^```{language}\n(.*?)^```$"


@dataclass(frozen=True)
class Page:
    """A Markdown page, by its path relative to the root."""

    name: str

    @property
    def text(self):
        return (ROOT / self.name).read_text(encoding="utf-8")

    @property
    def prose(self):
        """Without blocks of code."""
        return re.sub(_BLOCK.format(language=r"\w*"), "", self.text, flags=re.MULTILINE | re.DOTALL)

    def blocks(self, language):
        return re.findall(_BLOCK.format(language=language), self.text, re.MULTILINE | re.DOTALL)

    def commands(self):
        """The arguments of every `reorder-kit` command in a console block or within a sentence."""
        in_sentences = [words_of(code) for code in re.findall(r"`([^`\n]+ [^`\n]+)`", self.prose)]
        in_sentences = [words for words in in_sentences if words[1:] and tuple(words[1:]) not in NEED_MORE]
        in_blocks = [words for block in self.blocks("console") for words in commands_of(block)]
        for words in [*in_blocks, *in_sentences]:
            if words and words[0].endswith("reorder-kit"):
                yield words[1:]
            elif words and words[0] == "torchrun" and "reorder_kit" in words:
                yield ["quickstart" if word == "RECIPE" else word for word in words[words.index("reorder_kit") + 1 :]]


def words_of(code):
    """The words of a command; empty if it is something else, such as Python."""
    try:
        return shlex.split(code, comments=True)
    except ValueError:
        return []


def commands_of(block):
    """The words of each command of a console block, without comments."""
    lines = block.replace("\\\n", " ").splitlines()
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def parse(words):
    """The command that words call, and the values of its parameters; unknown words are an error."""
    command, name, rest = COMMAND_LINE, "", list(words)
    while hasattr(command, "commands"):
        name = rest.pop(0)
        command = command.commands[name]
    return name, command.make_context(name, rest).params


def every_command():
    """The words of every existing command, and the command."""
    return {
        (name, *words): command
        for name, each in COMMAND_LINE.commands.items()
        for words, command in (
            [((inner,), command) for inner, command in each.commands.items()]
            if hasattr(each, "commands")
            else [((), each)]
        )
    }


def every_option():
    return {option for command in every_command().values() for each in command.params for option in each.opts}


NEED_MORE = {
    (name,) for name, command in COMMAND_LINE.commands.items() if any(each.required for each in command.params)
}
"""Commands with required parameters, which a sentence may just mention."""

PAGES = [
    Page("README.md"),
    *(Page(path.relative_to(ROOT).as_posix()) for path in sorted((ROOT / "docs").glob("**/*.md"))),
]
