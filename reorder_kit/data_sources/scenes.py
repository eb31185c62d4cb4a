"""Scenes of handwritten digits, for tasks beyond single labels: data without a download."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from pydantic import Field, model_validator
from torch import Tensor

from reorder_kit.data.scene_drawing import Glyphs, Scene, SceneRules, draw_scene
from reorder_kit.data_sources.digits import SPLIT_SEED, TEST_IMAGES
from reorder_kit.hookspecs import hookimpl
from reorder_kit.interfaces import (
    BOXES,
    MASK,
    MULTI_LABEL,
    BoxTarget,
    ComponentOptions,
    DataSource,
    DataSplits,
    Decoding,
    ImageShape,
    Preparation,
    Sample,
    TargetKind,
)
from reorder_kit.interfaces.numbers import Count, Fraction, Real, Seed, Size

GLYPH_SIZE = 8
DIGITS = [str(digit) for digit in range(10)]
VALIDATION_GLYPHS = 200
MEASURED_SCENES = 256


class Scenes(DataSource):
    """Several handwritten digits of several sizes on a noisy background, in one channel.

    Each scene has three kinds of targets: the digits that are present (``multi-label``), a box around the visible ink
    of each digit (``boxes``), and the digit that each pixel of ink belongs to, with the class ``background`` elsewhere
    (``mask``).

    Scenes are drawn when they are read, and are the same each time. They depend on ``scene_seed`` instead of the run's
    seed, so that different seeds are evaluated on the same test images. No two splits share handwritten digits; those
    for testing are the test images of the source ``digits``. Digits are pasted one after another at random places, with
    sizes and numbers drawn uniformly from the given ranges; a digit is left out if it would hide too much of others, so
    a crowded scene may have fewer digits than the least number. All scenes are standardized with the mean and the
    standard deviation of the first training scenes. There is no augmentation.

    Source: made for this package, similar to scenes of MNIST digits, with the digits of E. Alpaydin and C.
    Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
    """

    name = "scenes"
    target_kinds = (MULTI_LABEL, BOXES, MASK)

    class Options(ComponentOptions):
        image_size: Size | tuple[Size, Size] = Field(64, description="side of the square, or [height, width], pixels")
        digits: tuple[Size, Size] = Field((2, 5), description="number of digits in a scene, [least, most]")
        digit_size: tuple[Size, Size] = Field(
            (14, 28), description=f"side of a digit, [least, most], in pixels, at least {GLYPH_SIZE}"
        )
        max_hidden: Fraction = Field(0.1, description="share of a digit's ink that others may cover")
        noise: Real = Field(0.25, ge=0, le=1, description="brightest value of the background; ink has the value 1")
        scene_seed: Seed = Field(0, description="seed of the scenes")
        train_images: Count = Field(2_000, description="scenes for training")
        validation_images: Count = Field(300, description="scenes for validation")
        test_images: Count = Field(500, description="scenes for testing")

        @model_validator(mode="after")
        def _digits_fit(self) -> Scenes.Options:
            for field, (least, most) in (("digits", self.digits), ("digit_size", self.digit_size)):
                if least > most:
                    raise ValueError(f"{field} [{least}, {most}]: the first number is larger than the second")
            if self.digits[1] > 100:
                raise ValueError(f"digits [{self.digits[0]}, {self.digits[1]}]: a scene can hold at most 100")
            if self.digit_size[0] < GLYPH_SIZE:
                raise ValueError(f"digit_size starts at {self.digit_size[0]}, but must be at least {GLYPH_SIZE}")
            if self.digit_size[1] > min(self.size):
                raise ValueError(f"digit_size goes up to {self.digit_size[1]}, but image_size is {self.image_size}")
            return self

        @property
        def size(self) -> tuple[int, int]:
            """Height and width."""
            return (self.image_size, self.image_size) if isinstance(self.image_size, int) else self.image_size

        def rules(self) -> SceneRules:
            """How a scene is made."""
            return SceneRules(self.size, self.digits, self.digit_size, self.max_hidden, self.noise)

    options: Options

    @property
    def image(self) -> ImageShape:
        """The shape in the options."""
        return ImageShape(1, *self.options.size)

    def preparation(self, image: ImageShape) -> Preparation:
        """Letterboxing; mean and standard deviation are measured again on the same scenes as in training."""
        # Imported on first use, because importing torchvision takes seconds.
        from reorder_kit.data.annotated import RawSample
        from reorder_kit.data.annotated_pipeline import AnnotatedPipeline

        mean, std = self._scale(_glyphs_of_splits()[0])
        pipeline = AnnotatedPipeline((), image, (mean,), (std,))
        return Preparation(
            lambda pixels: pipeline(RawSample(pixels, None)),
            Decoding(channels=1),
            shows_all=True,
            notes=("The run was trained on light digits on a dark background; invert images that are dark on light.",),
        )

    def _scale(self, glyphs: Glyphs) -> tuple[float, float]:
        """Mean and standard deviation of the pixels of the first training scenes."""
        options = self.options
        scenes = min(options.train_images, MEASURED_SCENES)
        measured = DrawnScenes(scenes, (options.scene_seed, 0), glyphs, options.rules())
        pixels = np.stack([measured.draw(index).picture for index in range(len(measured))])
        return float(pixels.mean()), float(pixels.std())

    def open(self, seed: int) -> DataSplits:
        """Split the handwritten digits; the seed is not used."""
        options, rules = self.options, self.options.rules()
        train, validation, test = _glyphs_of_splits()
        scale = self._scale(train)
        kind = self.target_kind
        return DataSplits(
            image=self.image,
            classes=["background", *DIGITS] if kind == MASK else DIGITS,
            train=DrawnScenes(options.train_images, (options.scene_seed, 0), train, rules, scale, kind),
            validation=DrawnScenes(options.validation_images, (options.scene_seed, 1), validation, rules, scale, kind),
            test=DrawnScenes(options.test_images, (options.scene_seed, 2), test, rules, scale, kind),
        )


class DrawnScenes:
    """The scenes of one split.

    Args:
        scenes: the number of scenes.
        key: seeds a scene, together with its index.
        glyphs: the handwritten digits of the split.
        rules: how a scene is made.
        scale: mean and standard deviation of a pixel.
        target_kind: the kind of the samples' targets.
    """

    def __init__(
        self,
        scenes: int,
        key: tuple[int, int],
        glyphs: Glyphs,
        rules: SceneRules,
        scale: tuple[float, float] = (0.0, 1.0),
        target_kind: TargetKind = MULTI_LABEL,
    ) -> None:
        self._numbers, self._key, self._glyphs, self._rules = range(scenes), key, glyphs, rules
        self._mean, self._std = scale
        self._target_kind = target_kind

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, index: int) -> Sample:
        scene = self.draw(index)
        picture = torch.from_numpy(scene.picture).unsqueeze(0)
        return Sample((picture - self._mean) / self._std, _TARGETS[self._target_kind](scene))

    def view(self, index: int) -> Sample:
        """The same scene, because there is no augmentation."""
        return self[index]

    def target(self, index: int) -> Any:
        """The target of a scene."""
        return _TARGETS[self._target_kind](self.draw(index))

    def draw(self, index: int) -> Scene:
        """One scene, not standardized."""
        # RandomState, because numpy guarantees that its stream never changes.
        random = np.random.RandomState((*self._key, self._numbers[index]))
        return draw_scene(random, self._glyphs, self._rules)


def _glyphs_of_splits() -> list[Glyphs]:
    # Imported on first use, because importing scikit-learn takes a second.
    from sklearn.datasets import load_digits

    bundled = load_digits()
    shuffled = np.random.RandomState(SPLIT_SEED).permutation(len(bundled.target))
    pictures = bundled.images.astype(np.float32) / 16
    ends = (len(shuffled) - TEST_IMAGES - VALIDATION_GLYPHS, len(shuffled) - TEST_IMAGES)
    return [Glyphs(pictures[part], bundled.target[part]) for part in np.split(shuffled, ends)]


def _labels(scene: Scene) -> Float[Tensor, " class"]:
    labels = torch.zeros(len(DIGITS))
    labels[torch.from_numpy(scene.classes)] = 1.0
    return labels


def _boxes(scene: Scene) -> BoxTarget:
    crowd = torch.zeros(len(scene.classes), dtype=torch.bool)
    return BoxTarget(torch.from_numpy(scene.boxes()), torch.from_numpy(scene.classes).long(), crowd)


def _mask(scene: Scene) -> Tensor:
    return torch.from_numpy(scene.mask()).to(torch.uint8)


_TARGETS: dict[TargetKind, Any] = {MULTI_LABEL: _labels, BOXES: _boxes, MASK: _mask}


@hookimpl
def register_data_sources() -> list[type[DataSource]]:
    """Register the data source."""
    return [Scenes]
