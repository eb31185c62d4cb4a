"""Report pages, in Python."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from reorder_kit.api import notebook
from reorder_kit.api.plugins import plugins
from reorder_kit.api.run_path import path_of
from reorder_kit.caller import Caller
from reorder_kit.host.plugin_host import PluginHost

_HEIGHT = 700
"""The height of the page in a notebook, in pixels."""


@dataclass(frozen=True, repr=False)
class WrittenReport(os.PathLike[str]):
    """A report page with its pictures and tables. Notebooks show the page.

    Args:
        page: ``report.html``, a self-contained file.
        beside: its pictures as PNG and tables as CSV.
    """

    page: Path
    beside: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """The folder of the page, pictures and tables."""
        return self.page.parent

    def __fspath__(self) -> str:
        return str(self.page)

    def __repr__(self) -> str:
        return f"<report {self.page}, with {len(self.beside)} pictures and tables>"

    def _repr_html_(self) -> str:
        # The content rather than the address: the viewer of a notebook often cannot access the file.
        frame = Markup(
            "<iframe srcdoc='{}' style='width: 100%; height: {}px; border: 1px solid #8888' "
            "sandbox='allow-scripts allow-downloads allow-popups' title='report'></iframe>"
        ).format(self.page.read_text(encoding="utf-8"), _HEIGHT)
        return notebook.together(notebook.paragraph(repr(self)), frame)


def report(
    source: str | os.PathLike[str] | Any,
    out: str | os.PathLike[str] | None = None,
    *,
    places: Mapping[str, Any] | None = None,
    host: PluginHost | None = None,
) -> WrittenReport:
    """Write the page of a run or a study: ``report.html``, a single self-contained file.

    >>> report("runs/quickstart").page  # doctest: +SKIP

    Args:
        source: the folder of a finished run or of a study, or what :func:`reorder_kit.run`,
            :func:`reorder_kit.load_run` or :func:`reorder_kit.study` returned.
        out: the folder to write to; the folder ``report`` of the run or study if not given.
        places: where its data is now, if it has moved, as in ``{"data.root": "/data/photos"}``.
        host: the plugins; all installed ones if not given.

    Raises:
        ReorderKitError: if the run is not finished, one of its files is damaged, or the folder cannot be written.
    """
    # Imported on first use, as in run().
    from reorder_kit.reports.write import write_report

    caller = Caller.here()
    with caller.warned_of_logs():
        now_in, target = tuple((places or {}).items()), None if out is None else Path(out)
        page, *beside = write_report(path_of(source, "run or study"), target, plugins(host, caller), now_in)
    return WrittenReport(page, tuple(beside))
