"""How well the two training loops of docs/own-loop.md learn: test accuracy of five seeds each.

    python benchmarks/own_loop.py runs/own_loop.jsonl        # about half a minute per seed on one CPU core

The code is taken unchanged from the document. Seeds that are already in the file are not trained again.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import tempfile
from pathlib import Path
from statistics import mean
from typing import Any

DOCUMENT = Path(__file__).parents[1] / "docs" / "own-loop.md"
SEEDS = range(5)
OPTIONS: dict[str, dict[str, Any]] = {
    "own_loop": {},
    "lightning_loop": {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    },
}


def write_files(folder: Path) -> None:
    """Write the files of the document."""
    for name, source in re.findall(r"^```python\n# (\w+)\.py\n(.*?)^```", DOCUMENT.read_text(), re.M | re.S):
        (folder / f"{name}.py").write_text(source)


def main() -> None:
    """Train missing seeds, one at a time, and print the means."""
    results = Path(sys.argv[1])
    results.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    found = {(line["loop"], line["seed"]): line["accuracy"] for line in lines}
    with tempfile.TemporaryDirectory() as folder:
        write_files(Path(folder))
        sys.path.insert(0, folder)
        for loop, options in OPTIONS.items():
            train = importlib.import_module(loop).train
            for seed in SEEDS:
                if (loop, seed) in found:
                    continue
                found[loop, seed] = float(train(seed, **options)[0])
                with results.open("a") as file:
                    file.write(json.dumps({"loop": loop, "seed": seed, "accuracy": found[loop, seed]}) + "\n")
    for loop in OPTIONS:
        accuracies = [found[loop, seed] for seed in SEEDS]
        print(f"{loop}: {mean(accuracies):.3f}, from {min(accuracies):.3f} to {max(accuracies):.3f}")


if __name__ == "__main__":
    main()
