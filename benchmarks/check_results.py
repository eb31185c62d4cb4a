"""Check that the tables of RESULTS.md, README.md and docs/results match the raw results.

    python benchmarks/check_results.py
    python benchmarks/check_results.py --write

Raw results are lines of JSON in `benchmarks/raw`. In its document, a table is enclosed by `<!-- table: NAME -->` and
`<!-- end -->`, each on its own line; the `report` function of its script generates it. Differences are listed, and the
exit code is 1; `--write` updates the tables.
"""

from __future__ import annotations

import argparse
import importlib
import json
import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
_TABLE = re.compile(r"^<!-- table: (?P<name>[\w-]+) -->\n(?P<lines>.*?)^<!-- end -->$", re.MULTILINE | re.DOTALL)
_OPENED = re.compile(r"^<!-- table: ([\w-]+) -->$", re.MULTILINE)


@dataclass(frozen=True)
class Table:
    """Where a table comes from.

    Args:
        script: the module in this folder with a function ``report`` from records to lines.
        raw: the file of its records, in the folder of raw results.
        only: values of fields that select its records, if a file fills several tables.
    """

    script: str
    raw: str
    only: Mapping[str, Any] = field(default_factory=dict)

    def lines(self, raw: Path) -> list[str]:
        """The table, from the raw results in a folder."""
        records = [json.loads(line) for line in (raw / self.raw).read_text().splitlines()]
        chosen = [record for record in records if all(record[name] == value for name, value in self.only.items())]
        if str(HERE) not in sys.path:
            sys.path.insert(0, str(HERE))
        report: Iterable[str] = importlib.import_module(self.script).report(chosen)
        return "\n".join(report).strip().splitlines()


TABLES = {
    "inductive-bias": Table("study_spread", "inductive-bias.jsonl"),
    "informed": Table("informed", "informed.jsonl"),
    "limit": Table("limit", "limit.jsonl"),
    "judges": Table("judges_table", "judges.jsonl"),
    "precision": Table("precision", "precision.jsonl"),
    "reading-less": Table("reading_less", "reading_less.jsonl"),
    "timm-models": Table("timm_models", "timm-models.jsonl"),
    "validated": Table("validated", "validated.jsonl"),
}
"""Tables of RESULTS.md, by their names there."""

FRONT = {"front": Table("front_table", "informed.jsonl")}
"""Tables of README.md."""

PAGES = {
    "inductive-bias": "inductive-bias",
    "informed-start": "informed",
    "learners": "validated",
    "predicting-orders": "judges",
    "reading-less": "reading-less",
    "speed": "limit precision",
}
"""The tables on the pages in docs/results, by the page. Each of them is in RESULTS.md, too."""

DOCUMENTS = {
    HERE / "RESULTS.md": TABLES,
    HERE.parent / "README.md": FRONT,
    **{
        HERE.parent / "docs" / "results" / f"{page}.md": {name: TABLES[name] for name in names.split()}
        for page, names in PAGES.items()
    },
}


def problems(document: str, raw: Path, tables: Mapping[str, Table]) -> list[str]:
    """What is wrong with the tables of a document, one line per problem."""
    found = {match["name"]: match["lines"].strip().splitlines() for match in _TABLE.finditer(document)}
    opened = _OPENED.findall(document)
    wrong = [f"{name}: appears twice" for name in sorted({name for name in opened if opened.count(name) > 1})]
    wrong += [f"{name}: has no end" for name in opened if name not in found]
    wrong += [f"{name}: no script is registered for it" for name in found if name not in tables]
    for name, table in tables.items():
        has_raw = (raw / table.raw).exists()
        if name in found and not has_raw:
            wrong.append(f"{name}: its raw results, {table.raw}, are missing")
        elif name not in opened and has_raw:
            wrong.append(f"{name}: the document has no such table, but {table.raw} exists")
        elif name in found and found[name] != table.lines(raw):
            wrong.append(f"{name}: differs from the raw results in {table.raw}")
    return wrong


def written(document: str, raw: Path, tables: Mapping[str, Table]) -> str:
    """The document with every table regenerated from its raw results."""

    def anew(match: re.Match[str]) -> str:
        table = tables.get(match["name"])
        if table is None or not (raw / table.raw).exists():
            return match[0]
        return "\n".join([f"<!-- table: {match['name']} -->", "", *table.lines(raw), "", "<!-- end -->"])

    return _TABLE.sub(anew, document)


def main() -> int:
    """Compare or update the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--raw", type=Path, default=HERE / "raw")
    parser.add_argument("--write", action="store_true", help="update the tables")
    arguments = parser.parse_args()
    wrong: list[str] = []
    for file, tables in DOCUMENTS.items():
        document = file.read_text(encoding="utf-8")
        if arguments.write:
            document = written(document, arguments.raw, tables)
            file.write_text(document, encoding="utf-8")
        wrong += [f"{file.name}: {problem}" for problem in problems(document, arguments.raw, tables)]
    for problem in wrong:
        print(problem, file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
