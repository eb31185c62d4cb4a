"""Every argument and option of every command with impossible values: exit code 2 and a message, never a traceback.

Parameters come from the app, so a new one is tested as soon as it is added.
"""

from __future__ import annotations

import inspect
import io
import os
import sys
import types
import typing
from contextlib import redirect_stderr, redirect_stdout, suppress
from enum import Enum
from pathlib import Path
from typing import NamedTuple

import pytest
import typer
import yaml
from typer.testing import CliRunner

from reorder_kit.cli import _lookup
from reorder_kit.cli.main import app, main
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.grid import MOST_PATCHES
from reorder_kit.testing import host_with

RECIPE = {
    "format_version": 1,
    "name": "small",
    "data": {
        "name": "planted-chain",
        "grid": [2, 2],
        "train_images": 24,
        "validation_images": 8,
        "test_images": 8,
        "batch_size": 12,
    },
    "backbone": {"name": "local", "patch_size": 1, "dim": 8, "heads": 2, "depth": 1},
    "order": {"learner": {"name": "softsort", "warmup_epochs": 0}},
    "train": {"epochs": 1, "device": "cpu"},
}
ORDER = '{"grid": [2, 2], "order": [3, 1, 0, 2]}'
VALID = {
    "run": ["small.yaml", "--out", "new"],
    "validate": ["small.yaml"],
    "evaluate": ["trained", "--order", "row"],
    "predict": ["trained", "image.png"],
    "show-order": ["row", "--grid", "2x2"],
    "export-order": ["trained", "--to", "exported"],
    "prior": ["small.yaml", "--orderings", "row", "--orderings", "spiral", "--images", "8"],
    "saliency": ["trained", "--images", "4"],
    "transfer": ["small.yaml", "other.yaml"],
    "study": ["quick"],
    "race": ["small.yaml", "--out", "new"],
    "report": ["trained"],
    "describe": ["ordering", "row"],
    "list-plugins": [],
    "new-plugin": ["ordering", "unheard-of", "--folder", "unheard"],
    "schema": [],
    "doctor": [],
    "recipes list": [],
    "recipes copy": ["quickstart"],
    "bench planted": ["--learner", "softsort", "--seeds", "1"],
}
"""A working call of every command."""
WITH = {"--vq-out": ["--fit-vq"], "--vq-codes": ["--fit-vq"], "--vq-side": ["--fit-vq"], "--vq-steps": ["--fit-vq"]}
"""What an option needs to take effect."""
COMPUTING = [
    "reorder_kit.training.run.open_data",
    "reorder_kit.training.predict_run.predict_run",
    "reorder_kit.data.given_images.ImageWalk",
    "reorder_kit.studies.run_study.work_through",
    "reorder_kit.race.pool._priors",
    "reorder_kit.transfer.run_transfer.run_transfer",
    "reorder_kit.benchmark.planted.run_benchmark",
    "reorder_kit.analysis.fitted_vq.fit_vq_vae",
    "reorder_kit.reports.page.Page.write",
    "reorder_kit.scaffold.write_package.write_files",
]
"""Slow functions, which are not reached with an impossible value."""
NOWHERE = ["", "\0", "a" * 300, "a/" * 3000, "file/below", "loop"]
"""Neither a file nor a folder, and neither can be created there."""
SOMEWHERE = ["file", "folder", "nowhere", "dangling", "/dev/full", "/dev/null", ".", "/"]
"""Paths where a command may or may not find what it needs."""
NUMBERS = [
    "",
    "x",
    "1.5",
    "1e3",
    "nan",
    "inf",
    "-1",
    "-99999999999999999999",
    "9" * 30,
    "9" * 5000,
    "0x10",
    "٣٣٣٣٣٣٣٣٣٣٣٣",
]
ASSIGNMENTS = ["", "=", "a", "=1", "a.b.c=1", "train.epochs=[", "a=" + "[" * 3000, 'data.root="\\0"', "\0", "\n=\n"]
ORDERS = [*NOWHERE, *SOMEWHERE, "/dev/zero", "damaged", "huge", "binary"]


PROGRAM = typer.main.get_command(app)


class ReachedError(Exception):
    """A command began to compute."""


def commands():
    for name, command in PROGRAM.commands.items():
        for inner, below in getattr(command, "commands", {"": command}).items():
            yield f"{name} {inner}".strip(), below


def parameters():
    for name, command in commands():
        kinds = typing.get_type_hints(inspect.unwrap(command.callback))
        for parameter in command.params:
            if parameter.name in kinds:
                yield pytest.param(name, parameter, kinds[parameter.name], id=f"{name} {parameter.opts[0]}")


def plain(kind):
    """The type of one value of an optional or repeated option."""
    while typing.get_origin(kind) in (list, types.UnionType, typing.Union):
        kind = next(each for each in typing.get_args(kind) if each is not types.NoneType)
    return kind


@pytest.fixture(scope="module")
def host():
    return host_with()


@pytest.fixture(scope="module")
def home(tmp_path_factory, host):
    """A folder with a recipe, a finished run, and things that are neither."""
    home = tmp_path_factory.mktemp("home")
    for name in ("small", "other"):
        (home / f"{name}.yaml").write_text(yaml.safe_dump({**RECIPE, "name": name}))
    (home / "file").write_text("neither YAML: nor JSON: [")
    (home / "damaged").write_text(ORDER[:-3])
    (home / "binary").write_bytes(bytes(range(256)))
    (home / "huge").write_text(ORDER.replace("[2, 2]", "[99999, 99999]"))
    (home / "image.png").write_bytes(b"torn")
    (home / "folder").mkdir()
    (home / "dangling").symlink_to("gone/for/good")
    (home / "loop").symlink_to("loop")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.setattr(_lookup, "load_host", lambda: host)
        done = CliRunner().invoke(app, ["run", "small.yaml", "--out", "trained", "--quiet"])
    assert done.exit_code == 0, done.output
    return home


@pytest.fixture
def here(home, host, monkeypatch):
    """Commands that compute nothing and keep the loaded plugins."""
    monkeypatch.chdir(home)
    monkeypatch.setattr(_lookup, "load_host", lambda: host)
    monkeypatch.setattr(PluginHost, "from_environment", lambda *arguments: host)
    return home


@pytest.fixture
def uncomputed(here, monkeypatch):
    def reach(*arguments, **options):
        raise ReachedError

    for place in COMPUTING:
        monkeypatch.setattr(place, reach)
    return here


class Ended(NamedTuple):
    """How a command ended: with this exit code, or with an uncaught error."""

    exit_code: int | None
    exception: Exception | None
    stderr: str


def call(command, arguments):
    """Like typer's runner, which rebuilds the whole command line for every call."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        try:
            PROGRAM([*command.split(), *arguments], prog_name="reorder-kit")
        except SystemExit as end:
            return Ended(end.code or 0, None, errors.getvalue())
        except Exception as error:
            return Ended(None, error, errors.getvalue())
    raise AssertionError("a command ends with SystemExit")


def ended_well(done):
    """Whether a command refused its arguments with a message; otherwise it accepted them."""
    if isinstance(done.exception, ReachedError):
        return False
    if done.exception is not None:
        raise done.exception
    if done.exit_code == 0:
        return False
    assert done.exit_code == 2, done.stderr
    assert "Traceback" not in done.stderr
    assert "rror: " in done.stderr or "rror in process " in done.stderr
    return True


def with_value(command, parameter, value):
    """A working call of the command, except for one value."""
    base = VALID[command]
    if parameter.param_type_name == "option":
        return [*base, *WITH.get(parameter.opts[0], []), f"{parameter.opts[0]}={value}"]
    place = [each.name for each in dict(commands())[command].params if each.param_type_name == "argument"]
    index = place.index(parameter.name)
    return [*base[:index], value, *base[index + 1 :]]


def test_every_command_has_a_call_that_works():
    assert set(VALID) == {name for name, _ in commands()}


@pytest.mark.parametrize("command", VALID)
def test_the_calls_work(command, uncomputed):
    done = call(command, VALID[command])
    assert not ended_well(done), done.stderr


def impossible(parameter, kind):
    """Values that are surely refused, and values that may be."""
    if kind is bool:
        return [], []
    if kind is int:
        return NUMBERS, ["0", "1", "2147483648"]
    if isinstance(kind, type) and issubclass(kind, Enum):
        return ["", "nothing", "\0", "x" * 5000], []
    if kind is Path:
        return NOWHERE, SOMEWHERE
    if parameter.opts[0] == "--set":
        return ASSIGNMENTS, []
    if parameter.opts[0] == "--grid":
        grids = [
            "",
            "2",
            "2x",
            "0x2",
            "-1x2",
            "99999x99999",
            "9" * 5000 + "x2",
            "1x1x1x1",
            "2x2\n",
            "axb",
            f"{MOST_PATCHES}x2",
        ]
        return grids, []
    return ORDERS[:6], [*ORDERS[6:], "no-such-name"]


@pytest.mark.parametrize(("command", "parameter", "kind"), list(parameters()))
def test_impossible_values_are_refused_in_words(command, parameter, kind, uncomputed):
    surely, perhaps = impossible(parameter, plain(kind))
    if (command, parameter.name) == ("new-plugin", "name"):  # a new name may be that of a file
        surely = [value for value in surely if value != "loop"]
    for value in surely:
        arguments = with_value(command, parameter, value)
        assert ended_well(call(command, arguments)), f"{value!r:.80} is not refused"
    for value in perhaps:
        # `doctor /` is possible: it checks every run on this machine, and its findings do not concern a test.
        if (command, value) != ("doctor", "/"):
            ended_well(call(command, with_value(command, parameter, value)))


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"RANK": "0"}, "RANK is set, but LOCAL_RANK is not"),
        ({"RANK": "1", "LOCAL_RANK": "1"}, "RANK is set, but WORLD_SIZE is not"),
        ({"WORLD_SIZE": "2"}, "WORLD_SIZE is set, but RANK is not"),
        ({"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "2"}, "RANK is set, but MASTER_ADDR is not"),
        (
            {"RANK": "2", "LOCAL_RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "h", "MASTER_PORT": "1"},
            "RANK=2 must be less than",
        ),
        ({"RANK": "one"}, "RANK='one' must be a whole number"),
    ],
    ids=str,
)
@pytest.mark.parametrize("command", ["run", "evaluate", "saliency"])
def test_half_set_variables_of_processes_are_refused_by_commands(
    command, variables, message, here, monkeypatch, tmp_path
):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    arguments = ["small.yaml", "--out", str(tmp_path / "new")] if command == "run" else VALID[command]
    done = call(command, arguments)
    assert ended_well(done)
    assert message in done.stderr


SPEAKING = {
    **VALID,
    "run": ["small.yaml", "--out", "trained", "--resume"],
    "study": ["quick", "--dry-run"],
    "predict": ["trained", "image.png", "--json"],
    "transfer": ["small.yaml", "--json"],
    "bench planted": ["--case", "nothing", "--json"],
}
"""A call of every command that writes to standard output without computing anything."""


def ended(arguments, stdout, monkeypatch):
    """Exit code and standard error of the program, with this standard output."""
    monkeypatch.setattr(sys, "argv", ["reorder-kit", *arguments])
    monkeypatch.setattr(sys, "stdout", stdout)
    monkeypatch.setattr(sys, "stderr", errors := io.StringIO())
    with pytest.raises(SystemExit) as end:
        main()
    if stdout is None:
        sys.stdout.close()
    return end.value.code or 0, errors.getvalue()


@pytest.mark.parametrize("command", SPEAKING)
def test_standard_output_may_be_full_closed_or_read_by_nobody(command, here, monkeypatch, tmp_path):
    words = [*command.split(), *SPEAKING[command]]
    monkeypatch.setattr("reorder_kit.reports.page.Page.write", lambda page, folder: [folder / "report.html"])
    monkeypatch.setattr("reorder_kit.scaffold.write_package.write_files", lambda files: None)
    usual, _ = ended(words, io.StringIO(), monkeypatch)
    with open(tmp_path / "log", "w") as log:  # noqa: PTH123
        assert ended(words, log, monkeypatch)[0] == usual
    assert (tmp_path / "log").stat().st_size > 0
    assert ended(words, None, monkeypatch)[0] == usual
    if Path("/dev/full").exists():
        with open("/dev/full", "w") as full:  # noqa: PTH123
            code, errors = ended(words, full, monkeypatch)
        assert code == 2
        assert errors.splitlines()[-1] == "error: cannot write to standard output: No space left on device"
    read_end, write_end = os.pipe()
    os.close(read_end)
    with suppress(BrokenPipeError), open(write_end, "w") as pipe:  # noqa: PTH123
        code, errors = ended(words, pipe, monkeypatch)
    assert code == 1
    assert "Traceback" not in errors
    assert "standard output" not in errors


def test_a_full_standard_error_is_no_reason_to_fail(here, monkeypatch, tmp_path):
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    monkeypatch.setattr(
        sys, "argv", ["reorder-kit", "show-order", "row", "--grid", "2x2", "--png", str(tmp_path / "a.png")]
    )
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", full)
        with pytest.raises(SystemExit) as end:
            main()
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert end.value.code == 0
