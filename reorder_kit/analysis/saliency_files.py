"""Write the results of a saliency analysis into the run folder, and read them again."""

from __future__ import annotations

from reorder_kit.analysis.saliency import SaliencyReport
from reorder_kit.analysis.saliency_record import SaliencyRecord
from reorder_kit.errors import ReorderKitError
from reorder_kit.figures.saliency import draw_saliency
from reorder_kit.runs.result import RunResult
from reorder_kit.runs.run_folder import RunFolder

PICTURE = "saliency.png"


def read_saliency(folder: RunFolder, result: RunResult) -> SaliencyRecord | None:
    """The record of a saliency analysis; None if there was none.

    Args:
        folder: the run folder.
        result: the result of the run.

    Raises:
        ReorderKitError: if the file is damaged, or belongs to another run.
    """
    if not folder.saliency.exists():
        return None
    record = SaliencyRecord.read(folder.saliency)
    if record.checkpoint != result.checkpoint:
        raise ReorderKitError(
            f"{folder.saliency}: is about another run, or was written before the run was trained again",
            f"remove it, or create it again: reorder-kit saliency {folder.path}",
        )
    return record


def write_saliency(report: SaliencyReport, folder: RunFolder) -> None:
    """Write the report as JSON and as a picture.

    Args:
        report: the report.
        folder: the run folder.
    """
    report.record().write(folder.saliency)
    panels = {
        "read in the final order": (report.own.start, report.own.final),
        "each image read in a random order": (report.apart.start, report.apart.final),
    }
    draw_saliency(panels, report.influence, f"{report.run}: saliency by slot ({report.method})", folder.path / PICTURE)
