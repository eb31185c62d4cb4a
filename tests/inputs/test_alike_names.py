"""Similar names of classes and files: another Unicode form, case, or a space."""

from __future__ import annotations

import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from input_folders import CLASS_FOLDERS, Folders, found, names, plain, save_image
from reorder_kit.data.class_findings import alike_classes
from reorder_kit.data.spellings import CLASSES_RESPELLED, RESPELLED_FOUND
from reorder_kit.data_sources.coco_detection import CocoDetection
from reorder_kit.data_sources.voc import Voc
from reorder_kit.errors import ReorderKitError
from reorder_kit.experiment.recorded_data import open_data, reopen_data
from reorder_kit.experiment.same_classes import difference_of_classes
from reorder_kit.interfaces import BOXES, CLASS, MULTI_LABEL
from reorder_kit.runs.data_record import DataRecord
from reorder_kit.runs.run_folder import RunFolder
from shards import open_shards, picture, write
from tests.helpers.tiny_data import SOURCES, TinySource, pixels, save
from tests.inputs.test_recorded_splits import begin, experiment

COMPOSED, APART = "\u00c4pfel", "A\u0308pfel"
FOLDER_SOURCES = [source for source in SOURCES if source.name in ("image-folder", "multi-label-folder")]
OF_PEOPLE = ("image-folder", "multi-label-folder")
ALIKE = "classes differ from another only in case, spaces or Unicode form"
WITH_SPLITS = pytest.mark.parametrize(
    "folders", [pytest.param(each, id=name) for name, each in CLASS_FOLDERS.items() if name != "fmow"]
)


def test_the_two_forms_are_different_names() -> None:
    assert COMPOSED != APART
    assert unicodedata.normalize("NFC", APART) == COMPOSED


@pytest.mark.parametrize(
    ("given", "count"),
    [(["cat", "dog"], 0), (["Cat", "cat", "dog"], 1), (["cat", "cat ", "CAT"], 2), ([COMPOSED, APART], 1)],
    ids=["none", "case", "space", "Unicode form"],
)
def test_classes_that_look_alike_are_counted(given: list[str], count: int) -> None:
    assert sum(finding.count for finding in alike_classes(given)) == count


@pytest.mark.parametrize("source", FOLDER_SOURCES, ids=str)
@pytest.mark.parametrize("other", ["Cat", "cat ", "ca\u0308t", "c\u00e4t"])
def test_a_run_reports_classes_that_look_alike(tmp_path: Path, source: TinySource, other: str) -> None:
    first = "c\u00e4t" if other == "ca\u0308t" else "ca\u0308t" if other == "c\u00e4t" else "cat"
    for name in (first, other):
        for number in range(8):
            save(tmp_path / "data" / name / f"{name == first}-{number}.png", pixels(f"{name}-{number}"))
    folder = RunFolder(tmp_path / "run")
    splits = begin(source, tmp_path / "data", folder)
    assert len(splits.classes) == 2
    counts = {finding.what: finding.count for finding in DataRecord.read(folder.data).findings}
    assert counts[ALIKE] == 1


@WITH_SPLITS
@pytest.mark.parametrize(("train", "val"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_a_class_folder_may_have_another_unicode_form_in_another_split(
    tmp_path: Path, folders: Folders, train: str, val: str
) -> None:
    for split, name, values in (("train", train, range(10)), ("val", val, range(20, 24))):
        for value in values:
            folders.add(tmp_path, split, name, value)
            folders.add(tmp_path, split, "pears", 100 + value)
    splits = folders.open(tmp_path)
    assert sorted(map(str, splits.classes)) == sorted([train, "pears"])
    assert found(splits) == {CLASSES_RESPELLED: (1, f"val/{val}")}
    assert len(splits.test) == 8


@pytest.mark.parametrize("folders", [CLASS_FOLDERS[name] for name in OF_PEOPLE], ids=OF_PEOPLE)
def test_a_class_folder_in_another_case_is_refused_with_the_cause(tmp_path: Path, folders: Folders) -> None:
    folders.fill(tmp_path, "train", range(12))
    folders.add(tmp_path, "val", "Cat", 20)
    with pytest.raises(ReorderKitError, match="the class 'Cat', which has no training images") as caught:
        folders.open(tmp_path)
    assert "the training images have 'cat', here it is 'Cat'" in (caught.value.hint or "")


@pytest.mark.parametrize("source", FOLDER_SOURCES, ids=str)
@pytest.mark.parametrize(("before", "after"), [(COMPOSED, APART), (APART, COMPOSED)])
def test_a_run_goes_on_where_a_copy_changed_the_unicode_form(
    tmp_path: Path, source: TinySource, before: str, after: str
) -> None:
    root, folder = tmp_path / "data", RunFolder(tmp_path / "run")
    for name in (before, "dog", "zebra"):
        for number in range(8):
            save(root / name / f"{before}-{number}.png", pixels(f"{name}-{number}"))
    if source.name == "multi-label-folder":  # one name is one image there
        for number in range(8):
            (root / "dog" / f"{before}-{number}.png").rename(root / "dog" / f"{before}-d{number}.png")
            (root / "zebra" / f"{before}-{number}.png").rename(root / "zebra" / f"{before}-z{number}.png")
    begin(source, root, folder)
    began = reopen_data(experiment(source, root), folder).splits
    for path in sorted(root.rglob("*"), reverse=True):
        path.rename(path.with_name(path.name.replace(before, after)))
    splits = reopen_data(experiment(source, root), folder).splits
    assert found(splits)[RESPELLED_FOUND][0] == 24
    for old, new in ((began.train, splits.train), (began.test, splits.test)):
        assert [name.replace(before, after) for name in names(old)] == names(new)
        assert [str(old.target(number)) for number in range(len(old))] == [
            str(new.target(number)) for number in range(len(new))
        ]
    assert difference_of_classes(began.classes, splits.classes) is None


def test_two_files_that_could_be_the_recorded_one_are_not_guessed(tmp_path: Path) -> None:
    source, root, folder = FOLDER_SOURCES[0], tmp_path / "data", RunFolder(tmp_path / "run")
    accents = "a\u0323\u0302", "a\u0302\u0323"  # two ways to decompose one letter
    composed = unicodedata.normalize("NFC", accents[0])
    for number in range(8):
        save(root / "cat" / f"{number}.png", pixels(f"cat-{number}"))
        save(root / "dog" / f"{number}.png", pixels(f"dog-{number}"))
    save(root / "cat" / f"{composed}.png", pixels("tree"))
    begin(source, root, folder)
    (root / "cat" / f"{composed}.png").unlink()
    for name in accents:
        save(root / "cat" / f"{name}.png", pixels(name))
    with pytest.raises(ReorderKitError, match="are missing"):
        reopen_data(experiment(source, root), folder)


def test_categories_of_coco_may_have_another_unicode_form(tmp_path: Path) -> None:
    for split, name, numbers in (("train", COMPOSED, range(4)), ("val", APART, range(4, 6)), ("test", APART, [6])):
        images = [{"id": number, "file_name": f"{number}.png", "width": 4, "height": 4} for number in numbers]
        boxes = [{"id": number, "image_id": number, "category_id": 1, "bbox": [0, 0, 2, 2]} for number in numbers]
        content = {"images": images, "annotations": boxes, "categories": [{"id": 1, "name": name}]}
        (tmp_path / f"{split}.json").write_text(json.dumps(content))
        for number in numbers:
            save_image(tmp_path / "images" / f"{number}.png", number)
    splits = plain(CocoDetection, tmp_path).open(seed=0)
    assert list(splits.classes) == [COMPOSED]
    assert found(splits)[CLASSES_RESPELLED][0] == 2


def test_names_in_voc_may_have_another_unicode_form(tmp_path: Path) -> None:
    box = "<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>2</xmax><ymax>2</ymax></bndbox>"
    for number in range(8):
        save_image(tmp_path / "JPEGImages" / f"{number}.jpg", number)
        path = tmp_path / "Annotations" / f"{number}.xml"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"<annotation><object><name>{APART}</name>{box}</object></annotation>", encoding="utf-8")
    lists = tmp_path / "ImageSets" / "Main"
    lists.mkdir(parents=True)
    (lists / "train.txt").write_text("\n".join(map(str, range(8))))
    splits = plain(Voc, tmp_path, classes=(COMPOSED,)).open(seed=0)
    assert found(splits)[CLASSES_RESPELLED][0] == 8


def _as_json(kind: Any, label: str) -> bytes:
    value: Any = {
        CLASS: {"label": label},
        MULTI_LABEL: {"labels": [label]},
        BOXES: {"objects": {"bbox": [[1.0, 1.0, 2.0, 2.0]], "category": [label]}},
    }[kind]
    return json.dumps(value).encode()


@pytest.mark.parametrize("kind", [MULTI_LABEL, BOXES], ids=str)
def test_names_in_shards_may_have_another_unicode_form(tmp_path: Path, kind: Any) -> None:
    for split, name in (("train", COMPOSED), ("val", APART)):
        members: list[tuple[str, bytes]] = []
        for number in range(6):
            label = (name, "pears")[number % 2]
            members += [
                (f"{split}{number}.png", picture(pixels(f"{split}-{number}"))),
                (f"{split}{number}.json", _as_json(kind, label)),
            ]
        write(tmp_path / f"{split}.tar", members)
    splits = open_shards(tmp_path, kind, train="train.tar", validation="val.tar", test=None)
    assert sorted(splits.classes) == sorted([COMPOSED, "pears"])
    assert found(splits)[CLASSES_RESPELLED][0] == 3


def test_names_of_hugging_face_may_have_another_unicode_form(tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets", reason="the extra hf is not installed")
    from hf_tables import open_saved, table
    from hf_tables import save as save_table

    parts = {
        split: table({"label": [0, 1, 1]}, label=datasets.ClassLabel(names=["pears", name]))
        for split, name in (("train", COMPOSED), ("validation", APART), ("test", APART))
    }
    save_table(tmp_path / "named", **parts)
    splits = open_saved(tmp_path / "named")
    assert list(splits.classes) == ["pears", COMPOSED]
    assert [splits.test.target(number) for number in range(3)] == [0, 1, 1]
    assert found(splits)[CLASSES_RESPELLED][0] == 2
    parts = {
        split: table({"label": ["pears", name, name]})
        for split, name in (("train", COMPOSED), ("validation", APART), ("test", APART))
    }
    save_table(tmp_path / "text", **parts)
    splits = open_saved(tmp_path / "text")
    assert [splits.classes[splits.test.target(number)] for number in range(3)] == ["pears", COMPOSED, COMPOSED]
    assert found(splits)[CLASSES_RESPELLED][0] == 4


def test_a_run_whose_names_are_shared_reports_what_looks_alike_once(tmp_path: Path) -> None:
    source = FOLDER_SOURCES[0]
    for name in ("Cat", "cat"):
        for number in range(8):
            save(tmp_path / "data" / name / f"{number}.png", pixels(f"{name}-{number}"))
    run = RunFolder(tmp_path / "run")
    run.path.mkdir()
    opened = open_data(experiment(source, tmp_path / "data"), run, run.split_file)
    assert [finding.what for finding in opened.splits.findings].count(ALIKE) == 1
