"""From a folder to its report."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.reopening import Places
from reorder_kit.host.plugin_errors import names_plugins
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.reports.page import Page
from reorder_kit.reports.run_page import run_page
from reorder_kit.reports.study_page import study_page
from reorder_kit.runs.run_folder import RunFolder
from reorder_kit.studies.results import StudyResult

STUDY_FILE = "study.json"


@names_plugins
def page_of(source: Path, host: PluginHost, places: Places = ()) -> Page:
    """The page of a run or a study.

    Args:
        source: its folder.
        host: opens the data of runs; what it cannot open is left out of the page.
        places: where the data is now, if it is elsewhere.

    Raises:
        ReorderKitError: if it is no such folder, the run is not finished, a file of it is damaged, or the data is not
            in the given place.
    """
    study, folder = source / STUDY_FILE, RunFolder(source)
    if study.exists():
        results = StudyResult.read(study)
        if not results.rows:
            raise ReorderKitError(f"{source}: no run of this study is finished", "go on with `reorder-kit study`")
        return study_page(results, source, host, places)
    if folder.is_finished:
        return run_page(folder, host, places)
    if folder.recipe.exists():
        hint = "go on with: reorder-kit run RECIPE --resume, with the same --out if one was given"
        raise ReorderKitError(f"{source}: this run is not finished", hint)
    if not source.is_dir():
        near = Path("runs") / source
        hint = (
            f"did you mean {near}?" if near.is_dir() else "give the folder of a run or a study, as in runs/quickstart"
        )
        raise ReorderKitError(f"{source}: there is no such folder", hint)
    raise ReorderKitError(
        f"{source}: neither a run nor a study", f"a study has a {STUDY_FILE}, a finished run a {folder.result.name}"
    )
