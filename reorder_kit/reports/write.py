"""Write the report of a folder."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError, writing
from reorder_kit.experiment.reopening import Places
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.reports.page import Page
from reorder_kit.reports.run_page import run_page
from reorder_kit.reports.study_page import study_page
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.results import StudyResult
from reorder_kit.writable import require_writable_folder

STUDY_FILE = "study.json"


def write_report(source: Path, out: Path | None, host: PluginHost, places: Places = ()) -> list[Path]:
    """Write the page of a run or a study, with its pictures and tables in the same folder.

    Args:
        source: the folder of the run or the study.
        out: the folder to write to; the folder ``report`` in the source if not given.
        host: as in :func:`page_of`.
        places: as in :func:`page_of`.

    Returns:
        The files, the page first.

    Raises:
        ReorderKitError: as for :func:`page_of`, or if the folder cannot be written.
    """
    target = out or source / "report"
    if out is not None or source.is_dir():
        require_writable_folder(target)
    page = page_of(source, host, places)
    with writing(target):
        return page.write(target)


@names_plugins
def page_of(source: Path, host: PluginHost, places: Places = ()) -> Page:
    """Make the page of a run or a study.

    Args:
        source: the folder of the run or the study.
        host: the plugins, which open the data of runs; the page omits what they cannot open.
        places: where the data is now, if it has moved.

    Raises:
        ReorderKitError: if it is not such a folder, the run is not finished, one of its files is damaged, or the data
            is not in the given place.
    """
    study, folder = source / STUDY_FILE, RunFolder(source)
    if study.exists():
        results = StudyResult.read(study)
        if not results.rows:
            raise ReorderKitError(f"{source}: no run of this study is finished", "continue it with `reorder-kit study`")
        return study_page(results, source, host, places)
    if folder.is_finished:
        return run_page(folder, host, places)
    if folder.recipe.exists():
        hint = "resume with: reorder-kit run RECIPE --resume, with the same --out if one was given"
        raise ReorderKitError(f"{source}: this run is not finished", hint)
    if not source.is_dir():
        near = Path("runs") / source
        hint = (
            f"did you mean {near}?" if near.is_dir() else "give the folder of a run or a study, as in runs/quickstart"
        )
        raise ReorderKitError(f"{source}: folder not found", hint)
    raise ReorderKitError(
        f"{source}: neither a run nor a study", f"a study has a {STUDY_FILE}, a finished run a {folder.result.name}"
    )
