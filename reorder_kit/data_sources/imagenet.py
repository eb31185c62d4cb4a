"""ImageNet (ILSVRC 2012) from its usual folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import Field

from reorder_kit.data.bit_depth_check import check_bit_depth, file_with_class
from reorder_kit.data.class_folders import ClassFolders, require_every_class
from reorder_kit.data.csv_table import read_table
from reorder_kit.data.dealing import began_with, deal
from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.folder_listing import FolderListing
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.real_files import is_folder
from reorder_kit.data.samples import ImagesInFiles
from reorder_kit.data.scale_options import ScaleOptions
from reorder_kit.data.set_aside import SplitSource
from reorder_kit.data.split_folders import folders_in, require_train_and_val
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, PixelScale, Preparation
from reorder_kit.interfaces.numbers import Size

BELOW_THE_DOWNLOAD = Path("ILSVRC", "Data", "CLS-LOC")
SOLUTION = "LOC_val_solution.csv"
NAMES = ("LOC_synset_mapping.txt", "words.txt")

Files = list[tuple[str, int]]


class ImageNet(SplitSource):
    """ImageNet (ILSVRC 2012), or a part of its classes, from folders ``train`` and ``val`` without the development kit.

    Two layouts are read:

    * ``root/train/WNID/*`` and ``root/val/WNID/*``, where WNID is a class's WordNet number, such as ``n01440764``;
    * the unpacked download from Kaggle: these folders below ``root/ILSVRC/Data/CLS-LOC``, the images of ``val`` in
      one folder, and their classes in ``root/LOC_val_solution.csv``.

    Classes are the folders of ``train``, at least two; images in ``val`` of other classes are left out and counted.
    Class names come from ``root/LOC_synset_mapping.txt`` or ``root/words.txt``, if one exists. The test split is
    ``val``; validation is set aside from train by ``split_seed``, with the same share of every class.

    By default, as in the published work on patch order, images are resized to a shorter side of 256 pixels and cropped
    to the center 224 (``Fit``), and training images are randomly flipped from left to right. Images are turned upright
    according to their EXIF orientation, and transparent images get the color ``background``.

    Source: O. Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015,
    https://arxiv.org/abs/1409.0575
    """

    name = "imagenet"
    target_kinds = (CLASS,)

    class Options(ImageOptions, ScaleOptions, DecodingOptions):
        root: HomePath = Field(description="the folder; ~ is the home folder")
        image_size: Size | tuple[Size, Size] = Field(224, description="side of the square, or [height, width], pixels")

    options: Options

    @property
    def image(self) -> ImageShape | None:
        """The given size."""
        return self.options.given_shape(channels=3)

    @property
    def pixel_scale(self) -> PixelScale:
        """The given one, or ImageNet's."""
        return self.options.scale

    def preparation(self, image: ImageShape) -> Preparation:
        """As for test images."""
        return self.options.preparation(image, self.options.decoding(channels=3), *self.options.scale)

    def open(self, seed: int) -> DataSplits:
        """List the files and set the validation images aside."""
        root = self.options.root
        folder = root / BELOW_THE_DOWNLOAD if is_folder(root / BELOW_THE_DOWNLOAD, "data.root") else root
        findings = Findings()
        train_folder, val_folder = require_train_and_val(
            folder,
            "put train and val into data.root; to read archives such as ILSVRC2012_img_train.tar with the development"
            " kit, use data.name=torchvision, data.dataset=imagenet",
        )
        of_classes = ClassFolders(root, findings)
        wnids = of_classes.training_classes(train_folder)
        listed = of_classes.files(train_folder, wnids)
        require_every_class(listed, wnids, train_folder)
        of_test = self._test_files(val_folder, wnids, of_classes)
        train, validation, test = deal(
            self.recorded,
            (listed, None, of_test),
            lambda file: FileIdentity(root, file[0]),
            findings,
            lambda kept: (*self.options.take_validation(kept, lambda file: (file[1],), seed), of_test),
        )
        decoding = self.options.drafted(self.options.decoding(channels=3))
        shown = began_with(self.recorded, listed, lambda file: FileIdentity(root, file[0]))
        example = first_readable(len(shown), lambda number: read_image(shown[number][0], decoding)).pixels
        check_bit_depth(self.options, shown, file_with_class, findings)
        train_pipeline, eval_pipeline = self.options.pipelines(example, *self.options.scale)
        names = _read_names(root)
        splits = DataSplits(
            image=self.options.image_shape(example),
            # Two classes of ImageNet are called "crane", so the name alone is ambiguous.
            classes=[f"{wnid} {names[wnid]}" if wnid in names else wnid for wnid in wnids],
            train=ImagesInFiles(train, root, decoding, train_pipeline),
            validation=ImagesInFiles(validation, root, decoding, eval_pipeline, train_pipeline),
            test=ImagesInFiles(test, root, decoding, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return self.options.with_cache(splits, root)

    def _test_files(self, folder: Path, wnids: Sequence[str], of_classes: ClassFolders) -> Files:
        solution = self.options.root / SOLUTION
        if folders_in(folder, "data.root"):
            return of_classes.files(folder, wnids, skip_others=True)
        if not solution.is_file():
            raise ReorderKitError(
                f"data.root: the images of {folder} are not in class folders, and {solution} does not exist",
                "move the images into folders named by class, or add that file from the download",
            )
        return _solved(solution, folder, of_classes, {wnid: number for number, wnid in enumerate(wnids)})


def _solved(solution: Path, folder: Path, of_classes: ClassFolders, numbers: Mapping[str, int]) -> Files:
    """The images in the table that have a training class, sorted by name."""
    files = []
    listing = FolderListing(of_classes.root, of_classes.findings)
    for line, (image, prediction) in read_table(solution, ("ImageId", "PredictionString"), "data.root"):
        if not image or not prediction:
            raise ReorderKitError(f"data.root: {solution}, line {line}: ImageId or PredictionString is missing")
        wnid = prediction.split()[0]
        if wnid not in numbers:
            of_classes.findings.add("images of classes without training images are left out", image)
        else:
            path = listing.find(folder, f"{image}.JPEG", "data.root")
            if path is None:
                raise ReorderKitError(
                    f"data.root: {solution}, line {line}: the image {folder / image}.JPEG does not exist",
                    listing.why_missing(folder, f"{image}.JPEG") or "copy the images again, or shorten the table",
                )
            files.append((str(path), numbers[wnid]))
    if not files:
        raise ReorderKitError(f"data.root: {solution} lists no image of a class in train")
    return sorted(files)


def _read_names(root: Path) -> dict[str, str]:
    """The first name of each WordNet number: ``n01440764 tench, Tinca tinca``."""
    file = next((root / name for name in NAMES if (root / name).is_file()), None)
    if file is None:
        return {}
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ReorderKitError(f"data.root: the class names in {file} cannot be read: {error}") from error
    pairs = (line.split(maxsplit=1) for line in lines)
    return {pair[0]: pair[1].split(",")[0].strip() for pair in pairs if len(pair) == 2}


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [ImageNet]
