"""Seconds until `reorder-kit --help` answers, beside a bare interpreter and `import torch`.

python benchmarks/startup.py
"""

from __future__ import annotations

import subprocess
import sys
import time
from statistics import median

COMMANDS = {
    "python -c pass": ["-c", "pass"],
    "reorder-kit --help": ["-m", "reorder_kit", "--help"],
    "reorder-kit run --help": ["-m", "reorder_kit", "run", "--help"],
    "import torch": ["-c", "import torch"],
}
REPEATS = 7


def seconds(arguments: list[str]) -> float:
    """Wall time of one interpreter."""
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure and print."""
    measured: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(REPEATS):
        for name, arguments in COMMANDS.items():
            measured[name].append(seconds(arguments))
    for name, times in measured.items():
        print(f"{name}: {median(times):.2f} s (median of {REPEATS})")
    check = "import sys, reorder_kit.cli.main; print('torch' in sys.modules)"
    imports_torch = subprocess.run([sys.executable, "-c", check], check=True, capture_output=True, text=True).stdout
    print(f"the command line imports torch before a command runs: {imports_torch.strip()}")


if __name__ == "__main__":
    main()
