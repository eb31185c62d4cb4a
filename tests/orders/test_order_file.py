"""Orders as JSON: round trips, and refusal of every malformed file by name."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from reorder_kit.errors import ReorderKitError
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile

VALID = {"format_version": 1, "name": "mine", "grid": [1, 3], "order": [2, 0, 1]}


def write(folder: Path, **changes: object) -> Path:
    path = folder / "some order.json"
    path.write_text(json.dumps({**VALID, **changes}))
    return path


@pytest.mark.parametrize(
    ("grid", "indices"),
    [
        (Grid(1, 1), [0]),
        (Grid(2, 2), [3, 0, 2, 1]),
        (Grid(2, 2), [3, 0]),
        (Grid(1, 2, frames=2), [3, 0, 2, 1]),
    ],
)
def test_loads_what_it_saves(grid: Grid, indices: list[int], tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    stored = OrderFile("Reihenfolge für später", grid, Order(indices, grid.num_patches))
    stored.save(path)
    assert OrderFile.load(path) == stored


@given(st.permutations(range(12)))
def test_a_file_is_plain_json(indices: list[int]) -> None:
    content = json.loads(json.dumps(OrderFile("mine", Grid(3, 4), Order(indices)).as_dict()))
    assert content == {"name": "mine", "grid": [3, 4], "order": indices}


def test_a_file_states_its_format(tmp_path: Path) -> None:
    OrderFile("row", Grid(1, 2), Order([0, 1])).save(tmp_path / "order.json")
    assert json.loads((tmp_path / "order.json").read_text()) == {
        "format_version": 1,
        "name": "row",
        "grid": [1, 2],
        "order": [0, 1],
        "checksum": "6ab548249eaea17e4112619786ed71f30fc3ccd5cc4c181668af2994c243055a",
    }


def test_a_video_states_its_frames_first() -> None:
    assert OrderFile("row", Grid(2, 3, frames=4), Order.identity(24)).as_dict()["grid"] == [4, 2, 3]


def test_reads_a_file_written_by_hand(tmp_path: Path) -> None:
    path = tmp_path / "by-hand.json"
    path.write_text('{"grid": [2, 2], "order": [3, 0, 2, 1]}')
    assert OrderFile.load(path) == OrderFile("by-hand", Grid(2, 2), Order([3, 0, 2, 1]))


def test_reads_names_in_any_script(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes('{"name": "螺旋", "grid": [1, 1], "order": [0]}'.encode())
    assert OrderFile.load(path).name == "螺旋"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"order": None}, "not a list of patch numbers"),
        ({"order": "2 0 1"}, "not a list of patch numbers"),
        ({"order": {"0": 2}}, "not a list of patch numbers"),
        ({"order": [2.0, 0.0, 1.0]}, "not a list of patch numbers"),
        ({"order": ["2", "0", "1"]}, "not a list of patch numbers"),
        ({"order": [2, False, True]}, "not a list of patch numbers"),
        ({"order": [2, None, 1]}, "not a list of patch numbers"),
        ({"order": [[2, 0, 1], [0, 1, 2]]}, "not a list of patch numbers"),
        ({"order": []}, "shape"),
        ({"order": [2, 0, 2]}, "patch 2 appears twice"),
        ({"order": [3, 0, 1]}, "outside 0..2"),
        ({"order": [-1, 0, 1]}, "outside 0..2"),
        ({"order": [10**30, 0, 1]}, "patch numbers"),
        ({"order": [0, 1, 2, 3]}, "outside 0..2"),
        ({"grid": None}, "grid None is not"),
        ({"grid": "1x3"}, "grid '1x3' is not"),
        ({"grid": 3}, "grid 3 is not"),
        ({"grid": [3]}, r"grid \[3\] is not"),
        ({"grid": []}, r"grid \[\] is not"),
        ({"grid": [1, 1, 1, 3]}, r"grid \[1, 1, 1, 3\] is not"),
        ({"grid": [1.0, 3.0]}, r"grid \[1.0, 3.0\] is not"),
        ({"grid": [True, 3]}, r"grid \[True, 3\] is not"),
        ({"grid": [0, 3]}, "at least one patch"),
        ({"grid": [-1, -3]}, "at least one patch"),
        ({"grid": [1, 2]}, "outside 0..1"),
        ({"name": 5}, "name 5 is not text"),
        ({"name": None}, "name None is not text"),
        ({"format_version": 2}, "format_version 2 is not 1"),
        ({"format_version": "1"}, "format_version '1' is not 1"),
        ({"format_version": 2, "order": {"static": []}}, "format_version 2 is not 1"),
    ],
    ids=str,
)
def test_a_malformed_file_is_refused_by_name(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    path = write(tmp_path, **changes)
    with pytest.raises(ReorderKitError, match=message) as refusal:
        OrderFile.load(path)
    assert refusal.value.message.startswith(f"{path}: ")


def test_the_checksum_is_that_of_compact_json_with_sorted_keys() -> None:
    text = '{"format_version":1,"grid":[1,2],"name":"row","order":[0,1]}'
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert json.loads(OrderFile("row", Grid(1, 2), Order([0, 1])).text)["checksum"] == expected


def test_an_order_that_is_not_what_its_checksum_says_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    OrderFile("row", Grid(1, 2), Order([0, 1])).save(path)
    path.write_text(path.read_text().replace("[0, 1]", "[1, 0]"))
    with pytest.raises(ReorderKitError, match=r"order\.json: the order: is damaged"):
        OrderFile.load(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"is_consensus": 1, "spread": 0.5}, "is_consensus 1 is not true or false"),
        ({"is_consensus": True, "spread": float("nan")}, "a spread from 0 to 1"),
        ({"is_consensus": True, "spread": True}, "a spread from 0 to 1"),
        ({"is_consensus": True, "spread": 10**400}, "a spread from 0 to 1"),
        ({"is_consensus": True, "spread": 0.5, "examples": 5}, "examples of a consensus"),
        ({"is_consensus": True, "spread": 0.5, "examples": [5]}, "examples of a consensus"),
        ({"format_version": True}, "format_version True is not 1"),
    ],
    ids=str,
)
def test_a_consensus_that_makes_no_sense_is_refused(changes: dict[str, object], message: str, tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=message):
        OrderFile.load(write(tmp_path, **changes))


def test_a_key_that_is_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text('{"grid": [1, 2], "order": [0, 1], "order": [1, 0]}')
    with pytest.raises(ReorderKitError, match="the key 'order' is given twice"):
        OrderFile.load(path)


@pytest.mark.parametrize("missing", ["grid", "order"])
def test_a_file_without_grid_or_order_is_refused_by_name(missing: str, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text(json.dumps({key: value for key, value in VALID.items() if key != missing}))
    with pytest.raises(ReorderKitError, match=rf"order\.json: {missing}") as refusal:
        OrderFile.load(path)
    assert "show-order --json" in str(refusal.value.hint)


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[0, 1, 2", b"\xff\xfe\x00", b"order: [0, 1]", b"[" * 200_000, b'{"grid": [1, ' + b"9" * 5000 + b"]}"],
    ids=["empty", "cut off", "list cut off", "binary", "yaml", "nested without end", "number without end"],
)
def test_a_file_that_is_not_json_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_bytes(content)
    with pytest.raises(ReorderKitError, match="not JSON") as refusal:
        OrderFile.load(path)
    assert refusal.value.message.startswith(f"{path}: ")


@pytest.mark.parametrize("content", ["[2, 0, 1]", "null", "5", '"order"'])
def test_json_that_is_no_order_is_refused_by_name(content: str, tmp_path: Path) -> None:
    path = tmp_path / "order.json"
    path.write_text(content)
    with pytest.raises(ReorderKitError, match=r"order\.json: not an order") as refusal:
        OrderFile.load(path)
    assert "show-order --json" in str(refusal.value.hint)


def test_a_file_that_cannot_be_opened_is_refused_by_name(tmp_path: Path) -> None:
    with pytest.raises(ReorderKitError, match=r"absent\.json: No such file"):
        OrderFile.load(tmp_path / "absent.json")
    with pytest.raises(ReorderKitError, match="Is a directory") as refusal:
        OrderFile.load(tmp_path)
    assert str(tmp_path) in refusal.value.message


def test_holds_one_order_for_all_images() -> None:
    with pytest.raises(ReorderKitError, match="differs between images"):
        OrderFile("mine", Grid(1, 2), Order(torch.tensor([[0, 1], [1, 0]])))


def test_holds_an_order_of_its_grid() -> None:
    with pytest.raises(ReorderKitError, match="order of 3 patches does not fit the 2x2 grid"):
        OrderFile("mine", Grid(2, 2), Order([2, 0, 1]))
