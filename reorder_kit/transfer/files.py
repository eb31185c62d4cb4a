"""The result files of a transfer."""

from __future__ import annotations

from pathlib import Path

from reorder_kit.figures.transfer import MatrixCell, draw_transfer
from reorder_kit.transfer.results import HEADINGS, How, TransferResult
from reorder_kit.whole_file import write_whole

FILES = ("transfer.json", "transfer.md", "transfer.png")


def write_results(results: TransferResult, folder: Path) -> None:
    """Write the matrix as JSON, Markdown and a picture.

    Args:
        results: the matrix.
        folder: the folder to write to.
    """
    json_file, markdown_file, picture = (folder / name for name in FILES)
    results.write(json_file)
    write_whole(markdown_file, results.markdown())
    names = [target.name for target in results.targets]

    def cell(how: How, target: str, row: str) -> MatrixCell:
        found = results.cell(how, target, row)
        return found.score.mean, None if found.gain is None else found.gain.mean, found.verdict in ("better", "worse")

    panels = {
        heading: [[cell(how, name, row) for name in names] for row in results.rows] for how, heading in HEADINGS.items()
    }
    without_points = [place for place, target in enumerate(results.targets) if not results.has_points(target)]
    draw_transfer(panels, results.rows, names, picture, without_points)
