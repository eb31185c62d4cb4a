"""Every data source keeps the contract with every kind of its targets; additional guarantees of the package's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import torch

from reorder_kit.data.transforms import NamedTransform
from reorder_kit.interfaces import CLASS, MASK, MULTI_LABEL, DataSource, HasTargets, HasViews, Sample, TargetKind
from reorder_kit.testing import DATA_SOURCE_RULES, data_source_case, host_with
from reorder_kit.testing._values import are_same
from reorder_kit.testing.data_source import DataSourceCase, by_name, contents
from reorder_kit.testing.rule import Rule
from small_data import SMALL

SOURCES = host_with().data_sources
PAIRS = [(SOURCES.get(name), kind) for name in SOURCES for kind in SOURCES.get(name).target_kinds]
Pair = tuple[type[DataSource], TargetKind]


def with_pairs(pairs: Sequence[Pair]) -> pytest.MarkDecorator:
    """For some sources with some of their targets."""
    ids = [f"{source.name}-{kind}" for source, kind in pairs]
    return pytest.mark.parametrize("case", pairs, ids=ids, indirect=True, scope="module")


def that_have(option: str) -> list[Pair]:
    return [pair for pair in PAIRS if option in pair[0].Options.model_fields]


@pytest.fixture(scope="module")
def case(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> DataSourceCase:
    source, kind = request.param
    options = SMALL[source.name](tmp_path_factory.mktemp(source.name)) if source.name in SMALL else {}
    return data_source_case(source, source.Options(**options), kind)


def opened(case: DataSourceCase, **changed: Any) -> Any:
    """The source with some options changed, not opened."""
    return case.component(case.options.model_copy(update=changed), case.target_kind)


@pytest.mark.parametrize("rule", DATA_SOURCE_RULES, ids=str)
@with_pairs(PAIRS)
def test_a_source_keeps_the_rule(case: DataSourceCase, rule: Rule[Any]) -> None:
    rule(case)


@with_pairs(PAIRS)
def test_the_shape_is_known_without_opening_data(case: DataSourceCase) -> None:
    if case.component.name == "image-folder":
        assert case.source.image is None  # the images are of one size, and it is not given
        assert opened(case, image_size=(12, 10)).image == case.splits.image
    else:
        assert case.source.image == case.splits.image


@with_pairs(PAIRS)
def test_every_split_has_views(case: DataSourceCase) -> None:
    for name, split in by_name(case.splits).items():
        assert isinstance(split, HasViews)
        view = split.view(0)
        assert isinstance(view, Sample)
        # Training has no augmentation here, and all images are letterboxed or fitted in the same way.
        assert torch.equal(view.image, case.samples[name][0].image)
        assert are_same(view.target, case.samples[name][0].target)


@with_pairs(that_have("train_transforms"))
def test_views_of_evaluation_images_are_drawn_with_the_training_transform(case: DataSourceCase) -> None:
    flip = NamedTransform.model_validate({"name": "RandomHorizontalFlip", "p": 1.0})
    splits = opened(case, train_transforms=(*case.options.train_transforms, flip)).open(seed=0)
    for split in (splits.validation, splits.test):
        sample, view = split[0], split.view(0)
        width = sample.image.shape[-1] if sample.content is None else sample.content[1]
        torch.testing.assert_close(view.image[..., :width], sample.image[..., :width].flip(-1), rtol=1e-4, atol=0.05)
        if case.target_kind == MASK:
            # Pixels halfway between two of the file may round either way.
            same = view.target[:, :width] == sample.target[:, :width].flip(-1)
            assert same.float().mean() > 0.75
    assert torch.equal(splits.train[0].image, splits.train.view(0).image)


@with_pairs(PAIRS)
def test_classes_labels_and_drawn_scenes_are_known_without_opening_images(case: DataSourceCase) -> None:
    knows = case.target_kind in (CLASS, MULTI_LABEL) or case.component.name == "scenes"
    assert [isinstance(split, HasTargets) for split in by_name(case.splits).values()] == [knows] * 3


@with_pairs(that_have("split_seed"))
def test_images_can_be_set_aside_anew(case: DataSourceCase) -> None:
    def by(split_seed: int | None, seed: int = 0) -> dict[str, list[bytes]]:
        return contents(opened(case, split_seed=split_seed).open(seed))

    assert by(0) == contents(case.splits) != by(5)
    assert by(None, seed=5) == by(5)
