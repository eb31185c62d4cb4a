"""Terminal output: help without broken names, small pictures of large orders, colors only on a terminal."""

from __future__ import annotations

import re
import sys

import pytest
import typer

from reorder_kit.cli.main import app, main
from reorder_kit.figures.terminal import order_as_text
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order

ROOT = typer.main.get_command(app)


def below(command, *words):
    yield words, command
    for name, each in getattr(command, "commands", {}).items():
        yield from below(each, *words, name)


EVERY = dict(below(ROOT))


def help_of(words):
    """The actual output; the test runner would always use 80 columns."""
    with EVERY[words].make_context("reorder-kit", [], resilient_parsing=True) as context:
        return EVERY[words].get_help(context)


@pytest.mark.parametrize("columns", [80, 60, 50])
def test_no_name_of_an_option_is_broken(monkeypatch, columns):
    monkeypatch.setenv("COLUMNS", str(columns))
    for words, command in EVERY.items():
        lines = help_of(words).splitlines()
        options = [name for each in command.params if each.param_type_name == "option" for name in each.opts]
        for option in options:
            whole = re.compile(rf"(?<![-\w]){re.escape(option)}(?![-\w])")
            assert any(whole.search(line) for line in lines), (words, option)
        # No line ends at a hyphen, as `--fit-` would, and lines that the terminal would wrap contain no option.
        assert [line for line in lines if re.search(r"\w-$", line)] == [], words
        too_long = [line for line in lines if len(line) > columns and "{" not in line]
        assert [line for line in too_long if " --" in line[8:]] == [], words


def test_a_long_example_is_still_one_command(monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    (example,) = re.findall(r"reorder-kit run recipes/(?:.*\\\n)+.*", help_of(("run",)))
    joined = re.sub(r" \\\n +", " ", example)
    assert joined == (
        "reorder-kit run recipes/quickstart.yaml --set train.epochs=30 --set order.start=hilbert --device cpu"
    )


def test_describe_keeps_names_whole(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "60")
    lines = cli("describe", "order-learner", "gumbel-sinkhorn").stdout.splitlines()
    for name in ("warmup_epochs", "temperature.initial", "lr"):
        assert [line for line in lines if line.startswith(f"{name} ")], name


@pytest.mark.parametrize("grid", ["128x128", "1x3000", "3000x1", "3x2000", "5x64x64", "65x16"])
def test_a_large_grid_gives_a_small_picture(grid):
    shape = Grid.parse(grid)
    lines = order_as_text(Order.identity(shape.num_patches), shape, 80).splitlines()
    assert len(lines) <= 40
    assert max(len(line) for line in lines if "--png" not in line and "jumps:" not in line) <= 80
    (words,) = [line for line in lines if "--png FILE draws every patch; --json lists the whole order" in line]
    assert ("2 more frames are left out" in words) == (shape.frames > 1)


def test_blocks_hold_the_mean_place_in_percent(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    # 27 blocks would fit, of 3 patches each; blocks of 4 divide 80 evenly.
    shown = cli("show-order", "row", "--grid", "1x80").stdout.splitlines()
    # The first block has slots 0 to 3 of 0 to 79, the mean 1.5 / 79 = 1.9%; the last 77.5 / 79 = 98.1%.
    numbers = shown[2].split()
    assert (len(numbers), numbers[0], numbers[1], numbers[-1]) == (20, "2", "7", "98")
    kept = cli("show-order", "row", "--grid", "1x80", "--keep", "0.5").stdout.splitlines()
    assert kept[2].split()[9:12] == ["96", "--", "--"]  # slots 36 to 39 of 0 to 39; then none


def test_the_width_of_the_terminal_counts(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    assert "too large" not in cli("show-order", "row", "--grid", "1x80").stdout


class Stream:
    """Standard error, of a terminal or not."""

    def __init__(self, is_terminal):
        self.is_terminal, self.text = is_terminal, ""

    def isatty(self):
        return self.is_terminal

    def write(self, text):
        self.text += text

    def flush(self):
        pass


@pytest.mark.parametrize(
    ("is_terminal", "variables", "has_colors"),
    [
        (True, {}, True),
        (False, {}, False),
        (True, {"NO_COLOR": "1"}, False),
        (False, {"FORCE_COLOR": "1"}, True),
        (True, {"NO_COLOR": "1", "FORCE_COLOR": "1"}, False),
        (True, {"NO_COLOR": ""}, True),
        (True, {"TERM": "dumb"}, False),
    ],
)
def test_errors_are_colored_where_somebody_sees_it(monkeypatch, tmp_path, is_terminal, variables, has_colors):
    for name in ("NO_COLOR", "FORCE_COLOR", "TERM"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    stream = Stream(is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "argv", ["reorder-kit", "recipes", "copy", "quickstrat"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert ("\x1b[" in stream.text) == has_colors
    plain = re.sub(r"\x1b\[[0-9;]*m", "", stream.text)
    assert plain == "error: unknown shipped recipe 'quickstrat'\n  hint: did you mean 'quickstart'?\n"
