"""Compare results to the last digit before and after a change that should not alter any.

    python benchmarks/golden.py record before         # every recipe with embedded data, two epochs; the demo; a bench
    python benchmarks/golden.py compare before after     # every figure that differs, is missing or is new

Record with two checkouts on the same machine, since other processors and versions of torch round differently. A recipe
that is already recorded is skipped, so an interrupted recording resumes. One thread per process; `--jobs 2` records two
recipes at a time. Times and environments are not compared.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import yaml

EPOCHS = 2
NOT_COMPARED = {"seconds", "images_per_second", "environment", "package_version", "files", "checksum", "sha256"}
EMBEDDED = {"digits", "planted-chain", "scenes"}
BENCH = ["bench", "planted", "--case", "chain-16", "--learner", "softsort", "--learner", "segment-search"]


def recipes() -> list[Path]:
    """The recipes with embedded data."""
    found = sorted(Path("recipes").glob("*.yaml"))
    return [path for path in found if yaml.safe_load(path.read_text())["data"]["name"] in EMBEDDED]


def short(path: Path) -> list[str]:
    """Arguments that shorten a recipe to two epochs, the second of them with search."""
    sets = [f"train.epochs={EPOCHS}", "schedule.warmup_epochs=0.5"]
    if yaml.safe_load(path.read_text())["order"].get("learner"):
        sets += ["order.learner.warmup_epochs=0.5", "order.learner.search_epochs=1"]
    return [argument for each in sets for argument in ("--set", each)]


def commands(out: Path) -> Iterator[tuple[Path, list[str]]]:
    """What to run, and the file whose presence shows that it has run."""
    for path in recipes():
        folder = out / path.stem
        yield folder / "result.json", ["run", str(path), "--out", str(folder), *short(path)]
    yield out / "demo" / "result.json", ["run", "recipes/quickstart.yaml", "--out", str(out / "demo")]
    yield out / "planted.jsonl", [*BENCH, "--seeds", "1", "--out", str(out / "planted.jsonl")]


def record(out: Path, jobs: int) -> int:
    """Run what has not been recorded yet."""
    out.mkdir(parents=True, exist_ok=True)

    def one(job: tuple[Path, list[str]]) -> bool:
        done, arguments = job
        if done.exists():
            return True
        resume = ["--resume"] if arguments[0] == "run" and (done.parent / "recipe.yaml").exists() else []
        log = out / f"{done.parent.name if done.name == 'result.json' else done.stem}.log"
        command = [sys.executable, "-m", "reorder_kit", *arguments, *resume]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with log.open("w") as file:
            code = subprocess.run(command, stdout=file, stderr=file, env=environment, check=False).returncode
        print(f"{'ok' if code == 0 else f'exit {code}':8} {log}", flush=True)
        return code == 0

    with ThreadPoolExecutor(jobs) as pool:
        return 0 if all(list(pool.map(one, commands(out)))) else 1


def contents(out: Path) -> dict[str, Any]:
    """All results of a recording, by file name."""
    found: dict[str, Any] = {}
    for path in sorted([*out.rglob("result.json"), *out.rglob("orders/*.json"), *out.rglob("order.json")]):
        found[str(path.relative_to(out))] = json.loads(path.read_text())
    for path in sorted(out.rglob("*.jsonl")):
        found[str(path.relative_to(out))] = [json.loads(line) for line in path.read_text().splitlines()]
    return found


def differences(before: Any, after: Any, path: str = "") -> Iterator[str]:
    """Where two recordings differ."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted((before.keys() | after.keys()) - NOT_COMPARED):
            where = f"{path}/{key}"
            if key not in after:
                yield f"missing {where}"
            elif key not in before:
                yield f"new     {where}"
            else:
                yield from differences(before[key], after[key], where)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for number, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from differences(one, other, f"{path}[{number}]")
    elif before != after and not (before != before and after != after):  # NaN equals NaN here
        yield f"differs {path}: {str(before)[:60]} -> {str(after)[:60]}"


def main() -> int:
    """Record or compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    verbs = parser.add_subparsers(dest="verb", required=True)
    recording = verbs.add_parser("record")
    recording.add_argument("out", type=Path)
    recording.add_argument("--jobs", type=int, default=1)
    comparing = verbs.add_parser("compare")
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    chosen = parser.parse_args()
    if chosen.verb == "record":
        return record(chosen.out, chosen.jobs)
    before, after = contents(chosen.before), contents(chosen.after)
    found = list(differences(before, after))
    print("\n".join(found) or f"{len(before)} files agree to the last digit")
    return 1 if any(not line.startswith("new") for line in found) else 0


if __name__ == "__main__":
    sys.exit(main())
