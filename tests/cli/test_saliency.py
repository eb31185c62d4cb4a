"""`reorder-kit saliency`: where salient patches are before and after learning."""

from __future__ import annotations

import json
import shutil

import pytest
from PIL import Image

from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.orders.order_file import OrderFile
from resealed import reseal


@pytest.fixture
def run(trained, tmp_path):
    """A writable copy of the run, as if it had begun in row order.

    Its single epoch moves nothing.
    """
    copy = shutil.copytree(trained.folder, tmp_path / "run")
    OrderFile("row", Grid(4, 4), Order.identity(16)).save(copy / "orders" / "start.json")
    reseal(copy)
    return copy


def measured(cli, *arguments):
    done = cli("saliency", *arguments, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.mark.parametrize("method", ["gradient", "occlusion", "rollout"])
def test_the_file_holds_what_is_printed_and_what_a_report_reads(cli, trained, run, method):
    report = measured(cli, run, "--method", method, "--images", 60)
    assert json.loads((run / "saliency.json").read_text()) == report
    assert (report["method"], report["split"], report["images"]) == (method, "test", 60)
    assert report["influence"] == trained.result["order"]["influence"]
    for part in (report, report["apart_from_slots"]):
        assert set(part["shift"]) == {"mean", "low", "high", "p"}
        for shares in part["by_slot"].values():
            assert len(shares) == 16
            assert sum(shares) == pytest.approx(1)
        mean_rank = {
            name: sum(slot * share / 15 for slot, share in enumerate(shares))
            for name, shares in part["by_slot"].items()
        }
        assert mean_rank == pytest.approx(part["mean_rank"])
        assert part["shift"]["mean"] == pytest.approx(mean_rank["final"] - mean_rank["start"])


def test_a_patch_has_the_same_saliency_before_and_after(cli, run):
    report = measured(cli, run)
    start, final = (OrderFile.load(run / name).order for name in ("orders/start.json", "order.json"))
    assert start != final
    by_patch = {
        name: [report["by_slot"][name][slot] for slot in order.rank]
        for name, order in (("start", start), ("final", final))
    }
    assert by_patch["start"] == by_patch["final"]


def test_slots_beyond_the_reach_have_no_saliency_of_their_own_and_the_words_say_so(cli, run):
    report = measured(cli, run)
    assert [share > 0 for share in report["by_slot"]["final"]] == [False] * 11 + [True] * 5
    assert report["reach"] == {"slots": 5, "of": 16, "is_selection": True}
    assert any("5 of 16 slots reach the readout" in sentence for sentence in report["conclusion"])
    # In random orders every patch is read now and then.
    assert min(report["apart_from_slots"]["by_slot"]["final"]) > 0


def test_it_says_in_words_and_draws(cli, run):
    done = cli("saliency", run, "--split", "validation")
    assert done.exit_code == 0, done.output
    assert "gradient over 100 validation images" in done.stdout
    assert "other seeds may learn others" in done.stdout
    with Image.open(run / "saliency.png") as picture:
        assert min(picture.size) > 300


def test_it_is_the_same_every_time(cli, run):
    assert measured(cli, run) == measured(cli, run)


def test_of_a_run_that_kept_its_order_there_is_nothing_to_test(cli, run):
    report = measured(cli, run / "controls" / "fixed-start")
    assert report["shift"] == {"mean": 0, "low": 0, "high": 0, "p": 1}
    assert report["by_slot"]["start"] == report["by_slot"]["final"]
    assert report["conclusion"] == [
        "The final order is the starting order: nothing moved, and there is nothing to test."
    ]


def test_what_cannot_be_measured_is_refused_in_words(cli, tmp_path, run):
    (tmp_path / "recurrent.yaml").write_text(
        "{format_version: 1, name: walk, data: {name: digits, batch_size: 600}, "
        "backbone: {name: recurrent, patch_size: 4, dim: 8}, train: {epochs: 1, device: cpu}}"
    )
    assert cli("run", "recurrent.yaml").exit_code == 0
    done = cli("saliency", "runs/walk", "--method", "rollout")
    assert done.exit_code == 2
    assert "recurrent with these options does not have\n  hint: use --method gradient" in done.stderr
    assert not (tmp_path / "runs" / "walk" / "saliency.json").exists()
    assert cli("saliency", "nowhere").exit_code == 2
