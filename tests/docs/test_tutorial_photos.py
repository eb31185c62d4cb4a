"""docs/tutorial-photos.md can be followed to the letter: its files, then its commands one after the other."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from typer.testing import CliRunner

from pages import Page, commands_of
from reorder_kit.cli.main import app

TUTORIAL = Page("docs/tutorial-photos.md")
FILES = {"my_recipe.yaml": {"train": {"epochs": 2, "clip_grad": 5.0}}, "my_study.yaml": {"seeds": 2}}
"""Those that a reader saves, and what makes them cheap."""

ROTATED = 6  # EXIF: the camera was turned

PHOTO = re.compile(r"\S*(?:PHOTOS|HOLIDAY)/[^\s,]+")
KIND = re.compile(r"\b(?:airplanes|bonsai|leopards|motorbikes|watch|bright|dark)\b")
FIGURE = re.compile(r"[+-]?\d+(?:[.,]\d+)*")
OUTCOME = ("With local, informed gains", "The order matters to local")
"""How answers of the study begin that depend on its scores."""


def write_photos(folder: Path) -> None:
    """Two classes that can be told apart, of many sizes and kinds of files, with broken ones."""
    generator = torch.Generator().manual_seed(0)
    for kind, darkest in (("bright", 120), ("dark", 0)):
        (folder / kind).mkdir(parents=True)
        for number in range(20):
            height, width = torch.randint(70, 130, (2,), generator=generator).tolist()
            pixels = torch.randint(darkest, darkest + 120, (height, width, 3), generator=generator)
            photo, exif = Image.fromarray(pixels.byte().numpy()), Image.Exif()
            if number % 5 == 0:
                exif[0x0112] = ROTATED
            photo.save(folder / kind / (f"{number}.png" if number % 7 == 0 else f"{number}.JPG"), exif=exif)
    shutil.copytree(folder / "bright", folder.parent / "HOLIDAY")
    for kind in ("bright", "dark"):
        whole = (folder / kind / "1.JPG").read_bytes()
        (folder / kind / "broken.jpg").write_bytes(whole[: len(whole) // 3])
    (folder / "dark" / ".DS_Store").write_bytes(b"")


def lines_of(text: str) -> list[str]:
    """Its lines without what depends on the photos: names, classes, figures, and the width of columns."""
    for pattern, word in ((PHOTO, "PHOTO"), (KIND, "KIND"), (FIGURE, "0")):
        text = pattern.sub(word, text)
    return [" ".join(line.split()) for line in text.splitlines()]


@pytest.mark.slow
def test_the_tutorial_can_be_followed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_photos(tmp_path / "PHOTOS")
    shown = TUTORIAL.blocks("yaml")
    assert len(shown) == len(FILES)
    for (name, cheap), block in zip(FILES.items(), shown, strict=True):
        assert f"`{name}`" in TUTORIAL.prose
        Path(name).write_text(yaml.safe_dump({**yaml.safe_load(block), **cheap}))
    said = ""
    for block in TUTORIAL.blocks("console"):
        for words in commands_of(block):
            if words[0] == "reorder-kit":
                done = CliRunner().invoke(app, words[1:])
                assert done.exit_code == 0, (words, done.output)
                said += done.output
    for told in ("broken.jpg", "5 of 16 slots reach the readout", "turned upright", "effective slots"):
        assert told in said
    _, *outputs = TUTORIAL.blocks("text")
    shown = [line for output in outputs for line in output.splitlines() if line and not line.startswith(OUTCOME)]
    assert [line for line in shown if not set(lines_of(line)) <= set(lines_of(said))] == []
    for (source,) in [TUTORIAL.blocks("python")]:
        exec(compile(source, TUTORIAL.name, "exec"), {})
    assert Path("photos.png").exists()
