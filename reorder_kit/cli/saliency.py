"""``reorder-kit saliency``: where salient patches stand in the sequence, before and after learning."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._output import console, print_json, table
from reorder_kit.cli._parameters import MOST_STEPS, DownloadOption, JsonOption, PlaceOption, RunArgument
from reorder_kit.cli.evaluate import Split
from reorder_kit.errors import writing
from reorder_kit.writable import require_writable_folder

if TYPE_CHECKING:
    from rich.table import Table

    from reorder_kit.analysis.saliency import SaliencyReport
    from reorder_kit.runs.run_folder import RunFolder

ROWS = 16


class Method(StrEnum):
    """The definition of saliency."""

    gradient = "gradient"
    occlusion = "occlusion"
    rollout = "rollout"


def saliency(
    run: RunArgument,
    method: Annotated[
        Method,
        typer.Option(
            "--method",
            help="gradient: slope of the loss times distance from the mean training image; occlusion: change of the "
            "loss when a patch is replaced by that of the mean training image, one pass per patch; rollout: "
            "attention, for vit, local and longformer.",
        ),
    ] = Method.gradient,
    split: Annotated[Split, typer.Option("--split", help="Images to use.")] = Split.test,
    images: Annotated[
        int,
        typer.Option("--images", min=2, max=MOST_STEPS, help="Number of images, chosen at random by the run's seed."),
    ] = 256,
    sets: PlaceOption = None,
    allow_download: DownloadOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show where salient patches stand in the sequence, before and after learning.

    Saliency is measured with the trained model, twice: as it reads its images, in the final order, and with each image
    in a random order of its own, since a patch can be salient merely because of its slot. A patch has the same saliency
    before and after; only its slot differs. The table also shows the influence of each slot: how much the model has
    forgotten. Writes saliency.json and saliency.png into the run folder.

    \b
    Example:
      reorder-kit saliency runs/quickstart
      reorder-kit saliency runs/quickstart --method occlusion --split validation --json
      reorder-kit saliency copied/photos --set data.root=/data/photos
    """
    from reorder_kit.analysis.saliency import follow_saliency
    from reorder_kit.analysis.saliency_files import write_saliency
    from reorder_kit.cli._lookup import find_run, load_host, places_of
    from reorder_kit.experiment.loaded_run import LoadedRun
    from reorder_kit.training.devices import build_accelerator, runnable_here

    folder = find_run(run)
    require_writable_folder(folder.path)
    loaded = LoadedRun.open(folder.path, load_host(), places_of(sets), allow_download)
    device = build_accelerator(runnable_here(loaded.experiment.recipe.train)).device
    report = follow_saliency(loaded.on(device), method.value, split.value, images)
    with writing(folder.path):
        write_saliency(report, folder)
    if as_json:
        print_json(report.record().as_dict())
    else:
        _print(report, folder)


def _print(report: SaliencyReport, folder: RunFolder) -> None:
    from reorder_kit.analysis.saliency_files import PICTURE

    out = console()
    out.print(
        f"{folder.path}: {report.method} over {report.images} {report.split} images; shares of an image's saliency."
    )
    if report.without_saliency:
        out.print(f"{report.without_saliency} more images were left out: no patch made a difference to the model.")
    out.print()
    out.print(_by_slot(report))
    out.print()
    out.print(_ranks(report))
    out.print()
    for line in [*report.conclusion(), "", f"wrote {folder.saliency}", f"wrote {folder.path / PICTURE}"]:
        out.print(line, soft_wrap=True)


def _ranks(report: SaliencyReport) -> Table:
    """The mean rank of saliency, its shift, and the shift expected by chance."""
    placements = (report.own, report.apart)
    rows = table("mean rank of saliency, 0 to 1", "read in the final order", "each image in a random order")
    rows.add_row("starting order", *(f"{each.mean_rank[0]:.3f}" for each in placements))
    rows.add_row("final order", *(f"{each.mean_rank[1]:.3f}" for each in placements))
    rows.add_row("shift, 95% interval", *(f"{each.shift}, p = {each.shift.p:.2g}" for each in placements))
    rows.add_row(
        "of patches drawn at random", *(f"{c}, p = {c.p:.2g}" for c in (each.blind_moves for each in placements))
    )
    rows.add_row("of random orders", *(f"{c}, p = {c.p:.2g}" for c in (each.random_orders for each in placements)))
    return rows


def _by_slot(report: SaliencyReport) -> Table:
    """Shares by slot; neighboring slots are grouped if there are many."""
    rows = table("slots", "starting order", "final order", "influence of the slot")
    for slots, start, final, influence in report.by_slot(ROWS):
        rows.add_row(slots, f"{start:.3f}", f"{final:.3f}", "" if influence is None else f"{influence:.3f}")
    return rows
