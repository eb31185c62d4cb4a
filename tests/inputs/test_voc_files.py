"""Lists, names and encodings of Pascal VOC as people write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from reorder_kit.data_sources.voc import Voc
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import BOXES, MASK, DataSplits, Sample, TargetKind
from says import says

BOX = "<bndbox><xmin>2</xmin><ymin>3</ymin><xmax>6</xmax><ymax>8</ymax></bndbox>"
REWRITTEN = "names in lists are read without quotes or file endings"


def annotation(name: str = "cat") -> str:
    return f"<annotation><object><name>{name}</name><difficult>0</difficult>{BOX}</object></annotation>"


def write(
    root: Path, name: str, xml: str | bytes | None = None, image: str = ".jpg", text: str = ".xml", mask: str = ".png"
) -> None:
    for folder in ("JPEGImages", "Annotations", "SegmentationClass"):
        (root / folder).mkdir(exist_ok=True)
    kind = "PNG" if image.lower() == ".png" else "JPEG"
    # An image is identified by its brightness.
    Image.new("RGB", (10, 12), (len(name),) * 3).save(root / "JPEGImages" / f"{name}{image}", kind)
    Image.new("L", (10, 12), 1).save(root / "SegmentationClass" / f"{name}{mask}", "PNG")
    content = annotation() if xml is None else xml
    path = root / "Annotations" / f"{name}{text}"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def write_lists(root: Path, train: bytes) -> None:
    for kind in ("Main", "Segmentation"):
        (root / "ImageSets" / kind).mkdir(parents=True)
        (root / "ImageSets" / kind / "train.txt").write_bytes(train)
        for split in ("val", "test"):
            (root / "ImageSets" / kind / f"{split}.txt").write_text(f"{split}-image\n")
    for split in ("val", "test"):
        write(root, f"{split}-image")


def open_voc(root: Path, kind: TargetKind = BOXES, **options: Any) -> DataSplits:
    given = {"root": root, "image_size": 12, "train_transforms": [], "classes": ("cat", "猫"), **options}
    return Voc(Voc.Options(**given), kind).open(seed=0)


def names(splits: DataSplits) -> list[str]:
    found = []
    for index in range(len(splits.train)):
        assert isinstance(splits.train[index], Sample)
        found.append(splits.train.identity(index).name)  # type: ignore[attr-defined]
    return found


@pytest.mark.parametrize("kind", [BOXES, MASK])
@pytest.mark.parametrize(
    ("line", "name", "is_rewritten"),
    [
        ("cell", "cell", False),
        ("cell\r", "cell", False),
        ("  cell\t", "cell", False),
        ("cell  1", "cell", False),
        ("cell -1", "cell", False),
        ("my cell 7", "my cell 7", False),
        ("my cell 1", "my cell 1", False),
        ("my cell 1  -1", "my cell 1", False),
        ("cell.v2", "cell.v2", False),
        ('"cell"', "cell", True),
        ("'cell'", "cell", True),
        ('"my cell"', "my cell", True),
        ('"my cell" -1', "my cell", True),
        ("'my cell.jpg'", "my cell", True),
        ("cell.jpg", "cell", True),
        ("cell.JPG", "cell", True),
        ("my cell.JPEG 0", "my cell", True),
    ],
    ids=repr,
)
def test_a_line_of_a_list_names_an_image(
    kind: TargetKind, line: str, name: str, is_rewritten: bool, tmp_path: Path
) -> None:
    write_lists(tmp_path, f"{line}\n".encode())
    write(tmp_path, name)
    splits = open_voc(tmp_path, kind)
    assert names(splits) == [f"JPEGImages/{name}.jpg"]
    told = [finding.what for finding in splits.findings if not finding.what.startswith("declared classes")]
    assert told == [REWRITTEN] * is_rewritten


@pytest.mark.parametrize("kind", [BOXES, MASK])
@pytest.mark.parametrize(
    "line",
    [
        "JPEGImages/cell.jpg",
        "JPEGImages/cell.jpg  1",
        '"JPEGImages/cell.JPG"',
        "/home/joe/VOCdevkit/VOC2007/JPEGImages/cell.jpg",
        "C:\\VOC2007\\JPEGImages\\cell.jpg",
        "JPEGImages/cell.jpg {target}",
        "/JPEGImages/cell.jpg /{target}",
        "{root}/JPEGImages/cell.jpg",
        "{root}/JPEGImages/cell.jpg\t{root}/{target}",
    ],
)
def test_a_path_in_a_list_is_the_name_of_an_image(kind: TargetKind, line: str, tmp_path: Path) -> None:
    target = "Annotations/cell.xml" if kind == BOXES else "SegmentationClass/cell.png"
    write_lists(tmp_path, f"{line.format(root=tmp_path, target=target)}\n".encode())
    write(tmp_path, "cell")
    splits = open_voc(tmp_path, kind)
    assert names(splits) == ["JPEGImages/cell.jpg"]
    told = [finding.what for finding in splits.findings if not finding.what.startswith("declared classes")]
    assert told == ["paths in lists are read as names of images"]


def test_a_path_in_a_list_may_have_spaces_and_folders(tmp_path: Path) -> None:
    write_lists(tmp_path, b"JPEGImages/my cell.jpg Annotations/my cell.xml\nJPEGImages/day 1/a.jpg\n")
    write(tmp_path, "my cell")
    for folder in ("JPEGImages", "Annotations"):
        (tmp_path / folder / "day 1").mkdir()
    Image.new("RGB", (10, 12)).save(tmp_path / "JPEGImages" / "day 1" / "a.jpg")
    (tmp_path / "Annotations" / "day 1" / "a.xml").write_text(annotation())
    assert names(open_voc(tmp_path)) == ["JPEGImages/my cell.jpg", "JPEGImages/day 1/a.jpg"]


@pytest.mark.parametrize(
    "target", ["SegmentationClassAug/cell.png", "SegmentationClass/other.png", "Annotations/cell.xml"]
)
def test_a_path_beside_another_mask_than_that_which_is_read_is_refused(target: str, tmp_path: Path) -> None:
    write_lists(tmp_path, f"JPEGImages/cell.jpg {target}\n".encode())
    write(tmp_path, "cell")
    with pytest.raises(ReorderKitError, match=r"lists JPEGImages/cell\.jpg .*, but .* does not exist"):
        open_voc(tmp_path, MASK)


def test_a_path_to_another_image_of_this_machine_is_refused(tmp_path: Path) -> None:
    other = tmp_path / "other" / "JPEGImages"
    other.mkdir(parents=True)
    Image.new("RGB", (3, 3)).save(other / "cell.jpg")
    root = tmp_path / "root"
    root.mkdir()
    write_lists(root, f"{other}/cell.jpg\n".encode())
    write(root, "cell")
    with pytest.raises(ReorderKitError, match=r"lists .*cell\.jpg, but .* does not exist") as error:
        open_voc(root)
    assert "another machine" not in str(error.value.hint)


def test_a_byte_order_mark_is_no_letter_of_the_first_name(tmp_path: Path) -> None:
    write_lists(tmp_path, b"\xef\xbb\xbfcell\nother\n")
    write(tmp_path, "cell")
    write(tmp_path, "other")
    assert names(open_voc(tmp_path)) == ["JPEGImages/cell.jpg", "JPEGImages/other.jpg"]


def test_a_name_with_a_space_is_not_its_first_word(tmp_path: Path) -> None:
    write_lists(tmp_path, b"my cell\n")
    write(tmp_path, "my")
    write(tmp_path, "my cell")
    assert names(open_voc(tmp_path)) == ["JPEGImages/my cell.jpg"]


def test_a_name_in_quotes_and_without_is_one_image(tmp_path: Path) -> None:
    write_lists(tmp_path, b"'cell'\ncell.jpg\n")
    write(tmp_path, "cell")
    with pytest.raises(ReorderKitError, match=r"cell\.jpg is listed twice"):
        open_voc(tmp_path)


@pytest.mark.parametrize("kind", [BOXES, MASK])
@pytest.mark.parametrize(
    ("image", "text", "mask"), [(".JPG", ".XML", ".PNG"), (".Jpg", ".xml", ".Png"), (".PNG", ".Xml", ".png")]
)
def test_endings_in_capital_letters(kind: TargetKind, image: str, text: str, mask: str, tmp_path: Path) -> None:
    write_lists(tmp_path, b"cell\n")
    write(tmp_path, "cell", None, image, text, mask)
    splits = open_voc(tmp_path, kind)
    assert names(splits) == [f"JPEGImages/cell{image}"]
    sample = splits.train[0]
    assert isinstance(sample, Sample)
    if kind == BOXES:
        assert sample.target.boxes.tolist() == [[1, 2, 6, 8]]


def test_a_name_that_leads_to_no_image_is_told_as_it_stands(tmp_path: Path) -> None:
    write_lists(tmp_path, b"some cell 7\n")
    with pytest.raises(ReorderKitError, match=r"lists some cell 7, but .*some cell 7.* does not exist"):
        open_voc(tmp_path)


def declared(encoding: str, text: str) -> bytes:
    return f'<?xml version="1.0" encoding="{encoding}"?>\n{text}'.encode(encoding)


@pytest.mark.parametrize(
    "content",
    [
        declared("GBK", annotation("猫")),
        declared("gb2312", annotation("猫")),
        declared("GB18030", annotation("猫")),
        declared("Shift_JIS", annotation("猫")),
        declared("Big5", annotation("貓")),
        declared("utf-8", annotation("猫")),
        b"\xef\xbb\xbf" + declared("UTF-8", annotation("猫")),
        b"\xef\xbb\xbf" + annotation("猫").encode(),
        annotation("猫").encode("utf-16"),
        declared("utf-16", annotation("猫")),
    ],
    ids=["gbk", "gb2312", "gb18030", "shift_jis", "big5", "utf-8", "bom+utf-8", "bom", "utf-16", "declared utf-16"],
)
def test_an_annotation_is_read_in_its_encoding(content: bytes, tmp_path: Path) -> None:
    write_lists(tmp_path, b"cell\n")
    write(tmp_path, "cell", content)
    splits = open_voc(tmp_path, classes=("cat", "猫", "貓"))
    sample = splits.train[0]
    assert isinstance(sample, Sample)
    assert splits.classes[int(sample.target.classes[0])] in ("猫", "貓")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b'<?xml version="1.0" encoding="klingon"?>' + annotation().encode(), "klingon"),
        (b'<?xml version="1.0" encoding="rot13"?>' + annotation().encode(), "rot13"),
        (b'<?xml version="1.0" encoding="GBK"?>' + b"<annotation>\xff\xff</annotation>", "gbk"),
        (b'<?xml version="1.0" encoding="utf-8"?>' + annotation("狗").encode("gbk"), "utf-8"),
        (annotation("狗").encode("gbk"), "encoding"),
        (declared("gbk", annotation("猫"))[:-20], "cut off"),
        (b"", "cut off"),
    ],
    ids=["unknown", "no text", "wrong bytes", "declared utf-8", "undeclared", "cut off", "empty"],
)
def test_an_annotation_that_cannot_be_decoded_is_named(content: bytes, told: str, tmp_path: Path) -> None:
    write_lists(tmp_path, b"cell\n")
    write(tmp_path, "cell", content)
    with pytest.raises(ReorderKitError) as error:
        open_voc(tmp_path)
    assert says(str(error.value), "data.root", "cell.xml is not XML", told)
