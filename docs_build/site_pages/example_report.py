"""An example of a report: that of a tiny study, trained while the site is built."""

from __future__ import annotations

import shlex
import warnings
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

import reorder_kit
from reorder_kit.recipe.write_yaml import yaml_in_line
from site_pages.markdown import block

SMALL = MappingProxyType(
    {
        "seeds": 2,
        "recipe.train.epochs": 1,
        "starts": ["row", "spiral"],
        "learners.softsort": {"from": ["row"], "warmup_epochs": 0, "search_epochs": "50%"},
    }
)
"""What makes ``studies/demo.yaml`` a matter of seconds. Its figures mean nothing; its page has all parts."""

_PAGE = """# Example report

[Open the report](examples/report.html) of a tiny study, trained while this site was built. With one epoch and two
seeds, its figures mean nothing; they show what a page looks like. [Reports](reports.md) explains its parts. To make it
yourself:

"""


@cache  # trained once for all builds of a server that watches the pages
def example_report() -> dict[str, str | bytes]:
    """The page of the study and the page that leads to it, by source."""
    with TemporaryDirectory() as folder:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", reorder_kit.ReorderKitWarning)  # of too few seeds
            study = reorder_kit.study("demo", dict(SMALL), out=Path(folder) / "demo", jobs=2, progress=False)
        page = Path(reorder_kit.report(study).page)
        return {"examples/report.html": page.read_bytes(), "example-report.md": _PAGE + block(_commands(), "console")}


def _commands() -> str:
    sets = [f"  --set {shlex.quote(f'{field}={yaml_in_line(value)}')}" for field, value in SMALL.items()]
    return " \\\n".join(["reorder-kit study demo", *sets]) + "\nreorder-kit report runs/demo"
