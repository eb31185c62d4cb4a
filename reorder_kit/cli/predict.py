"""``reorder-kit predict``: predictions of a trained run for images."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from reorder_kit.cli._output import is_main_process, print_json, print_to_stderr
from reorder_kit.cli._parameters import DeviceOption, JsonOption, RunArgument, as_name, as_path

if TYPE_CHECKING:
    from reorder_kit.training.prediction import ImagePrediction, Predictions

_UNREADABLE = 2
"""The exit code if an image could not be read."""


def predict(
    run: RunArgument,
    images: Annotated[
        list[str],
        typer.Argument(
            metavar="IMAGES...", help="Image files, and folders that are searched for images.", parser=as_name
        ),
    ],
    threshold: Annotated[
        float | None,
        typer.Option(
            "--threshold",
            metavar="P",
            help="Report classes with at least this probability (multi-label) or boxes with at least this score "
            "(detection); the task's own threshold if not given, which is printed.",
            min=0,
            max=1,
        ),
    ] = None,
    top: Annotated[
        int,
        typer.Option("--top", metavar="K", help="Number of most probable classes to report.", min=1, max=100_000),
    ] = 5,
    picture: Annotated[
        Path | None,
        typer.Option(
            "--picture",
            metavar="PATH",
            help="Draw the first 24 images into this file, such as seen.png. A name without an ending is a folder with "
            "a picture of each image. Existing files are never replaced.",
            parser=as_path,
        ),
    ] = None,
    masks: Annotated[
        Path | None,
        typer.Option(
            "--masks",
            metavar="FOLDER",
            help="Segmentation: write each mask as a PNG whose values are class numbers. No file is replaced.",
            parser=as_path,
        ),
    ] = None,
    device: DeviceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the content of images with a trained run.

    Each image goes through the run's own test transform. Classes are named, boxes are in pixels of the upright image,
    and masks have its size. The run's data is not opened and need not exist. Nothing is downloaded or written into the
    run folder.

    A folder stands for all images below it; hidden files and files with other endings are skipped and counted. Images
    that cannot be read are listed at the end, after the others were predicted. The exit code is then 2.

    \b
    Example:
      reorder-kit predict runs/photos cat.jpg holiday
      reorder-kit predict runs/photos cat.jpg --top 1 --json
      reorder-kit predict runs/fish tank.jpg --threshold 0.5 --picture seen.png
      reorder-kit predict runs/cells slides --masks masks --picture pictures
    """
    from reorder_kit.cli._lookup import find_run, load_host
    from reorder_kit.cli._prediction_files import PredictionFiles
    from reorder_kit.cli._prediction_lines import PredictionLines
    from reorder_kit.data.given_images import find_images
    from reorder_kit.training.devices import require_device
    from reorder_kit.training.predict_run import predict_run

    folder, host = find_run(run), load_host()
    if device is not None:
        require_device(device)
    given = find_images(images)
    names = [image.name for image in given.images]
    files = PredictionFiles(names, picture, masks)
    lines = PredictionLines(names, top)
    speaks = is_main_process()
    if speaks:
        files.require_new()

    def keep(prediction: ImagePrediction) -> ImagePrediction:
        if speaks:
            prediction = files.write(prediction)
            if not as_json:
                lines.print(prediction)
        return files.kept(prediction)

    previews = files.previews(len(names))
    predictions = predict_run(folder.path, given, host, device, threshold, previews, keep, masks is not None)
    if speaks:
        files.finish(predictions)
        if as_json:
            print_json(predictions.as_dict(top))
        else:
            lines.finish(predictions)
            for file in files.written:
                typer.echo(f"wrote {file}")
        for complaint in _complaints(predictions):
            print_to_stderr(complaint)
    if predictions.unreadable:
        raise typer.Exit(_UNREADABLE)


def _complaints(predictions: Predictions) -> list[str]:
    missing, count = predictions.unreadable, len(predictions.unreadable) + len(predictions)
    if not missing:
        return []
    counted = f"{len(missing)} of {count} images" if count > 1 else "the image"
    return [f"error: {counted} could not be read:", *(f"  {each.path}: {each.reason}" for each in missing)]
