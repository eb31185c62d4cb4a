"""The page about trackers: its plugin works, and logs what the page says."""

from __future__ import annotations

import re
from pathlib import Path

TEXT = (Path(__file__).parents[2] / "docs" / "trackers.md").read_text()


def test_the_tracker_on_the_page_logs_a_run(load):
    (source,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    plugin = load(source)
    result = plugin.run(trackers=[{"name": "table", "digits": 3}])
    header, epoch, end = (plugin.folder / "table.csv").read_text().splitlines()
    assert header == "epoch,validation/top1"
    assert epoch == f"1,{round(result['metrics']['validation']['top1'], 3)}"
    assert end.startswith("finished,")
