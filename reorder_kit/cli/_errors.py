"""How a command reports errors and exits."""

from __future__ import annotations

import errno
import gc
import os
import signal
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import typer
from typer.core import TyperCommand

from reorder_kit.cli._help import FittingHelp
from reorder_kit.cli._output import (
    is_main_process,
    print_json,
    print_to_stderr,
    process,
    results_alone,
    stdout_takes_no_more,
)
from reorder_kit.cli._stopping import Terminated
from reorder_kit.errors import ENCODING_HINT, ComponentError, RecipeError, ReorderKitError, error_of_machine

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM
PLUGINS = "reorder_kit.host.plugin_host"
"""A command that has not imported this module has not loaded plugins."""


class Command(FittingHelp, TyperCommand):
    """A command that reports expected errors as messages, with exit code 2 and no traceback. Any other error is a bug.

    With ``--json`` the error also goes to standard output: ``{"error", "hint", "problems": [{"path", "message",
    "hint"}]}``.
    """

    is_always_json = False
    """Whether the command always prints JSON."""

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        is_json = ctx.params.get("as_json") or self.is_always_json
        with results_alone() if is_json else nullcontext():
            return self._invoke(ctx)

    def _invoke(self, ctx: Any) -> Any:
        try:
            with _naming_files(), _naming_the_machine(), _naming_plugins():
                return super().invoke(ctx)
        except ReorderKitError as error:
            if os.environ.get("REORDER_KIT_TRACEBACK", "") in ("1", "true"):
                traceback.print_exception(error)
            _tell(error)
            if ctx.params.get("as_json") and is_main_process():
                print_json(_as_dict(error))
            raise typer.Exit(error.exit_code) from None
        except KeyboardInterrupt as stop:
            if is_main_process():
                print_to_stderr("stopped")
            raise typer.Exit(TERMINATED if isinstance(stop, Terminated) else INTERRUPTED) from None


@contextmanager
def _naming_files() -> Iterator[None]:
    """Explain errors about file names that the file system or its encoding cannot represent.

    Raises:
        ReorderKitError: instead of such an error, and with a hint if misread characters may have caused another error.
    """
    encoding = sys.getfilesystemencoding()
    try:
        yield
    except UnicodeEncodeError as error:
        if error.encoding != encoding:
            raise
        reason = f"file names are {encoding} in this environment, which cannot encode {error.object}"
        raise ReorderKitError(reason, ENCODING_HINT) from None
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        # Imported on first use because it loads torch.
        from reorder_kit.interfaces.path_lengths import shortened

        raise ReorderKitError(f"a path is longer than file systems allow: {shortened(str(error.filename))}") from None
    except ReorderKitError as error:
        letters = error.message + "".join(sys.argv)
        if encoding == "utf-8" or letters.isascii() or isinstance(error, RecipeError):
            raise
        hint = f"file names are {encoding} in this environment; {ENCODING_HINT}"
        raise ReorderKitError(error.message, "; ".join(filter(None, [error.hint, hint]))) from None


@contextmanager
def _naming_the_machine() -> Iterator[None]:
    """Explain that a disk is full, a permission is missing, or a system limit is reached.

    Raises:
        ReorderKitError: instead of the system's error, unless it concerns standard output.
    """
    try:
        yield
    except Exception as error:
        explained = error_of_machine(error)
        if explained is None or (isinstance(error, OSError) and error.filename is None and stdout_takes_no_more()):
            raise
        raise explained from None


class QuickCommand(Command):
    """A command that answers at once and runs without garbage collection.

    Garbage collection would take a fifth of its time: importing torch and the plugins creates many long-lived objects.
    """

    def invoke(self, ctx: Any) -> Any:
        """Run it."""
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            return super().invoke(ctx)
        finally:
            if was_enabled:
                gc.enable()


class QuickJsonCommand(QuickCommand):
    """A quick command that always prints JSON."""

    is_always_json = True


@contextmanager
def _naming_plugins() -> Iterator[None]:
    """Attribute an unexpected error to the plugin that caused it."""
    try:
        yield
    except (typer.Exit, typer.Abort, KeyboardInterrupt):
        raise
    except BaseException as error:
        is_expected = isinstance(error, ReorderKitError) and not isinstance(error, ComponentError)
        if is_expected or PLUGINS not in sys.modules:
            raise
        # Imported here, and the plugins loaded again, because few commands end this way.
        from reorder_kit.host.plugin_errors import naming_plugins
        from reorder_kit.host.plugin_host import PluginHost

        with naming_plugins(PluginHost.from_environment()):
            raise


def _tell(error: ReorderKitError) -> None:
    # Every process finds the same mistakes in a recipe; later errors may concern one process only.
    if is_main_process():
        print_to_stderr(f"error: {error}")
    elif not isinstance(error, RecipeError):
        print_to_stderr(f"error in process {process()}: {error}")


def _as_dict(error: ReorderKitError) -> dict[str, Any]:
    found = error.problems if isinstance(error, RecipeError) else ()
    problems = [{"path": problem.path, "message": problem.message, "hint": problem.hint} for problem in found]
    return {"error": error.message, "hint": error.hint, "problems": problems}
