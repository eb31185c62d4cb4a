"""A folder of image files, one folder for each class."""

from __future__ import annotations

from pydantic import Field

from reorder_kit.data.channel_options import ChannelOptions
from reorder_kit.data.class_folders import find_classes, find_files, require_every_class
from reorder_kit.data.dealing import deal
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.samples import ImagesInFiles, name_below
from reorder_kit.data.set_aside import SplitOptions
from reorder_kit.data.split_folders import find_split_folders
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape


class ImageFolder(DataSource):
    """Images in one folder for each class, split by folders or by chance.

    Two layouts are read:

    * ``root/train/CLASS/*``, ``root/val/CLASS/*`` (or ``valid``, ``validation``) and ``root/test/CLASS/*``. A missing
      validation split is set aside from train. Where there is val but no test, as ImageNet is laid out, val is the test
      split, and validation is set aside from train; where there is neither, both are.
    * ``root/CLASS/*``: test is set aside first, then validation from the rest.

    What is set aside is drawn by ``split_seed``, the same share of every class. Classes are the folders of train,
    sorted by name; images may lie in folders below them.

    At the start files are listed, and one is opened: the first training image that can be read, whose size counts where
    none is given. No more than 1,000 are tried; other files that are broken are found when they are used.

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

    def open(self, seed: int) -> DataSplits:
        """List the files, split them, and look at the first image of the folder for training."""
        options = self.options
        folders = find_split_folders(options.root)
        classes = find_classes(folders.train)
        listed = find_files(folders.train, classes)
        require_every_class(listed, classes, folders.train)
        of_validation, of_test = (None if folder is None else find_files(folder, classes) for folder in folders[1:])
        findings = Findings()
        train, validation, test = deal(
            self.recorded,
            (listed, of_validation, of_test),
            lambda file: name_below(options.root, file[0]),
            findings,
            lambda: options.complete(listed, of_validation, of_test, lambda file: (file[1],), seed),
        )

        # The first of all that are listed, so that the size of the images does not hang on the seed.
        example = first_readable(len(listed), lambda number: read_image(listed[number][0], options.channels))
        train_pipeline, eval_pipeline = options.pipelines(example, *options.scale)
        splits = DataSplits(
            image=options.image_shape(example),
            classes=classes,
            train=ImagesInFiles(train, options.root, options.channels, train_pipeline),
            validation=ImagesInFiles(validation, options.root, options.channels, eval_pipeline, train_pipeline),
            test=ImagesInFiles(test, options.root, options.channels, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return options.with_cache(splits, options.root)


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [ImageFolder]
