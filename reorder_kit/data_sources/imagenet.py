"""ImageNet (ILSVRC 2012) from the folders in which it is usually kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field, PositiveInt

from reorder_kit.data.channel_options import IMAGENET_MEAN, IMAGENET_STD
from reorder_kit.data.class_folders import find_classes, find_files, require_every_class
from reorder_kit.data.csv_table import read_table
from reorder_kit.data.dealing import deal
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.samples import ImagesInFiles, name_below
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape

BELOW_THE_DOWNLOAD = Path("ILSVRC", "Data", "CLS-LOC")
SOLUTION = "LOC_val_solution.csv"
NAMES = ("LOC_synset_mapping.txt", "words.txt")

Files = list[tuple[str, int]]


class ImageNet(DataSource):
    """ImageNet (ILSVRC 2012), or a part of its classes, from folders ``train`` and ``val`` without the development kit.

    Two layouts are read:

    * ``root/train/WNID/*`` and ``root/val/WNID/*``, WNID being WordNet's number of a class, as ``n01440764``;
    * the download from Kaggle as it unpacks: these folders below ``root/ILSVRC/Data/CLS-LOC``, the images of ``val`` in
      one folder, and their classes in ``root/LOC_val_solution.csv``.

    Classes are the folders of ``train``; images of ``val`` that are of others are left out. Where there is
    ``root/LOC_synset_mapping.txt`` or ``root/words.txt``, it gives the classes their names. The test split is ``val``;
    validation is set aside from train by ``split_seed``, the same share of every class.

    By default, as in the published work on the order of patches, images are resized to cover 256 of 224 pixels and cut
    to the centre of 224 (``Fit``), and training images are flipped from left to right by chance.

    Source: O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015,
    https://arxiv.org/abs/1409.0575
    """

    name = "imagenet"
    target_kinds = (CLASS,)

    class Options(ImageOptions):
        root: HomePath = Field(description="the folder; ~ is the home folder")
        image_size: PositiveInt | tuple[PositiveInt, PositiveInt] = Field(
            224, description="side of the square, or [height, width], pixels"
        )

    options: Options

    @property
    def image(self) -> ImageShape | None:
        """The given size."""
        return self.options.given_shape(channels=3)

    def open(self, seed: int) -> DataSplits:
        """List the files and set the validation images aside."""
        root = self.options.root
        folder = root / BELOW_THE_DOWNLOAD if (root / BELOW_THE_DOWNLOAD).is_dir() else root
        for split in ("train", "val"):
            if not (folder / split).is_dir():
                raise ReorderKitError(
                    f"data.root: there is no folder {folder / split}",
                    "train and val have to lie in data.root; archives as ILSVRC2012_img_train.tar, with the development"
                    " kit, are read with data.name=torchvision, data.dataset=imagenet",
                )
        wnids = find_classes(folder / "train")
        listed = find_files(folder / "train", wnids)
        require_every_class(listed, wnids, folder / "train")
        of_test, findings = self._test_files(folder / "val", wnids), Findings()
        train, validation, test = deal(
            self.recorded,
            (listed, None, of_test),
            lambda file: name_below(root, file[0]),
            findings,
            lambda: (*self.options.take_validation(listed, lambda file: (file[1],), seed), of_test),
        )
        example = first_readable(len(listed), lambda number: read_image(listed[number][0], channels=3))
        train_pipeline, eval_pipeline = self.options.pipelines(example, IMAGENET_MEAN, IMAGENET_STD)
        names = _read_names(root)
        splits = DataSplits(
            image=self.options.image_shape(example),
            # Two classes of ImageNet are called "crane", so the name alone would not do.
            classes=[f"{wnid} {names[wnid]}" if wnid in names else wnid for wnid in wnids],
            train=ImagesInFiles(train, root, 3, train_pipeline),
            validation=ImagesInFiles(validation, root, 3, eval_pipeline, train_pipeline),
            test=ImagesInFiles(test, root, 3, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return self.options.with_cache(splits, root)

    def _test_files(self, folder: Path, wnids: Sequence[str]) -> Files:
        solution = self.options.root / SOLUTION
        if any(entry.is_dir() and not entry.name.startswith(".") for entry in folder.iterdir()):
            return find_files(folder, wnids, skip_others=True)
        if not solution.is_file():
            raise ReorderKitError(
                f"data.root: the images of {folder} are in no class folders, and there is no {solution}",
                "move the images into folders named by their class, or add that file from the download",
            )
        return _solved(solution, folder, {wnid: number for number, wnid in enumerate(wnids)})


def _solved(solution: Path, folder: Path, numbers: Mapping[str, int]) -> Files:
    """The images that the table names, of the classes that there are, in the sequence of their names."""
    files = []
    for line, (image, prediction) in read_table(solution, ("ImageId", "PredictionString"), "data.root"):
        if not image or not prediction:
            raise ReorderKitError(f"data.root: {solution}, line {line}: needs ImageId and PredictionString")
        wnid = prediction.split()[0]
        if wnid in numbers:
            files.append((str(folder / f"{image}.JPEG"), numbers[wnid]))
    if not files:
        raise ReorderKitError(f"data.root: {solution} names no image of a class that train has")
    return sorted(files)


def _read_names(root: Path) -> dict[str, str]:
    """The first name of each WordNet number: ``n01440764 tench, Tinca tinca``."""
    file = next((root / name for name in NAMES if (root / name).is_file()), None)
    if file is None:
        return {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReorderKitError(f"data.root: the names of the classes in {file} cannot be read: {error}") from error
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[0]: pair[1].split(",")[0].strip() for pair in pairs if len(pair) == 2}


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [ImageNet]
