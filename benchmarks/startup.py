"""CPU seconds of commands relative to `import torch`, and the time of a call of `reorder_kit.order`.

    python benchmarks/startup.py

Commands and `import torch` alternate, one process each, so that other load affects all of them. Each figure is a median
over rounds; the ratio is the median of the ratios within a round. A first round that does not count compiles the
bytecode.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from statistics import median

RECIPES = Path(__file__).parents[1] / "recipes"
TORCH = "import torch"
COMMANDS = {
    TORCH: ["-c", "import torch"],
    **{
        f"reorder-kit {words}".replace(f"{RECIPES}/", "recipes/"): ["-m", "reorder_kit", *words.split()]
        for words in (
            "--help",
            "run --help",
            "list-plugins",
            "show-order hilbert --grid 14x14",
            "describe ordering hilbert",
            "describe data-source coco-detection",
            f"validate {RECIPES}/quickstart.yaml",
            f"validate {RECIPES}/vit_reinforce.yaml",
            f"validate {RECIPES}/detection_softsort.yaml",
            f"validate {RECIPES}/paper/imagenet/vit.yaml",
        )
    },
}
ORDER = """
import time
import reorder_kit
seconds = []
for call in range(101):
    began = time.perf_counter()
    reorder_kit.order("hilbert", 14, 14)
    seconds.append(time.perf_counter() - began)
print(seconds[0], sorted(seconds[1:])[50], max(seconds[1:]))
"""


def cpu_seconds(arguments: list[str]) -> float:
    """User and system time of one interpreter and its children."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def measure_commands(rounds: int) -> None:
    """Print a table of the commands."""
    measured: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for number in range(rounds + 1):
        for name, arguments in COMMANDS.items():
            taken = cpu_seconds(arguments)
            if number > 0:
                measured[name].append(taken)
    print("| command | CPU seconds | ratio to `import torch` | range |")
    print("| --- | --- | --- | --- |")
    for name, seconds in measured.items():
        ratios = [one / base for one, base in zip(seconds, measured[TORCH], strict=True)]
        print(
            f"| `{name}` | {median(seconds):.2f} | {median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} |",
            flush=True,
        )


def measure_order() -> None:
    """Print the time of calls of the function, measured in a separate process."""
    done = subprocess.run([sys.executable, "-c", ORDER], check=True, capture_output=True, text=True)
    first, usual, longest = (1000 * float(number) for number in done.stdout.split())
    print(
        f'\n`reorder_kit.order("hilbert", 14, 14)`: the first call {first:,.0f} ms, including imports; the next 100 '
        f"{usual:.2f} ms (median; the longest {longest:.2f} ms)."
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7, help="number of rounds that count")
    rounds = parser.parse_args().rounds
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "pydantic", "timm", "torchvision"))
    print(f"Python {platform.python_version()}, {packages}; {rounds} rounds\n")
    measure_commands(rounds)
    measure_order()


if __name__ == "__main__":
    main()
