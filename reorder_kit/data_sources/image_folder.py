"""A folder of image files, with one folder per class."""

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
from reorder_kit.interfaces import CLASS, DataSource, DataSplits, ImageShape, PixelScale, Preparation


class ImageFolder(SplitSource):
    """Images in one folder per class, split by folders or at random.

    Two layouts are read:

    * ``root/train/CLASS/*``, ``root/val/CLASS/*`` and ``root/test/CLASS/*``, which may also be called ``training``,
      ``valid``, ``validation``, ``dev`` or ``testing``, in any case. A missing validation split is set aside from
      train. If there is val but no test, as in ImageNet, val is the test split, and validation is set aside from train;
      if there is neither, both are set aside.
    * ``root/CLASS/*``: test is set aside first, then validation from the rest.

    Images are set aside by ``split_seed``, with the same share of every class. Classes are the folders of train, sorted
    by name; there must be at least two. Images may lie in subfolders. The case of extensions does not matter. Hidden
    files, those left behind by operating systems, and files with other extensions are left out and counted. Links are
    followed, but each file is read only once, and a file in two classes is refused.

    At the start, files are listed and one is decoded: the first readable training image, whose size is used if none is
    given. At most 1,000 are tried; other broken files are found when they are used. Among the first 32 training images,
    those with 16 bits are checked for how many bits they use.

    Images are turned upright according to their EXIF orientation, transparent images get the color ``background``, and
    16-bit images are converted to 8 bits with the same range for all, ``bit_depth``. All of this is counted and
    reported.

    By default, an image larger than ``image_size`` is resized to cover 256/224 of it, and the margin is cropped
    (``Fit``); a smaller image is resized to cover it; an image that already has this size is left untouched. Training
    images are also randomly flipped from left to right. Transforms named in the recipe replace all of this.
    """

    name = "image-folder"
    target_kinds = (CLASS,)

    class Options(ImageOptions, ChannelOptions, SplitOptions):
        root: HomePath = Field(description="the folder; ~ is the home folder")

    options: Options

    @property
    def image(self) -> ImageShape | None:
        """The given size; None if the images' own size is used."""
        return self.options.given_shape(self.options.channels)

    @property
    def pixel_scale(self) -> PixelScale:
        """The given one, or ImageNet's."""
        return self.options.scale

    def preparation(self, image: ImageShape) -> Preparation:
        """As for test images."""
        options = self.options
        return options.preparation(image, options.decoding(options.channels), *options.scale)

    def open(self, seed: int) -> DataSplits:
        """List the files, split them, and look at the first image in the training folder."""
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

        # The first of all listed images, so that the image size does not depend on the seed.
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
