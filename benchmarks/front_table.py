"""The table of README.md: what an order is worth, from the raw results of informed.py."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from informed import compared

DATA = {"caltech": "Caltech-101, ten largest classes", "eurosat": "EuroSAT", "digits": "digits"}
MODELS = {
    "local": "local attention, reads 5 of 16 patches",
    "transformer-xl": "Transformer-XL, reads 4 of 16 patches",
    "mamba": "Mamba, forward",
    "bimamba": "Mamba, both directions",
    "gru": "GRU",
}
LEAST_SEEDS = 3


def report(records: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """A row for each model and data set with 4x4 patches, the standard training length and enough seeds."""
    yield "| model | data | worst first | row by row | best fixed order | informed start |"
    yield "| --- | --- | ---: | ---: | ---: | ---: |"
    rows = {each.place[:2]: each for each in compared(records) if each.place[2:] == (4, 1.0, 1)}
    for model, data in ((model, data) for model in MODELS for data in DATA):
        each = rows.get((data, model))
        if each is None or len(each.seeds) < LEAST_SEEDS:
            continue
        scores = [each.score(order) for order in ("reversed", "row", each.best, "informed")]
        written = ["" if score is None else f"{score:.3f}" for score in scores]
        yield f"| {MODELS[model]} | {DATA[data]} | {' | '.join(written)} |"
