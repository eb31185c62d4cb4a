"""The report of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reorder_kit.experiment.reopening import Places
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.recipe.write_yaml import write_yaml
from reorder_kit.reports.chart import Chart
from reorder_kit.reports.class_table import class_tables
from reorder_kit.reports.cost_charts import cost_blocks_of_run
from reorder_kit.reports.environment import command_of, environment_facts
from reorder_kit.reports.epoch_charts import learning_charts, search_charts
from reorder_kit.reports.heat_chart import heat_chart, shift_panels, slot_words
from reorder_kit.reports.images import OpenedRun, drawn_before, open_if_there
from reorder_kit.reports.interval_chart import Dot, interval_chart
from reorder_kit.reports.line_chart import bands_of
from reorder_kit.reports.looks import Looks, looks_of
from reorder_kit.reports.page import Block, Listing, Page, Photo, Section, Words
from reorder_kit.reports.playback import player_of, track_of
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.run_data import data_words
from reorder_kit.reports.run_words import interval_over_images, run_verdict, start_of
from reorder_kit.reports.slot_charts import influence_chart, saliency_chart
from reorder_kit.reports.table import Cell, Column, Table, number
from reorder_kit.runs.figures import Figures
from reorder_kit.runs.run_folder import RunFolder

_CAPTION = "The run and its controls, on test images"


def run_page(folder: RunFolder, host: PluginHost, places: Places = ()) -> Page:
    """Make the page of a finished run.

    Args:
        folder: the run.
        host: the plugins, which open its data for images.
        places: where its data is now, if it has moved.

    Raises:
        ReorderKitError: if the run is not finished or damaged, or its data is not in the given place.
    """
    record = RunRecord.read(folder)
    controls = record.controls()
    every = {record.name: record, **controls}
    groups = {name: [run] for name, run in every.items()}
    looks = looks_of([record.name, *record.result.controls])
    opened = open_if_there(record, host, places)
    curves = learning_charts("curves", groups, record.headline, looks, bands_of(record.epochs))
    moved = record.start != record.final
    return Page(
        title=record.name,
        kind="run",
        facts=_facts(record),
        verdict=run_verdict(record),
        notices=[],
        sections=[
            Section("figures", "Figures", "", [_table(record, looks), _intervals(record, looks), *curves]),
            Section("predictions", "Predictions", "", _predictions(record)),
            Section("classes", "Class by class", "", class_tables(record)),
            Section("playback", "The order, epoch by epoch", *_playback(record, opened)),
            Section(
                "slots", "Patches and slots", _SLOTS, [*([_shift(record)] if moved else []), *_slots(record, looks)]
            ),
            Section("reading-less", "Reading less", _READING_LESS, cost_blocks_of_run(record)),
            Section("search", "The search", _SEARCH, [*_search(record.search(), looks), *_trials(record)]),
            Section("environment", "Environment", "", environment_facts(record.environment)),
            Section("commands", "Commands", "", _commands(record)),
        ],
        data=data_words(record, opened),
    )


_SLOTS = "The slot of each patch, slot 0 being read first, and how much each slot matters."
_READING_LESS = "The trained model when it reads only the first patches of its order."
_SEARCH = "How the learner found its order. Shaded: the phases of the run."


def _facts(record: RunRecord) -> list[str]:
    recipe = record.recipe
    return [
        f"{recipe['backbone']['name']} on {recipe['data']['name']}",
        f"{record.grid} patches",
        f"start: {start_of(record)}",
        *([f"learner: {record.learner}"] if record.has_learner else []),
        f"{len(record.epochs)} epochs in {record.result.seconds:.0f} s",
        f"seed {record.seed}",
    ]


@dataclass(frozen=True)
class _Scored:
    """The figures of a run or a control; ``ahead`` is by how much the run is better on the same images."""

    name: str
    test: Figures
    validation: float | None
    ahead: float | None = None


def _rows(record: RunRecord) -> list[_Scored]:
    """The run, then its controls."""
    metrics = record.result.metrics
    run = _Scored(record.name, metrics.test, metrics.validation.score(record.headline))
    return [
        run,
        *(_Scored(c.name, c.figures, c.validation, c.ahead) for c in record.result.compared_controls),
    ]


def _interval(record: RunRecord, row: _Scored) -> tuple[float, float] | None:
    return interval_over_images(record.headline, row.test)


def _table(record: RunRecord, looks: Looks) -> Table:
    headline = record.headline
    has_intervals = interval_over_images(headline, record.result.metrics.test) is not None
    scored = _rows(record)
    has_controls = bool(record.result.controls)
    are_shares = record.metric.are_shares(row.test.score(headline) for row in scored)
    ahead = ("run ahead by, points", "difference_points") if are_shares else ("run ahead by", "difference")
    columns = [
        Column("run", "run"),
        Column(f"test {record.metric}", f"test_{headline}", is_number=True),
        *([Column("95% low", "low", True), Column("95% high", "high", True)] if has_intervals else []),
        *([Column(*ahead, True)] if has_controls else []),
        Column(f"validation {headline}", f"validation_{headline}", is_number=True),
        Column("test loss", "test_loss", is_number=True),
    ]
    rows = []
    for row in scored:
        ends = _interval(record, row) or ()
        difference = None if row.ahead is None else (100 if are_shares else 1) * row.ahead
        rows.append([
            Cell(row.name, series=looks[row.name].series),
            number(row.test.score(headline)),
            *(number(end) for end in ends),
            *([number(difference, 1 if are_shares else 3, sign=True)] if has_controls else []),
            number(row.validation),
            number(row.test.loss),
        ])  # fmt: skip
    over = "; intervals are Wilson's over test images, not over seeds" if has_intervals else ""
    return Table("runs", _CAPTION + over, columns, rows)


def _intervals(record: RunRecord, looks: Looks) -> Chart:
    dots = []
    for row in _rows(record):
        score = row.test.score(record.headline)
        low, high = _interval(record, row) or (score, score)
        within = f", {low:.3f} to {high:.3f}" if low < high else ""
        dots.append(Dot(row.name, score, low, high, looks[row.name], f"{row.name}: {score:.3f}{within}"))
    return interval_chart(
        "intervals",
        f"Test {record.headline}",
        dots,
        axis=f"test {record.metric}",
        alt=f"Test {record.headline}: " + "; ".join(dot.tip for dot in dots),
        note=_selection(record),
    )


def _selection(record: RunRecord) -> str:
    return f"Selection: {record.slots.words}." if record.is_selection else ""


def _consensus(record: RunRecord) -> str:
    return "" if record.spread is None else f"A consensus: {words_of_spread(record.spread)}."


def _predictions(record: RunRecord) -> list[Block]:
    """Predictions for some test images; empty if no picture of them was made."""
    source = drawn_before(record.folder.path / "predictions.png")
    if source is None:
        return []
    alt = "Pairs of test images: the truth on the left, the prediction on the right."
    return [Photo("Some test images", alt, source, alt)]


def _playback(record: RunRecord, opened: OpenedRun | str) -> tuple[str, Sequence[Block]]:
    track = track_of(record, record.name, opened)
    lead = "The path along which the model reads the patches. Move the slider or press Play."
    return lead, player_of([track], "The order drawn over a test image, as the model sees it")


def _shift(record: RunRecord) -> Chart:
    panels = shift_panels([record.start.rank.tolist()], [record.final.rank.tolist()])
    tips = []
    for patch, (first, last) in enumerate(zip(panels[0].values, panels[1].values, strict=True)):
        _, row, column = record.grid.cell(patch)
        tips.append(f"row {row}, column {column}: {slot_words(first)} at the start, {slot_words(last)} at the end")
    mean = record.final.mean_rank_shift(record.start)
    return heat_chart(
        "rank-shift",
        "Slot of each patch at the start and at the end",
        record.grid,
        panels,
        tips=tips,
        alt=f"Maps of the grid. A patch moved by {mean:.1f} slots on average.",
        note=f"{_consensus(record)} {_selection(record)}".strip(),
    )


def _slots(record: RunRecord, looks: Looks) -> list[Block]:
    blocks: list[Block] = []
    order = record.result.order
    if len(record.influence) > 1:
        profile = {record.name: [record.influence]}
        blocks.append(influence_chart("influence", "Influence by slot", profile, _selection(record), looks))
        if order.influence_note:
            blocks.append(Words(f"Influence is given {order.influence_note}."))
    if order.reach_doubt:
        blocks.append(Words(f"Warning: {order.reach_doubt}."))
    if order.influence_does_not_apply:
        blocks.append(Words(f"The influence of slots was not measured: {order.influence_does_not_apply}."))
    blocks += [Words(words) for words in (*order.words_of_effective_slots, *order.words_of_closed_form)]
    saliency = record.saliency()
    if saliency is not None:
        blocks = [saliency_chart("saliency", saliency, looks[record.name]), *blocks]
        blocks.append(Words(" ".join(saliency.conclusion)))
    return blocks


def _search(record: RunRecord, looks: Looks) -> list[Chart]:
    if not record.has_learner:
        return []
    return search_charts("search", {record.name: [record]}, record.headline, looks, bands_of(record.epochs))


def _trials(record: RunRecord) -> list[Block]:
    """The short trainings that judged the order from the search."""
    verdict = record.result.validated
    if verdict is None or verdict.trials is None:
        return []
    trials = verdict.trials
    columns = [
        Column("seed of the trial", "seed"),
        Column("loss in the start", "loss_start", is_number=True),
        Column("loss in the learned order", "loss_learned", is_number=True),
        Column("learned order lower by", "gain", is_number=True),
    ]
    rows = [
        [Cell(str(seed)), number(start), number(learned), number(start - learned, sign=True)]
        for seed, start, learned in zip(trials.seeds, trials.start, trials.learned, strict=True)
    ]
    caption = f"Short trainings of {trials.steps} steps from scratch, judged on {trials.judged}"
    return [Table("trials", caption, columns, rows)]


def _commands(record: RunRecord) -> list[Block]:
    folder = record.folder.path
    lines = [command_of(record.environment.command)] if record.environment.command else []
    return [
        Listing("Commands for the run and this page", "\n".join([*lines, f"reorder-kit report {folder}"])),
        Listing("The recipe, with every default", write_yaml(record.recipe), is_folded=True),
    ]
