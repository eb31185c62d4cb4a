"""Say in words where an image is bright: a vocabulary fitted on training data, and a decoder of one word at a time."""

import torch
from torch import nn

from reorder_kit import hookimpl
from reorder_kit.interfaces import (
    CAPTION,
    DataSource,
    DataSplits,
    ImageShape,
    Pass,
    Sample,
    StepResult,
    Task,
    gather_images,
)

BOTH = slice(None)
PLACES = {"top": (slice(4), BOTH), "low": (slice(4, 8), BOTH), "left": (BOTH, slice(4)), "right": (BOTH, slice(4, 8))}
CAPTIONS = ["top left", "top right", "low left", "low right", "top", "low", "left", "right"]
END, UNKNOWN = 0, 1


def samples(captions, count, seed):
    """Noise up to 1/4, plus 1 at the location of every word. A word without a location changes nothing."""
    images = torch.rand(count, 1, 8, 8, generator=torch.Generator().manual_seed(seed)) / 4
    found = [Sample(image, captions[number % len(captions)]) for number, image in enumerate(images)]
    for image, text, *_ in found:
        for word in text.split():
            image[0][PLACES.get(word, (slice(0), BOTH))] += 1
    return found


class BrightPlaces(DataSource):
    """Eight captions of one or two words; test images have a ninth, of a word that is in no other split."""

    name = "bright-places"
    target_kinds = (CAPTION,)

    def open(self, seed):
        splits = [(CAPTIONS, 480, 0), (CAPTIONS, 40, 1), ([*CAPTIONS, "dark"], 45, 2)]
        return DataSplits(ImageShape(1, 8, 8), [], *(samples(*split) for split in splits))


class Captioning(Task):
    """Mean cross-entropy of the words and of the end; the share of images whose text is right word for word."""

    name = "captioning"
    target_kinds = (CAPTION,)
    headline = "exact"

    def fit(self, training):
        texts = [text.split() for text in training.targets()]
        return {"words": sorted({word for text in texts for word in text}), "longest": max(map(len, texts))}

    def build_head(self, context):
        return Decoder(context.facts.dim, **context.fitted)

    def prepare(self, batch, training, context):
        number = {word: place for place, word in enumerate(context.fitted["words"], start=2)}
        end = (context.fitted["longest"] + 1) * [END]
        texts = [[number.get(word, UNKNOWN) for word in text.split()] for text in batch.targets or len(batch) * [""]]
        rows = [(text[: len(end) - 1] + end)[: len(end)] for text in texts]
        return batch.with_prepared(words=torch.tensor(rows, device=batch.images.device))

    def step(self, model, batch, progress):
        read, words = model(batch), batch.prepared["words"]
        scores = model.head.scores(read.outputs, words)
        by_word = nn.functional.cross_entropy(scores.transpose(1, 2), words, reduction="none")
        counted = torch.cat([torch.ones_like(words[:, :1]), words[:, :-1] != END], dim=1)
        loss = (by_word * counted).sum(dim=1) / counted.sum(dim=1)
        return StepResult(loss, read.outputs, (Pass(read.proposals, -loss.detach()),))

    def predict(self, model, batch, result=None):
        return model.head.texts(model(batch).outputs if result is None else result.outputs)

    def build_metrics(self, context):
        return Exact(context.device)


class Decoder(nn.Module):
    """The readout is the state from which the words come, one after the other."""

    def __init__(self, dim, words, longest):
        super().__init__()
        self.words, self.longest, self.cell = ["?", *words], longest, nn.GRU(dim, dim, batch_first=True)
        self.embed, self.score = nn.Embedding(len(words) + 2, dim), nn.Linear(dim, len(words) + 2)

    def forward(self, features):
        return features.summary()

    def scores(self, state, words):
        before = nn.functional.pad(words, (1, -1), value=END)
        return self.score(self.cell(self.embed(before), state[None])[0])

    def texts(self, state):
        said = torch.zeros(len(state), self.longest + 1, dtype=torch.long, device=state.device)
        for place in range(self.longest):
            said[:, place] = self.scores(state, said)[:, place].argmax(dim=1)
        return [" ".join(self.words[word - 1] for word in row[: row.index(END)]) for row in said.tolist()]


class Exact:
    def __init__(self, device):
        self.hits, self.device = [], device

    def update(self, predictions, batch):
        self.hits += [said == text for said, text in zip(predictions, batch.targets, strict=True)]

    def compute(self):
        return {"exact": float(gather_images(torch.tensor(self.hits, device=self.device))[0].float().mean())}


@hookimpl
def register_tasks():
    return [Captioning]


@hookimpl
def register_data_sources():
    return [BrightPlaces]
