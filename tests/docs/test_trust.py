"""docs/trust.md names existing tests."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "trust.md").read_text()
ROWS = [
    row for row in re.findall(r"^\| (.+) \| (.+) \|$", TEXT, re.MULTILINE) if row[0] not in ("you can rely on", "---")
]
NAMED = sorted({name for _, shown in ROWS for name in re.findall(r"`(tests/[^`]+)`", shown)})


def test_every_promise_names_a_test():
    assert len(ROWS) >= 25
    assert [promise for promise, shown in ROWS if not re.search(r"`tests/[\w/]+\.py", shown)] == []


@pytest.mark.parametrize("name", NAMED)
def test_every_test_that_is_named_is_there(name):
    file, _, test = name.partition("::")
    assert (ROOT / file).is_file()
    content = (ROOT / file).read_text()
    assert re.search(rf"^    ?(?:async )?def {test}\(|^def {test}\(" if test else r"def test_", content, re.MULTILINE)
