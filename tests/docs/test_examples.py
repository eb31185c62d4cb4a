"""The files in docs/examples can still be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from reorder_kit.studies.results import StudyResult

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("study.json")), ids=lambda file: file.parent.name)
def test_a_study_is_read(file):
    result = StudyResult.read(file)
    assert result.name == file.parent.name
    assert len(result.rows) > 10
    assert all(sentence in (file.parent / "report.html").read_text() for sentence in result.verdict)
