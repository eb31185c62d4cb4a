"""Pictures after a run: images, truth, and predictions."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image
from torch import nn

from contexts import context_of, targets_alone
from reorder_kit.figures.class_colours import COLOURS, colours_of
from reorder_kit.figures.predictions import draw_predictions
from reorder_kit.interfaces import CLASS, IGNORED, MASK, Annotation, ModelOutput, Sample, Unreadable
from reorder_kit.interfaces.run_events import Predictions
from reorder_kit.tasks.classification import Classification
from reorder_kit.tasks.multi_label import MultiLabel
from reorder_kit.tasks.segmentation import Segmentation
from reorder_kit.training.predictions import IMAGES, predict_some

BLACK = torch.zeros(1, 24, 24)


def picture(tmp_path, truth: Annotation, answer: Annotation, image=BLACK):
    path = tmp_path / "predictions.png"
    draw_predictions(Predictions("run", "test", image[None], [truth], [answer], ["a", "b"]), path)
    return np.asarray(Image.open(path).convert("RGB")).astype(int)


def coloured(pixels) -> int:
    """Pixels that are neither gray nor the dark blue of the text."""
    return int(((pixels.max(axis=2) - pixels.min(axis=2)) > 60).sum())


def test_boxes_are_visible(tmp_path):
    box = Annotation(boxes=torch.tensor([[4.0, 4.0, 20.0, 16.0]]), box_texts=["cat"])
    assert coloured(picture(tmp_path, Annotation(), Annotation())) == 0
    assert coloured(picture(tmp_path, box, Annotation())) > 200


def test_masks_are_visible_and_ignored_pixels_are_not(tmp_path):
    mask = torch.zeros(24, 24, dtype=torch.int64)
    plain = coloured(picture(tmp_path, Annotation(mask=mask), Annotation(mask=mask)))
    ignored = coloured(picture(tmp_path, Annotation(mask=mask + IGNORED), Annotation(mask=mask)))
    mask[:12] = 1
    half = coloured(picture(tmp_path, Annotation(mask=mask), Annotation(mask=torch.zeros_like(mask))))
    assert plain == ignored == 0
    assert half > 1000


@pytest.mark.parametrize(
    "box", [(0, 0, 24, 24), (0, 0, 5, 5), (20, 1, 24, 9), (2, 10, 9, 20), (0, 23, 24, 24)], ids=str
)
def test_the_words_of_a_box_are_never_cut(tmp_path, monkeypatch, box):
    drawn = []
    original = Axes.text

    def kept(self, x, y, text, **options):
        drawn.append(original(self, x, y, text, **options))
        return drawn[-1]

    monkeypatch.setattr(Axes, "text", kept)
    annotation = Annotation(boxes=torch.tensor([box], dtype=torch.float32), box_texts=["jellyfish 0.87"])
    picture(tmp_path, annotation, annotation)
    labels = [text for text in drawn if text.get_text() == "jellyfish 0.87"]
    assert len(labels) == 2
    for label in labels:
        shown, frame = label.get_window_extent(), label.axes.bbox
        assert frame.x0 <= shown.x0 < shown.x1 <= frame.x1
        assert frame.y0 <= shown.y0 < shown.y1 <= frame.y1
    # Moved no further than needed: labels begin at the left edge if there is room, and sit on the upper one.
    if box == (2, 10, 9, 20):
        assert labels[0].get_position() == pytest.approx((2, 10))


def seen_as(colour):
    """CIE Lab, in which distances match perception."""
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour))
    rows = ((0.4124, 0.3576, 0.1805), (0.2126, 0.7152, 0.0722), (0.0193, 0.1192, 0.9505))
    x, y, z = (a * red + b * green + c * blue for a, b, c in rows)
    x, y, z = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x / 0.9505, y, z / 1.089))
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def test_twenty_classes_and_more_are_told_apart():
    assert len(COLOURS) >= 20
    seen = [seen_as(colour) for colour in COLOURS]
    assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 25


def test_classes_that_are_shown_have_colours_of_their_own():
    many = len(COLOURS)
    alone = colours_of([3])[3]
    assert colours_of([3, 8, 11])[3] == alone
    crowded = colours_of([3, 3 + many, 3 + 2 * many, 8])
    assert crowded[3] == alone
    assert len(set(crowded.values())) == 4
    assert set(colours_of(range(100, 100 + many)).values()) == set(COLOURS)
    assert len(colours_of(range(3 * many + 1))) == 3 * many + 1
    assert colours_of([]) == {}


def test_a_legend_names_the_colours_of_a_mask(tmp_path, monkeypatch):
    legends = []
    original = Figure.legend

    def kept(self, *arguments, **options):
        legends.append(original(self, *arguments, **options))
        return legends[-1]

    monkeypatch.setattr(Figure, "legend", kept)
    names = ["ground", "tree", "$n_1$ of a very long name", *(f"class {number}" for number in range(3, 30))]
    mask = torch.zeros(24, 24, dtype=torch.int64)
    mask[:, 3:6] = 27
    shown = {"truth": mask.clone(), "answer": mask.clone()}
    shown["truth"][:, :3], shown["answer"][:, 6:9], shown["answer"][:, 9:] = 2, 1, IGNORED
    path = tmp_path / "predictions.png"
    sides = [[Annotation(mask=shown[side])] for side in ("truth", "answer")]
    draw_predictions(Predictions("run", "test", torch.zeros(1, 1, 24, 24), *sides, names), path)
    (legend,) = legends
    assert [text.get_text() for text in legend.get_texts()] == ["tree", "$n_1$ of a very…", "class 27"]
    colours = [to_rgb(patch.get_facecolor()) for patch in legend.get_patches()]
    # On black, a mask is blended with its opacity, like the legend on white.
    pixels = np.asarray(Image.open(path).convert("RGB")) / 255
    for colour in colours:
        assert (np.abs(pixels - 0.55 * np.array(colour)).max(axis=2) < 0.01).sum() > 500


def test_without_masks_there_is_no_legend(tmp_path, monkeypatch):
    monkeypatch.setattr(Figure, "legend", None)
    picture(tmp_path, Annotation("a", mask=torch.zeros(24, 24, dtype=torch.int64)), Annotation("a"))


def test_a_wrong_word_is_red_and_a_right_one_is_not(tmp_path):
    assert coloured(picture(tmp_path, Annotation("cat"), Annotation("cat", note="90%"))) == 0
    assert coloured(picture(tmp_path, Annotation("cat"), Annotation("dog", note="90%"))) > 0
    assert coloured(picture(tmp_path, Annotation("crane (bird)"), Annotation("crane (bird)", note="90%"))) == 0
    assert coloured(picture(tmp_path, Annotation("crane (bird)"), Annotation("crane (tool)", note="90%"))) > 0
    assert coloured(picture(tmp_path, Annotation("cat"), Annotation("cat, dog"))) > 0


def test_no_label_where_there_is_none_is_right(tmp_path):
    unsure = MultiLabel().annotate_predictions(torch.full((1, 2), -1.0), context_of("ab"))[0]
    none, one = MultiLabel().annotate_targets(targets_alone(torch.tensor([[0.0, 0.0], [1.0, 0.0]])), context_of("ab"))
    assert coloured(picture(tmp_path, none, unsure)) == 0
    assert coloured(picture(tmp_path, one, unsure)) > 0


def test_below_a_mask_stand_the_classes_in_it(tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(Axes, "text", lambda self, x, y, text, **_: shown.append(text))
    mask = torch.zeros(24, 24, dtype=torch.int64)
    mask[0, :5] = 1  # five of 564 pixels that count
    mask[1, :12] = IGNORED
    picture(tmp_path, Annotation(mask=mask), Annotation(mask=torch.full_like(mask, IGNORED)))
    mask[2, 0] = 1
    picture(tmp_path, Annotation(mask=mask), Annotation("said", mask=mask))
    assert shown == ["a", "", "a, b", "said"]


def test_a_mask_that_is_right_but_for_padding_is_not_wrong(tmp_path):
    class Padded(Numbered):
        def __getitem__(self, index):
            mask = torch.ones(4, 4, dtype=torch.int64)
            mask[2:] = IGNORED
            return Sample(torch.zeros(1, 4, 4), mask, (2, 4))

    right_above = torch.zeros(1, 2, 4, 4)
    right_above[:, 1, :2] = 1.0
    found = predicted(Segmentation(), Padded(1), right_above, MASK, ["ground", "thing"])
    right = picture(tmp_path, found.truths[0], found.answers[0])
    wrong = picture(tmp_path, found.truths[0], Annotation("ground, thing", mask=found.answers[0].mask))
    assert coloured(right) < coloured(wrong)


@pytest.mark.parametrize("channels", [1, 2, 3, 12])
def test_images_of_any_channels_are_drawn(tmp_path, channels):
    assert picture(tmp_path, Annotation("a"), Annotation("a"), torch.randn(channels, 8, 12)).std() > 0


def model_that_says(outputs):
    """A model that returns one of these outputs per image."""

    class Says(nn.Module):
        def forward(self, batch):
            return ModelOutput(outputs[: len(batch)], None)

    return Says()


def predicted(task, samples, outputs, kind, classes):
    model = model_that_says(outputs).train()
    context = context_of(classes, kind=kind)
    found = predict_some(model, task, samples, context, Accelerator(cpu=True), "run", "test")
    assert model.training
    return found


class Numbered:
    """Images filled with their number; the second cannot be read."""

    def __init__(self, size: int) -> None:
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int) -> Sample | Unreadable:
        return Unreadable("broken.png", "truncated") if index == 1 else Sample(torch.full((1, 2, 2), float(index)), 0)


def ants(samples):
    """The picture if the prediction is always the first of two classes, with certainty."""
    return predicted(Classification(), samples, torch.tensor([[50.0, 0.0]]).repeat(IMAGES, 1), CLASS, ["ant", "bee"])


def test_images_come_from_all_over_the_split():
    found = ants(Numbered(1000))
    assert found.images[:, 0, 0, 0].tolist() == [round(999 * place / (IMAGES - 1)) for place in range(IMAGES)]
    assert [(answer.text, answer.note) for answer in found.answers] == [("ant", "100%")] * IMAGES
    assert [truth.text for truth in found.truths] == ["ant"] * IMAGES


def test_small_splits_and_unreadable_images():
    assert ants(Numbered(3)).images[:, 0, 0, 0].tolist() == [0.0, 2.0]


def test_what_a_mask_says_of_padding_is_not_shown():
    class Padded(Numbered):
        def __getitem__(self, index):
            return Sample(torch.zeros(1, 4, 4), torch.zeros(4, 4, dtype=torch.int64), (3, 2) if index else None)

    marked = torch.tensor([0.0, 1.0]).view(1, 2, 1, 1).expand(2, 2, 4, 4)
    found = predicted(Segmentation(), Padded(2), marked, MASK, ["ground", "thing"])
    assert found.answers[0].mask.tolist() == [[1] * 4] * 4
    assert found.answers[1].mask.tolist() == [[1, 1, IGNORED, IGNORED]] * 3 + [[IGNORED] * 4]


def test_a_task_that_shows_nothing_has_no_picture(monkeypatch):
    monkeypatch.setattr(Classification, "annotate_predictions", lambda *_: ())
    assert ants(Numbered(3)) is None
