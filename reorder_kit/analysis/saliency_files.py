"""What following saliency leaves in the run folder."""

from __future__ import annotations

from reorder_kit.analysis.saliency import SaliencyReport
from reorder_kit.figures.saliency import draw_saliency
from reorder_kit.runs.run_folder import RunFolder

PICTURE = "saliency.png"


def write_saliency(report: SaliencyReport, folder: RunFolder) -> None:
    """Write the report as JSON and as a picture.

    Args:
        report: what was measured.
        folder: that of the run.
    """
    report.record().write(folder.saliency)
    panels = {
        "read in the final order": (report.own.start, report.own.final),
        "each image read in a random order": (report.apart.start, report.apart.final),
    }
    draw_saliency(panels, report.influence, f"{report.run}: saliency by slot ({report.method})", folder.path / PICTURE)
