"""Marks of crowds and of difficult objects, as a boolean, a number or a text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from boxed_inputs import SOUND, SOURCES, Picture, open_boxed, samples, usual
from reorder_kit.data.flags import flag
from reorder_kit.errors import ReorderKitError
from says import says

MARKS = {"voc": "difficult"}
NO = [False, 0, 0.0, "0", "false", "False", "FALSE", "no", " 0 "]
YES = [True, 1, 1.0, "1", "true", "True", "TRUE", "yes"]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize(
    ("written", "expected"), [(written, False) for written in NO] + [(written, True) for written in YES], ids=repr
)
def test_a_mark_says_yes_or_no_however_it_is_written(source: str, written: Any, expected: bool, tmp_path: Path) -> None:
    marked = Picture(usual(source, SOUND, SOUND), flag=written)
    # Without a mark, so that something can be learned.
    plain = Picture(usual(source, SOUND), flag=None if source != "hf" else type(written)(0))
    splits = open_boxed(source, tmp_path, [marked, plain])
    first, second = samples(splits.train)
    assert first.target.crowd.tolist() == [expected] * 2
    assert second.target.crowd.tolist() == [False]


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("written", ["maybe", "2", "-1", "01", 2, 0.5], ids=repr)
def test_a_mark_that_says_neither_is_refused_by_name(source: str, written: Any, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError) as error:
        open_boxed(source, tmp_path, [Picture(usual(source, SOUND), flag=written)])
    said = repr(str(written)) if source == "voc" else repr(written)
    assert says(error.value.message, f"{MARKS.get(source, 'iscrowd')}: {said} is neither true nor false")


@pytest.mark.parametrize("written", [[0], {}, float("nan"), float("inf"), "", 10**400])
def test_what_is_no_mark_at_all_is_refused(written: Any) -> None:
    with pytest.raises(ValueError, match="is neither true nor false"):
        flag(written)


def test_an_empty_mark_of_voc_is_none(tmp_path: Path) -> None:
    splits = open_boxed("voc", tmp_path, [Picture(usual("voc", SOUND), flag="")])
    assert samples(splits.train)[0].target.crowd.tolist() == [False]


@pytest.mark.parametrize("source", ["coco-detection", "webdataset"])
def test_null_is_no_mark(source: str, tmp_path: Path) -> None:
    assert flag(None) is False
    splits = open_boxed(source, tmp_path, [Picture(usual(source, SOUND), flag=None)])
    assert samples(splits.train)[0].target.crowd.tolist() == [False]
