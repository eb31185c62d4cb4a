"""Tables of benchmark scripts, as `check_results.py` generates them from raw results, and their numbers of seeds."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmark_scripts import script


@pytest.fixture(scope="module")
def checker():
    with script("check_results") as module:
        yield module


def lines_of(checker, name, records, folder):
    table = checker.TABLES[name]
    (folder / table.raw).write_text("".join(json.dumps(record) + "\n" for record in records))
    return table.lines(folder)


def read(slots, order, seed, score):
    encoder = {"slots": slots, "seconds": slots / 1e5, "operations": slots * 10**6}
    key = {"case": "eurosat", "backbone": "vit", "slots": slots, "order": order, "seed": seed, "steps": 600}
    return {**key, "score": score, "train_seconds": 20.0, "encoder": encoder, "start": list(range(slots))}


def test_reading_less(checker, tmp_path):
    records = [
        read(16, "raced", 0, 0.8),
        read(16, "raced", 1, 0.6),
        read(16, "strided", 1, 0.5),
        read(16, "strided", 0, 0.5),
        read(64, "all", 0, 0.9),
    ]
    assert lines_of(checker, "reading-less", records, tmp_path) == [
        "**eurosat, vit, 600 steps**",
        "",
        "| patches | order | top-1, mean | seeds | encoder, ms per image | million operations | training, s |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| 64 | all | 0.900 | 0.900 | 0.640 | 64.00 | 20 |",
        "| 16 | raced | 0.700 | 0.800, 0.600 | 0.160 | 16.00 | 20 |",
        "| 16 | strided | 0.500 | 0.500, 0.500 | 0.160 | 16.00 | 20 |",
        "",
        "16 patches: raced is +0.200 ± 0.100 against strided: the criterion holds.",
    ]


def searched(part, name, search, seed, score, verdict=None):
    found = {"part": part, "name": name, "search": search, "seed": seed, "higher_is_better": True, "score": score}
    if verdict is None:
        return {**found, "seconds": 10.0}
    parts = {"run": 10.0, "search": 20.0, "trials": 30.0}
    return {**found, "seconds": 60.0, "parts": parts, "verdict": verdict}


def test_validated(checker, tmp_path):
    accepted = {"is_accepted": True, "trials": {"p": 0.01}}
    untried = {"is_accepted": False, "trials": None}
    records = [
        searched("power", "chain", "validated", 0, 0.9, accepted),
        searched("power", "chain", "validated", 1, 0.5, untried),
        *(searched("recipes", "tiny", "start", seed, 0.7) for seed in range(2)),
        *(searched("recipes", "tiny", "not judged", seed, 0.6 + seed / 100) for seed in range(2)),
        *(searched("recipes", "tiny", "validated", seed, 0.7 + seed / 10, accepted) for seed in range(2)),
    ]
    assert lines_of(checker, "validated", records, tmp_path) == [
        "| case | accepted | p by seed | test score by seed | seconds: search, trials, run |",
        "| --- | --- | --- | --- | --- |",
        "| chain | 1 of 2 | 0.01, - | 0.900, 0.500 | 20, 30, 10 |",
        "",
        "| recipe | seeds | start | not judged | difference | validated | difference | accepted | seconds |",
        "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
        "| tiny | 2 | 0.700 | 0.605 | -0.095 ± 0.005 | 0.750 | +0.050 ± 0.050 | 2 of 2 | 10, 10, 60 |",
        "",
        "Seconds of training: start, not judged, validated. Differences from the start: mean ± standard error.",
        "Below the start by more than two standard errors: tiny, not judged.",
    ]


@pytest.mark.parametrize(("given", "seeds"), [([], [0, 1, 2]), (["--seeds", "2"], [0, 1])])
def test_seeds_of_informed_are_a_number_of_them(given, seeds, tmp_path, monkeypatch, capsys):
    with script("informed") as informed:
        trained = []

        def train(key, root, host):
            trained.append(key.seed)
            return {**informed.asdict(key), "score": 0.5, "validation": 0.5, "seconds": 1.0, "start": [0]}

        monkeypatch.setattr(informed, "train", train)
        monkeypatch.setattr(informed.torch, "set_num_threads", lambda threads: None)
        only = ["--cases", "digits", "--models", "gru", "--orders", "row", "--lengths", "1"]
        arguments = [str(Path(tmp_path)), "--out", str(tmp_path / "out.jsonl"), *only, *given]
        monkeypatch.setattr(sys, "argv", ["informed.py", *arguments])
        informed.main()
    assert trained == seeds


def test_timm_models(checker, tmp_path):
    named = {"kind": "VisionTransformer", "positions": "absolute", "signature": "x", "outcome": "right"}
    right = {**named, "differences": {"wrap": 2e-7, "backbone": 3e-7}}
    rotary = {**right, "kind": "Eva", "positions": "rotary"}
    refused = {"outcome": "refused", "reason": "it turns"}
    records = [
        {**right, "model": "a"},
        {**right, "model": "b", "differences": {"wrap": 1e-7, "backbone": 4e-7}},
        {**right, "model": "c", "outcome": "wrong"},
        {**rotary, "model": "f"},
        {**{key: value for key, value in rotary.items() if key != "differences"}, "model": "g", "like": "f"},
        {**refused, "model": "d", "kind": "Wheel"},
        {**refused, "model": "e", "kind": "Top"},
    ]
    assert lines_of(checker, "timm-models", records, tmp_path) == [
        "4 models are right, 1 wrong; 2 classes are refused by name.",
        "",
        "| class | positions in its blocks | models | signatures | measured | largest difference, `wrap` | `timm` |",
        "| --- | --- | --- | --- | --- | --- | --- |",
        "| Eva | rotary | 2 | 1 | 1 | 2e-07 | 3e-07 |",
        "| VisionTransformer | absolute | 2 | 1 | 2 | 2e-07 | 4e-07 |",
        "",
        "| refused, because | classes |",
        "| --- | --- |",
        "| it turns | Top, Wheel |",
    ]


def test_steps_that_were_timed_are_not_timed_again():
    with script("precision") as precision:
        done = {("step", f"{name}, tiny", 0, kind) for name in precision.TINY for kind in precision.PRECISIONS}
        assert list(precision.steps(1, done)) == []
