"""The sections of a study's report that come from its run folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from reorder_kit.controls import LearnedStatic, RandomFixed
from reorder_kit.experiment.reopening import Places
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.orders.order_file import words_of_spread
from reorder_kit.reports.chart import Chart, file_name
from reorder_kit.reports.compressibility import FEWEST_ORDERS, PRIOR, ScoredOrder, correlate, score_orders
from reorder_kit.reports.cost_charts import cost_blocks_of_study
from reorder_kit.reports.epoch_charts import learning_charts, search_charts
from reorder_kit.reports.heat_chart import heat_chart, shift_panels, slot_words
from reorder_kit.reports.images import OpenedRun, open_if_there
from reorder_kit.reports.looks import Looks, shifted
from reorder_kit.reports.page import Block, Section, Words
from reorder_kit.reports.playback import player_of, track_of
from reorder_kit.reports.record import RunRecord
from reorder_kit.reports.scatter_chart import Point, scatter_chart
from reorder_kit.reports.slot_charts import influence_chart
from reorder_kit.reports.study_rows import Group, label_of, records_of
from reorder_kit.studies.lengths import words_of
from reorder_kit.studies.results import Row, StudyResult

_SHIFT = "Learned orders, mean over seeds: the slot of each patch, at the place of the patch in the image."
_COMPRESSIBILITY = (
    f"Each point is an order in which models were trained from the first step. Horizontal: its compressibility on "
    f"training images by the prior {PRIOR}, higher to the right. Scores are leveled: what runs of one seed have in "
    "common is removed. Orders that leave patches out are excluded."
)
_READING_LESS = (
    "Mean score over seeds against the cost of encoding an image, for rows that read different numbers of slots."
)
_SEARCH = "Means over seeds of the learners' own metrics."

_Runs = Mapping[Row, Sequence[RunRecord]]


def run_sections(
    results: StudyResult, groups: Sequence[Group], looks: Looks, folder: Path, host: PluginHost, places: Places = ()
) -> list[Section]:
    """Sections on playback, rank shifts, compressibility, influence, search and learning curves.

    Args:
        results: the study.
        groups: its rows.
        looks: the looks of rows, by label.
        folder: the folder with its run folders.
        host: the plugins, which open their data.
        places: where their data is now, if it has moved.
    """
    runs: _Runs = {row: found for row in results.rows if (found := records_of(row, folder))}
    opened = {group.key: _open(group, runs, host, places) for group in groups}
    learned = {row: runs[row] for row in runs if row.learner is not None and row.control is None}
    return [
        Section("playback", "Orders, epoch by epoch", *_playback(groups, learned, opened)),
        Section("shift", "Where patches moved", _SHIFT, _shifts(groups, learned)),
        Section(
            "compressibility",
            f"Compressibility against {results.headline}",
            _COMPRESSIBILITY,
            [block for group in groups for block in _compressibility(results, group, runs, opened[group.key])],
        ),
        Section("slots", "How much the slots matter", "", [*_influences(groups, runs, looks)]),
        Section("reading-less", "Reading less", _READING_LESS, [*cost_blocks_of_study(runs, results.metric, looks)]),
        Section("search", "The search", _SEARCH, _searches(groups, learned, results.headline, looks)),
        Section(
            "curves",
            "Learning curves",
            "Means over seeds, without controls.",
            _curves(groups, runs, results.headline, looks),
        ),
    ]


def _open(group: Group, runs: _Runs, host: PluginHost, places: Places) -> OpenedRun | str | None:
    """The data of a group, which all its runs share; None if none of the runs exists."""
    first = next((runs[row][0] for row in group.rows if row in runs), None)
    return None if first is None else open_if_there(first, host, places)


def _rows(group: Group, runs: _Runs) -> list[Row]:
    return [row for row in group.rows if row in runs]


def _playback(
    groups: Sequence[Group], learned: _Runs, opened: Mapping[str, OpenedRun | str | None]
) -> tuple[str, Sequence[Block]]:
    tracks = []
    for group in groups:
        data = opened[group.key]
        if data is not None:
            for row in _rows(group, learned):
                record = learned[row][0]
                label = f"{group.name}: {label_of(row)}, seed {record.seed}"
                tracks.append(track_of(record, label, data))
    lead = "The path along which a model reads the patches, for the first seed of each learner."
    return lead, player_of(tracks, "The order drawn over a test image, as the model sees it")


def _shifts(groups: Sequence[Group], learned: _Runs) -> list[Chart]:
    return [_shift(group, row, learned[row]) for group in groups for row in _rows(group, learned)]


def _shift(group: Group, row: Row, records: Sequence[RunRecord]) -> Chart:
    grid = records[0].grid
    starts = [record.start.rank.tolist() for record in records]
    panels = shift_panels(starts, [record.final.rank.tolist() for record in records])
    tips = []
    for patch, (first, last) in enumerate(zip(panels[0].values, panels[1].values, strict=True)):
        _, down, across = grid.cell(patch)
        place = f"row {down}, column {across}"
        tips.append(f"{place}: mean {slot_words(first, 1)} at the start, {slot_words(last, 1)} at the end")
    seeds = "1 seed" if len(records) == 1 else f"{len(records)} seeds"
    moved = sum(record.final.mean_rank_shift(record.start) for record in records) / len(records)
    return heat_chart(
        file_name("rank-shift", group.key, label_of(row)),
        f"{group.name}: {label_of(row)}",
        grid,
        panels,
        tips=tips,
        alt=f"Maps of the grid over {seeds}. Within a run, a patch moved by {moved:.1f} slots on average.",
        note=" ".join(
            [*([] if row.spread is None else [f"Consensus: {words_of_spread(row.spread)}."]), group.note]
        ).strip(),
    )


def _compressibility(results: StudyResult, group: Group, runs: _Runs, opened: OpenedRun | str | None) -> list[Block]:
    if not isinstance(opened, OpenedRun):
        return [] if opened is None else [Words(f"{group.name}: omitted. {opened}.")]
    kept: dict[str, list[RunRecord]] = {}
    for row in _rows(group, runs):
        kind = _kept_kind(row)
        if kind is not None:
            # An order that leaves patches out is shorter, but that does not make it more compressible.
            full = [record for record in runs[row] if record.final.is_full]
            kept.setdefault(kind, []).extend(full)
    scored = score_orders(kept, opened) if any(kept.values()) else []
    return [_scatter(results, group, scored)] if len(scored) > 1 else []


def _kept_kind(row: Row) -> str | None:
    """The kind of order that a row was trained in from the first step; None if its order changed."""
    if row.control == LearnedStatic.name:
        return "learned, from scratch"
    if row.control == RandomFixed.name:
        return "random"
    return "fixed" if row.learner is None and row.control is None else None


def _scatter(results: StudyResult, group: Group, scored: Sequence[ScoredOrder]) -> Chart:
    correlation = correlate(scored)
    if correlation is None:
        words = (
            f"{len(scored)} orders: a correlation needs at least {FEWEST_ORDERS}."
            if len(scored) < FEWEST_ORDERS
            else f"All {len(scored)} orders score the same, so there is no correlation."
        )
    else:
        touches = correlation.low <= 0 <= correlation.high
        words = f"{correlation}{', not distinguishable from none' if touches else ''}."
    points = [
        Point(
            each.group,
            each.compressibility,
            each.score,
            f"{each.group}: compressibility {each.compressibility:.3f}, {results.headline} {each.score:.3f}, "
            + ("1 run" if each.runs == 1 else f"{each.runs} runs"),
        )
        for each in scored
    ]
    return scatter_chart(
        f"compressibility-{group.key}",
        group.name,
        points,
        x_axis=f"compressibility ({PRIOR})",
        y_axis=f"test {results.metric}, leveled",
        alt=f"Compressibility against test {results.headline} for {group.name}. {words}",
        note=f"{words} {group.note}".strip(),
    )


def _influences(groups: Sequence[Group], runs: _Runs, looks: Looks) -> list[Chart]:
    charts = []
    for group in groups:
        profiles = {}
        for row in _rows(group, runs):
            found = [record.influence for record in runs[row] if len(record.influence) > 1]
            if row.control is None and len({len(profile) for profile in found}) == 1:
                profiles[label_of(row)] = found
        if profiles:
            charts.append(influence_chart(f"influence-{group.key}", group.name, profiles, group.note, looks))
    return charts


def _short(group: Group) -> str:
    return group.backbone if group.length is None else f"{group.backbone}, {words_of(group.length)}"


def _searches(groups: Sequence[Group], learned: _Runs, headline: str, looks: Looks) -> list[Chart]:
    own = {f"{_short(group)}: {label_of(row)}": learned[row] for group in groups for row in _rows(group, learned)}
    of_own = {
        f"{_short(group)}: {label_of(row)}": shifted(looks[label_of(row)], number)
        for number, group in enumerate(groups)
        for row in _rows(group, learned)
    }
    return search_charts("search", own, headline, of_own) if own else []


def _curves(groups: Sequence[Group], runs: _Runs, headline: str, looks: Looks) -> list[Chart]:
    charts = []
    for group in groups:
        shown = [row for row in _rows(group, runs) if row.control in (None, LearnedStatic.name)]
        own = {label_of(row): runs[row] for row in shown}
        found = learning_charts(f"curves-{group.key}", own, headline, looks) if own else []
        charts += [_titled(chart, group) for chart in found]
    return charts


def _titled(chart: Chart, group: Group) -> Chart:
    return Chart(
        chart.name, f"{group.name}: {chart.title.lower()}", chart.alt, chart.figure, chart.tips, chart.hover, group.note
    )
