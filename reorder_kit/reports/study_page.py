"""The report of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from reorder_kit.experiment.reopening import Places
from reorder_kit.host.plugin_host import PluginHost
from reorder_kit.reports.chart import Chart
from reorder_kit.reports.environment import environment_facts
from reorder_kit.reports.interval_chart import Dot, interval_chart
from reorder_kit.reports.looks import Looks, looks_of
from reorder_kit.reports.page import Block, Listing, Notice, Page, Section, with_distinct_names
from reorder_kit.reports.run_data import data_words
from reorder_kit.reports.study_answers import answer_sections, tests_table
from reorder_kit.reports.study_rows import Group, groups_of, label_of, length_cell, length_column, records_of
from reorder_kit.reports.study_runs import run_sections
from reorder_kit.reports.table import Cell, Column, Table, number
from reorder_kit.statistics.deciding_test import DecidingTest
from reorder_kit.statistics.estimate import Estimate, within_shares
from reorder_kit.studies.results import Row, StudyResult
from reorder_kit.studies.wording import Wording


def study_page(results: StudyResult, folder: Path, host: PluginHost, places: Places = ()) -> Page:
    """Make the page of a study; for missing runs it shows what the study itself has recorded.

    Args:
        results: the study.
        folder: the folder with its run folders.
        host: the plugins, which open their data for images and for a prior.
        places: where their data is now, if it has moved.

    Raises:
        ReorderKitError: if a run folder is damaged, or the data is not in the given place.
    """
    groups = groups_of(results)
    looks = looks_of(map(label_of, results.rows))
    return Page(
        title=results.name,
        kind="study",
        facts=_facts(results, groups),
        verdict=results.verdict,
        notices=_notices(results),
        sections=with_distinct_names(
            [
                *answer_sections(results, looks),
                Section(
                    "orders", f"Test {results.headline} by order", _ORDERS, [_scores(results, g, looks) for g in groups]
                ),
                Section("rows", "All figures", "", [_table(results, looks), *tests_table(results)]),
                *run_sections(results, groups, looks, folder, host, places),
                Section("failures", "What failed", "", _failures(results)),
                Section("environment", "Environment", "", environment_facts(results.environment)),
                Section("commands", "Commands", "", _commands(results)),
            ]
        ),
        data=_data(groups, folder),
    )


def _data(groups: Sequence[Group], folder: Path) -> list[str]:
    """One or more lines for each data set, from the first of its runs that exists."""
    found: dict[str, list[str]] = {}
    for group in groups:
        record = next((record for row in group.rows for record in records_of(row, folder)), None)
        if group.data not in found and record is not None:
            found[group.data] = data_words(record)
    return [line for lines in found.values() for line in lines]


_ORDERS = "Means over seeds with 95% intervals; hollow: controls. A row has the same color throughout this page."


_TESTS: dict[DecidingTest, str] = {"permutation": "permutation tests", "paired-t": "paired t-tests"}


def _facts(results: StudyResult, groups: Sequence[Group]) -> list[str]:
    runs = sum(len(row.seeds) for row in results.rows)
    seeds = sorted({len(row.seeds) for row in results.rows}) or [0]
    return [
        f"{runs} runs in {len(results.rows)} rows",
        f"{seeds[0]} seeds" if len(seeds) == 1 else f"{seeds[0]} to {seeds[-1]} seeds",
        ", ".join(group.name for group in groups),
        f"headline {results.metric}",
        f"level of the {_TESTS[results.test]} {results.alpha:g}",
    ]


def _notices(results: StudyResult) -> list[Notice]:
    said = []
    if results.unfinished:
        runs = "1 run is" if results.unfinished == 1 else f"{results.unfinished} runs are"
        unfinished = f"This study is not finished: {runs} not trained yet. The figures cover the finished runs."
        said.append(Notice("warning", unfinished))
    if results.failures:
        failed = "1 run" if len(results.failures) == 1 else f"{len(results.failures)} runs"
        said.append(Notice("warning", f"{failed} failed; the reasons are listed below."))
    said += [Notice("warning", text) for text in _left_out(results)]
    dynamic = [f"{row.backbone}: {label_of(row)}" for row in results.rows if row.spread is not None]
    if dynamic:
        said.append(
            Notice(
                "neutral",
                f"No single order: {', '.join(dynamic)}. Each image has its own order there, and the order shown is "
                "a consensus.",
            )
        )
    selecting = [group.name for group in groups_of(results) if group.note]
    if selecting:
        said.append(
            Notice(
                "neutral",
                f"Selection cases: {', '.join(selecting)}. Some slots never reach the readout there, so an order also "
                "selects which patches are read, and a difference is not due to ordering alone.",
            )
        )
    return said


def _left_out(results: StudyResult) -> list[str]:
    """Sentences about fixed orders that were left out because most of their runs are missing, each once."""
    words = Wording(results.rows, results.higher_is_better)
    said = [
        f"The best fixed order of {words.case(each)} was chosen without some orders: {left_out}."
        for each in results.comparisons
        if (left_out := words.left_out(each.rows[0], each.left_out))
    ]
    return list(dict.fromkeys(said))


def _scores(results: StudyResult, group: Group, looks: Looks) -> Chart:
    dots = [_dot(results, row, looks) for row in group.rows]
    return interval_chart(
        f"scores-{group.key}",
        group.name,
        dots,
        axis=f"test {results.metric}",
        alt=f"Test {results.headline} of {group.name}: " + "; ".join(dot.tip for dot in dots),
        note=group.note,
    )


def _score(results: StudyResult, row: Row) -> Estimate:
    """The mean over seeds; in older studies, intervals of shares may extend beyond 0 or 1."""
    return within_shares(row.score) if results.metric.are_shares(row.score.values) else row.score


def _dot(results: StudyResult, row: Row, looks: Looks) -> Dot:
    mean, low, high = _score(results, row).ends
    label = label_of(row)
    within = f" ({low:.3f} to {high:.3f})" if row.score.low is not None else ""
    tip = f"{label}: {mean:.3f}{within}, {_seeds(row)}"
    return Dot(label, mean, low, high, looks[label], tip, row.control is None)


def _seeds(row: Row) -> str:
    return "1 seed" if len(row.seeds) == 1 else f"{len(row.seeds)} seeds"


def _case(row: Row) -> Cell:
    if row.is_selection:
        return Cell("selection", tone="warning")
    return Cell("ordering" if row.reached_slots is not None else "not known")


def _table(results: StudyResult, looks: Looks) -> Table:
    has_spread = any(row.spread is not None for row in results.rows)
    has_validation = any(row.validation for row in results.rows)
    columns = [
        Column("data", "data"),
        Column("backbone", "backbone"),
        *length_column(results),
        Column("start", "start"),
        Column("learner", "learner"),
        Column("control", "control"),
        Column(f"test {results.metric}", f"test_{results.headline}", is_number=True),
        Column("95% low", "low", is_number=True),
        Column("95% high", "high", is_number=True),
        *([Column(f"validation {results.metric}", "validation", is_number=True)] if has_validation else []),
        Column("seeds", "seeds", is_number=True),
        Column("slots read", "reached_slots", is_number=True),
        Column("of", "num_slots", is_number=True),
        Column("case", "case"),
        *([Column("distance between images' orders", "spread", is_number=True)] if has_spread else []),
        Column("seconds per run", "seconds", is_number=True),
    ]
    rows = [
        [
            Cell(row.data, series=looks[label_of(row)].series),
            Cell(row.backbone),
            *length_cell(results, row.length),
            Cell(row.start),
            Cell(row.learner or ""),
            Cell(row.control or ""),
            number(row.score.mean),
            number(_score(results, row).low),
            number(_score(results, row).high),
            *([number(float(np.mean(row.validation)) if row.validation else None)] if has_validation else []),
            number(len(row.seeds), 0),
            number(row.reached_slots, 0),
            number(row.num_slots, 0),
            _case(row),
            *([number(row.spread)] if has_spread else []),
            number(row.seconds, 1),
        ]
        for row in results.rows
    ]
    return Table("rows", f"Every row of the study: mean test {results.headline} over seeds", columns, rows)


def _failures(results: StudyResult) -> list[Block]:
    if not results.failures:
        return []
    rows = [[Cell(failure.run), Cell(failure.reason)] for failure in results.failures]
    columns = [Column("run", "run"), Column("reason", "reason")]
    return [Table("failures", "Failed runs", columns, rows)]


def _commands(results: StudyResult) -> list[Block]:
    return [Listing("How it was made", "\n".join(results.commands))] if results.commands else []
