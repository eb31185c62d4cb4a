"""A folder of image files, one folder for each class."""

from __future__ import annotations

from pydantic import Field

from reorder_kit.data.bit_depth_check import check_bit_depth, file_with_class
from reorder_kit.data.channel_options import ChannelOptions
from reorder_kit.data.class_folders import ClassFolders, require_every_class
from reorder_kit.data.dealing import began_with, deal
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.samples import ImagesInFiles
from reorder_kit.data.set_aside import SplitOptions, SplitSource
from reorder_kit.data.split_folders import find_split_folders
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, Preparation


class ImageFolder(SplitSource):
    """Images in one folder for each class, split by folders or by chance.

    Two layouts are read:

    * ``root/train/CLASS/*``, ``root/val/CLASS/*`` and ``root/test/CLASS/*``, which may also be called ``training``,
      ``valid``, ``validation``, ``dev`` or ``testing``, in any letter case. A missing validation split is set aside
      from train. Where there is val but no test, as ImageNet is laid out, val is the test split, and validation is set
      aside from train; where there is neither, both are.
    * ``root/CLASS/*``: test is set aside first, then validation from the rest.

    What is set aside is drawn by ``split_seed``, the same share of every class. Classes are the folders of train,
    sorted by name, and at least two; images may lie in folders below them. Endings count in any letter case. Hidden
    files, those that operating systems leave behind, and files of other endings are left out and counted. Links are
    followed, but each file is read once, and one in two classes is refused.

    At the start files are listed, and one is decoded: the first training image that can be read, whose size counts
    where none is given. No more than 1,000 are tried; other files that are broken are found when they are used. Of the
    first 32 training images, those of 16 bits are looked at for how many of these bits they use.

    Images are turned upright by their EXIF orientation, and laid on ``background`` where they are transparent; those of
    16 bits are brought to 8 with one range for all, ``bit_depth``. All of that is counted and reported.

    By default an image larger than ``image_size`` is resized to cover 256/224 of it and loses the margin (``Fit``);
    a smaller one is resized to cover it; one that has this size already is left untouched. Training images are also
    flipped from left to right by chance. Named transforms replace all of that.
    """

    name = "image-folder"
    target_kinds = (CLASS,)

    class Options(ImageOptions, ChannelOptions, SplitOptions):
        root: HomePath = Field(description="the folder; ~ is the home folder")

    options: Options

    @property
    def image(self) -> ImageShape | None:
        """The given size; None if that of the images counts."""
        return self.options.given_shape(self.options.channels)

    def preparation(self, image: ImageShape) -> Preparation:
        """As test images are."""
        options = self.options
        return options.preparation(image, options.decoding(options.channels), *options.scale)

    def open(self, seed: int) -> DataSplits:
        """List the files, split them, and look at the first image of the folder for training."""
        options = self.options
        findings = Findings()
        folders = find_split_folders(options.root, findings)
        of_classes = ClassFolders(options.root, findings)
        classes = of_classes.training_classes(folders.train)
        listed = of_classes.files(folders.train, classes)
        require_every_class(listed, classes, folders.train)
        of_validation, of_test = (
            None if folder is None else of_classes.files(folder, classes) for folder in folders[1:]
        )
        train, validation, test = deal(
            self.recorded,
            (listed, of_validation, of_test),
            lambda file: FileIdentity(options.root, file[0]),
            findings,
            lambda kept: options.complete(kept, of_validation, of_test, lambda file: (file[1],), seed),
        )

        # The first of all that are listed, so that the size of the images does not hang on the seed.
        decoding = options.drafted(options.decoding(options.channels))
        shown = began_with(self.recorded, listed, lambda file: FileIdentity(options.root, file[0]))
        example = first_readable(len(shown), lambda number: read_image(shown[number][0], decoding)).pixels
        check_bit_depth(options, shown, file_with_class, findings)
        train_pipeline, eval_pipeline = options.pipelines(example, *options.scale)
        splits = DataSplits(
            image=options.image_shape(example),
            classes=classes,
            train=ImagesInFiles(train, options.root, decoding, train_pipeline),
            validation=ImagesInFiles(validation, options.root, decoding, eval_pipeline, train_pipeline),
            test=ImagesInFiles(test, options.root, decoding, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return options.with_cache(splits, options.root)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [ImageFolder]
