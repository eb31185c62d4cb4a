"""Data sets read with torchvision: CIFAR-10, CIFAR-100, Fashion-MNIST and ImageNet."""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

from reorder_kit.data.bit_depth_check import check_bit_depth, file_with_class
from reorder_kit.data.dealing import deal
from reorder_kit.data.decoded_cache import CacheOptions
from reorder_kit.data.decoding import DecodingOptions
from reorder_kit.data.file_identity import FileIdentity
from reorder_kit.data.findings import Findings
from reorder_kit.data.image_file import first_readable, read_image
from reorder_kit.data.image_options import HomePath, ImageOptions
from reorder_kit.data.samples import ImagesInFiles, ImagesInMemory
from reorder_kit.data.scale_options import ScaleOptions
from reorder_kit.data.set_aside import SplitSource
from reorder_kit.errors import ReorderKitError
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import CLASS, IMAGENET, DataSource, DataSplits, ImageShape, PixelScale, Preparation

IMAGENET_SIZE = 224
_LIGHT_ON_BLACK = "The run was trained on light clothes on black; invert images that are dark on white."


class TorchvisionSets(SplitSource):
    """CIFAR-10, CIFAR-100, Fashion-MNIST or ImageNet (ILSVRC 2012) from a local folder.

    The test split is the data set's own; for ImageNet, its validation images. Validation is set aside from the training
    images by ``split_seed``, with the same share of every class. Images are scaled by the mean and standard deviation
    of the data set's training pixels, unless ``mean`` and ``std`` are given.

    Without ``image_size``, images keep their size; ImageNet's images, whose sizes differ, become 224x224. The default
    transforms are those of the source ``image-folder``, which can also read an ImageNet folder without the development
    kit.

    Source: https://docs.pytorch.org/vision/stable/datasets.html
    """

    name = "torchvision"
    target_kinds = (CLASS,)

    class Options(ImageOptions, ScaleOptions, DecodingOptions):
        dataset: Literal["cifar10", "cifar100", "fashion-mnist", "imagenet"] = Field(description="the data set")
        root: HomePath = Field(description="the folder that holds the data set's own folder; ~ is the home folder")
        download: bool = Field(False, description="download what is missing; not possible for imagenet")

        @property
        def usual_scale(self) -> PixelScale:
            """That of the data set's training pixels."""
            return IMAGENET if self.dataset == "imagenet" else _IN_MEMORY[self.dataset].scale

        def unused(self) -> dict[str, str]:
            """Options for decoding and keeping files, if there are no files."""
            if self.dataset == "imagenet":
                return super().unused()
            reason = f"{self.dataset} has no image files; its decoded images are in memory"
            return dict.fromkeys([*DecodingOptions.model_fields, *CacheOptions.model_fields, "draft_decoding"], reason)

        @model_validator(mode="after")
        def _imagenet_cannot_be_downloaded(self) -> TorchvisionSets.Options:
            if self.download and self.dataset == "imagenet":
                raise ValueError(f"imagenet cannot be downloaded: {_IMAGENET_HINT}")
            return self

    options: Options
    _unpacks = True

    @property
    def image(self) -> ImageShape | None:
        """The given size, or the data set's."""
        if self.options.dataset == "imagenet":
            return self._file_options().given_shape(channels=3)
        own = _IN_MEMORY[self.options.dataset].image
        return self.options.given_shape(own.channels) or own

    @property
    def downloads(self) -> str | None:
        """The download of the data set; for ImageNet, the unpacking of its archives."""
        if self.options.dataset == "imagenet":
            return None if self._is_unpacked() else f"the content of the imagenet archives into {self.options.root}"
        return f"{self.options.dataset} into {self.options.root}" if self.options.download else None

    def without_downloads(self) -> TorchvisionSets:
        """The source restricted to local files."""
        source = copy(self)
        source.options = self.options.model_copy(update={"download": False})
        source._unpacks = False
        return source

    def _is_unpacked(self) -> bool:
        return not self._unpacks or all((self.options.root / name).exists() for name in ("meta.bin", "train", "val"))

    @property
    def pixel_scale(self) -> PixelScale:
        """The given one, or the data set's."""
        return self.options.scale

    def preparation(self, image: ImageShape) -> Preparation:
        """As for test images."""
        if self.options.dataset == "imagenet":
            options = self._file_options()
            return options.preparation(image, options.decoding(channels=3), *options.scale)
        kind = _IN_MEMORY[self.options.dataset]
        notes = (_LIGHT_ON_BLACK,) if self.options.dataset == "fashion-mnist" else ()
        return self.options.preparation(image, self.options.decoding(kind.image.channels), *self.options.scale, notes)

    def open(self, seed: int) -> DataSplits:
        """Load the data set, or for ImageNet the list of its files."""
        if self.options.dataset == "imagenet":
            return self._open_files(seed)
        return self._open_in_memory(_IN_MEMORY[self.options.dataset], seed)

    def _open_in_memory(self, kind: _InMemory, seed: int) -> DataSplits:
        train = self._load(kind.name, train=True, download=self.options.download)
        test = self._load(kind.name, train=False, download=self.options.download)
        images, targets = _as_tensor(train.data), [int(target) for target in train.targets]
        train_pipeline, eval_pipeline = self.options.pipelines(images[0], *self.options.scale)
        stay, aside = self.options.take_validation(range(len(targets)), lambda image: (targets[image],), seed)
        return DataSplits(
            image=self.options.image_shape(images[0]),
            classes=list(train.classes),
            train=ImagesInMemory(images, targets, stay, train_pipeline),
            validation=ImagesInMemory(images, targets, aside, eval_pipeline, train_pipeline),
            test=ImagesInMemory(
                _as_tensor(test.data),
                [int(target) for target in test.targets],
                range(len(test.targets)),
                eval_pipeline,
                train_pipeline,
            ),
        )

    def _open_files(self, seed: int) -> DataSplits:
        if not self._unpacks and TorchvisionSets(self.options).downloads is not None:
            raise ReorderKitError(f"the archives of imagenet in {self.options.root} are not unpacked")
        train = self._load("ImageNet", split="train")
        test = self._load("ImageNet", split="val")
        options = self._file_options()
        decoding = options.drafted(options.decoding(channels=3))
        example = first_readable(
            len(train.samples), lambda number: read_image(train.samples[number][0], decoding)
        ).pixels
        root, findings = options.root, Findings()
        check_bit_depth(options, train.samples, file_with_class, findings)
        train_pipeline, eval_pipeline = options.pipelines(example, *options.scale)
        stay, aside, tested = deal(
            self.recorded,
            (train.samples, None, test.samples),
            lambda file: FileIdentity(root, file[0]),
            findings,
            lambda kept: (*options.take_validation(kept, lambda file: (file[1],), seed), test.samples),
        )
        splits = DataSplits(
            image=options.image_shape(example),
            # Two classes of ImageNet are called "crane", so the name alone is ambiguous.
            classes=[f"{wnid} {names[0]}" for wnid, names in zip(train.wnids, train.classes, strict=True)],
            train=ImagesInFiles(stay, root, decoding, train_pipeline),
            validation=ImagesInFiles(aside, root, decoding, eval_pipeline, train_pipeline),
            test=ImagesInFiles(tested, root, decoding, eval_pipeline, train_pipeline),
            findings=findings.found,
        )
        return options.with_cache(splits, root)

    def _file_options(self) -> TorchvisionSets.Options:
        """The options with an image size, because the sizes of files differ."""
        options = self.options
        return options if options.image_size else options.model_copy(update={"image_size": IMAGENET_SIZE})

    def _load(self, name: str, **arguments: Any) -> Any:
        # Imported on first use, because importing torchvision takes seconds.
        from torchvision import datasets

        try:
            return getattr(datasets, name)(self.options.root, **arguments)
        except (OSError, RuntimeError) as error:
            # A download without a network also ends in an OSError.
            hint = _IMAGENET_HINT if self.options.dataset == "imagenet" else _DOWNLOAD_HINT
            raise ReorderKitError(
                f"cannot open {self.options.dataset} in {self.options.root}: {error}", hint
            ) from error


@dataclass(frozen=True)
class _InMemory:
    """A data set that fits into memory: its name in torchvision, and the statistics of its training pixels."""

    name: str
    image: ImageShape
    scale: PixelScale


_IN_MEMORY = {
    "cifar10": _InMemory(
        "CIFAR10", ImageShape(3, 32, 32), PixelScale((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616))
    ),
    "cifar100": _InMemory(
        "CIFAR100", ImageShape(3, 32, 32), PixelScale((0.5071, 0.4865, 0.4409), (0.2673, 0.2564, 0.2762))
    ),
    "fashion-mnist": _InMemory("FashionMNIST", ImageShape(1, 28, 28), PixelScale((0.2860,), (0.3530,))),
}
_DOWNLOAD_HINT = "data.download=true downloads it into data.root"
_IMAGENET_HINT = (
    "put ILSVRC2012_devkit_t12.tar.gz, ILSVRC2012_img_train.tar and ILSVRC2012_img_val.tar from https://image-net.org"
    " into data.root; or read folders train/ and val/ with data.name=image-folder"
)


def _as_tensor(images: Any) -> torch.Tensor:
    """Images as (image, channel, height, width), from either of torchvision's layouts."""
    stacked = torch.as_tensor(images)
    return stacked.unsqueeze(1) if stacked.ndim == 3 else stacked.permute(0, 3, 1, 2).contiguous()


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [TorchvisionSets]
