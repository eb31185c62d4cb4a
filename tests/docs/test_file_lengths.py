"""The file lengths that CONTRIBUTING.md promises."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
MOST_LINES = 400


def test_no_file_is_longer_than_it_may_be():
    folders = ("reorder_kit", "tests", "benchmarks", "plugins", "docs_build")
    lengths = {
        path.relative_to(ROOT).as_posix(): len(path.read_text(encoding="utf-8").splitlines())
        for folder in folders
        for path in (ROOT / folder).rglob("*.py")
    }
    assert len(lengths) > 400
    assert {path: lines for path, lines in lengths.items() if lines > MOST_LINES} == {}
