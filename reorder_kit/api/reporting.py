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
"""Of the page in a notebook, pixels."""


@dataclass(frozen=True, repr=False)
class WrittenReport(os.PathLike[str]):
    """A page, and the pictures and tables beside it. In a notebook it shows the page.

    Args:
        page: ``report.html``, which fetches nothing and can be sent to anybody.
        beside: pictures as PNG, tables as CSV.
    """

    page: Path
    beside: tuple[Path, ...]

    @property
    def folder(self) -> Path:
        """Where all of it is."""
        return self.page.parent

    def __fspath__(self) -> str:
        return str(self.page)

    def __repr__(self) -> str:
        return f"<report {self.page}, with {len(self.beside)} pictures and tables beside it>"

    def _repr_html_(self) -> str:
        # The content rather than the address: where a notebook is shown, the file often cannot be reached.
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
    """Write the page of a run or a study: ``report.html``, one file that fetches nothing.

    >>> report("runs/quickstart").page  # doctest: +SKIP

    Args:
        source: the folder of a finished run or of a study, or what :func:`reorder_kit.run`,
            :func:`reorder_kit.load_run` or :func:`reorder_kit.study` returned.
        out: where to; into the folder ``report`` of the run or study if not given.
        places: where its data is now, if it is elsewhere, as ``{"data.root": "/data/photos"}``.
        host: the plugins; all installed ones if not given.

    Raises:
        ReorderKitError: if the run is not finished, a file of it is damaged, or nothing can be written there.
    """
    # Imported on first use, as for a run.
    from reorder_kit.reports.write import write_report

    caller = Caller.here()
    with caller.warned_of_logs():
        now_in, target = tuple((places or {}).items()), None if out is None else Path(out)
        page, *beside = write_report(path_of(source, "run or study"), target, plugins(host, caller), now_in)
    return WrittenReport(page, tuple(beside))
