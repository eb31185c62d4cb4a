"""Scores of the priors, worked out by hand and by brute force."""

from __future__ import annotations

import lzma
import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from reorder_kit.errors import ComponentError, ReorderKitError
from reorder_kit.interfaces import ComponentOptions, ImageShape, Part, Tokenizer
from reorder_kit.orders.grid import Grid
from reorder_kit.orders.order import Order
from reorder_kit.priors._tokens import ordered_tokens, overlapping
from reorder_kit.priors.conditional_entropy import ConditionalEntropy
from reorder_kit.priors.lzma import Lzma
from reorder_kit.priors.zstd import Zstd
from reorder_kit.tokenizers.pixels import Pixels

FORWARD = {"forward": Order.identity(4)}


def sequence(*values):
    """An image with one pixel per patch."""
    return torch.tensor(values, dtype=torch.float32)[None, :, None]


def shape_of(patches):
    """A column of patches of one pixel height."""
    return ImageShape(1, patches.shape[1], patches.shape[2]), Grid(patches.shape[1], 1)


def pixels(patches, levels=16):
    return Pixels(Pixels.Options(levels=levels), *shape_of(patches))


def saved(prior, patches, order=None, levels=16, **options):
    order = Order.identity(patches.shape[1]) if order is None else order
    options = prior.Options(tokenizer=Part.of(Pixels, levels=levels), **options)
    return prior(options, *shape_of(patches)).score(patches, {"it": order})["it"]


def quantise(patches, levels):
    return pixels(patches, levels).tokens(patches)


def noise(patches, pixels, levels=16):
    return torch.randint(levels, (1, patches, pixels), generator=torch.Generator().manual_seed(0)).float()


# Tokens


def test_tokens_are_even_steps_of_the_images_own_range():
    # From 0 to 8 in four steps of 2: [0, 2) [2, 4) [4, 6) [6, 8].
    first, second = [0, 1.9, 2, 5.9, 6, 8], [-1, -1, -1, -1, -1, -1]
    patches = torch.tensor([first, second])[:, :, None]
    assert quantise(patches, 4)[..., 0].tolist() == [[0, 0, 1, 2, 3, 3], [0] * 6]


class Given(Tokenizer):
    """Tokens as they are written."""

    name = "given"

    class Options(ComponentOptions):
        tokens: int = 8

    @property
    def vocabulary(self):
        return self.options.tokens

    def tokens(self, patches):
        return patches.long()


def given_tokens():
    return Given(Given.Options(), ImageShape(1, 1, 1), Grid(1, 1))


@given(st.data(), st.integers(1, 9), st.integers(1, 3), st.integers(1, 4))
def test_unigram_counts_do_not_depend_on_the_order(data, slots, places, images):
    numbers = data.draw(st.lists(st.integers(0, 7), min_size=images * slots * places, max_size=images * slots * places))
    patches = torch.tensor(numbers, dtype=torch.float32).view(images, slots, places)
    orders = [Order.identity(slots), Order(data.draw(st.permutations(range(slots))))]
    ((before, after),) = [list(ordered) for ordered in ordered_tokens([patches], orders, given_tokens())]
    for one, other in zip(before, after, strict=True):
        assert Counter(overlapping(one[None], 1, 8).flatten().tolist()) == Counter(one.flatten().tolist())
        assert Counter(one.flatten().tolist()) == Counter(other.flatten().tolist())


def test_bigram_counts_do_depend_on_it():
    patches = torch.tensor([[[0.0], [0.0], [1.0], [1.0]]])
    orders = [Order.identity(4), Order([0, 2, 1, 3])]
    ((before, after),) = [list(ordered) for ordered in ordered_tokens([patches], orders, given_tokens())]
    assert Counter(overlapping(before, 2, 8).flatten().tolist()) == Counter([0, 1, 9])
    assert Counter(overlapping(after, 2, 8).flatten().tolist()) == Counter([1, 8, 1])


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        (torch.full((1, 2, 3), 8), "'given': gave 8 to 8; there are 0 to 7"),
        (torch.full((1, 2, 3), -1), "'given': gave -1 to -1; there are 0 to 7"),
        (torch.zeros(1, 2, dtype=torch.int64), r"'given': gave shape \(1, 2\), not \[1 images, 2 patches, tokens\]"),
        (torch.zeros(1, 4, 3, dtype=torch.int64), r"'given': gave shape \(1, 4, 3\)"),
    ],
)
def test_tokens_that_cannot_be_are_named_with_their_tokenizer(tokens, reason):
    tokenizer = given_tokens()
    tokenizer.tokens = lambda patches: tokens
    with pytest.raises(ComponentError, match=reason):
        next(ordered_tokens([torch.zeros(1, 2, 5)], [Order.identity(2)], tokenizer))


@pytest.mark.parametrize(("vocabulary", "width"), [(256, 1), (257, 2), (300, 4)])
def test_numbers_are_written_in_as_many_bytes_as_they_need(vocabulary, width):
    tokens = "bigram" if width == 4 else "unigram"
    patches = torch.randint(vocabulary, (1, 30, 2), generator=torch.Generator().manual_seed(0)).float()
    written = []

    class Spy(Lzma):
        @staticmethod
        def compressed_bytes(data):
            written.append(data)
            return len(data)

    options = Spy.Options(tokens=tokens, tokenizer=Part.of(Given, tokens=vocabulary))
    Spy(options, *shape_of(patches)).score(patches, {"it": Order.identity(30)})
    numbers = patches.long()[0].tolist()
    if tokens == "bigram":
        numbers = [[vocabulary * a + b for a, b in zip(one, then, strict=True)] for one, then in pairwise(numbers)]
    assert written == [b"".join(number.to_bytes(width, "little") for slot in numbers for number in slot)]


# LZMA


def test_lzma_of_a_constant_image_takes_next_to_nothing():
    # 64 patches of 64 pixels at 4 bits are 2,048 bytes; a literal and one long repeat fit into 41.
    assert 98 < saved(Lzma, torch.full((1, 64, 64), 0.3)) < 100


def test_lzma_of_noise_saves_nothing_and_costs_a_little():
    assert -8 < saved(Lzma, noise(64, 64)) < 0


def test_lzma_is_that_of_the_sequence_less_the_empty_stream():
    patches = noise(9, 7, levels=3)
    order = Order([4, 1, 8, 0, 2, 3, 7, 6, 5])
    filters = [{"id": lzma.FILTER_LZMA1, "preset": 6}]
    # With three levels the tokens of 0, 1, 2 are 0, 1, 2.
    slots = [[int(pixel) for pixel in patches[0, patch]] for patch in order.indices]
    unigrams = bytes(token for slot in slots for token in slot)
    bigrams = bytes(
        3 * first + second for slot, then in pairwise(slots) for first, second in zip(slot, then, strict=True)
    )
    for data, tokens, vocabulary in [(unigrams, "unigram", 3), (bigrams, "bigram", 9)]:
        empty, size = (len(lzma.compress(each, lzma.FORMAT_RAW, filters=filters)) for each in (b"", data))
        expected = 100 * (1 - 8 * (size - empty) / (len(data) * math.log2(vocabulary)))
        assert saved(Lzma, patches, order, levels=3, tokens=tokens) == pytest.approx(expected)


def test_pairs_of_many_levels_are_written_in_two_bytes():
    patches = noise(40, 40, levels=256)
    # Pairs of 16 bits are written as 16 bits; noise does not fit into less.
    assert -8 < saved(Lzma, patches, levels=256, tokens="bigram") < 55
    assert saved(Lzma, torch.zeros(1, 40, 40), levels=256, tokens="bigram") > 98


# Zstandard


@pytest.mark.parametrize(("tokens", "bits"), [("unigram", 64 * 64 * 4), ("bigram", 63 * 64 * 8)])
def test_zstd_of_a_constant_image_takes_next_to_nothing(tokens, bits):
    # RFC 8878: the least is a block that repeats a byte, which takes that byte beyond its header. A literal and one
    # long match take more, but fit into 16 bytes: two section headers, the literal, and the codes and bits of a match.
    found = saved(Zstd, torch.full((1, 64, 64), 0.3), tokens=tokens)
    assert 100 * (1 - 8 * 16 / bits) < found <= 100 * (1 - 8 / bits)


def test_zstd_of_noise_saves_nothing_and_costs_a_little():
    # Of 256 levels it is stored as it is: what is added is no more than a header, which an empty frame has, too.
    assert saved(Zstd, noise(64, 64, levels=256), levels=256) == pytest.approx(0)
    # Of 16 levels Huffman's codes have four bits each; their table and a few matches are what it costs.
    assert -8 < saved(Zstd, noise(64, 64)) < 0


def test_zstd_is_what_a_decoder_needs_for_the_sequence(monkeypatch):
    patches, order = noise(9, 40, levels=3), Order([4, 1, 8, 0, 2, 3, 7, 6, 5])
    data = bytes(int(pixel) for patch in order.indices for pixel in patches[0, patch])
    frames = []
    real = zstandard.ZstdCompressor

    class Recording:
        def __init__(self, compression_params):
            self.compressor = real(compression_params=compression_params)

        def compress(self, data):
            frames.append(self.compressor.compress(data))
            return frames[-1]

    monkeypatch.setattr("reorder_kit.priors.zstd.zstandard.ZstdCompressor", Recording)
    found = saved(Zstd, patches, order, levels=3)
    (frame,) = frames
    decoder = zstandard.ZstdDecompressor(format=zstandard.FORMAT_ZSTD1_MAGICLESS)
    assert decoder.decompress(frame, max_output_size=len(data)) == data
    # Two bytes of frame header and three of block header are those of an empty frame.
    assert found == pytest.approx(100 * (1 - 8 * (len(frame) - 5) / (len(data) * math.log2(3))))


# Conditional entropy


def test_conditional_entropy_of_a_case_worked_by_hand():
    # 0 0 1 0 1: after 0 come 0, 1, 1; after 1 comes 0. H = 3/4 h(1/3) bits of 1.
    third = -(1 / 3) * math.log2(1 / 3) - (2 / 3) * math.log2(2 / 3)
    assert saved(ConditionalEntropy, sequence(0, 0, 1, 0, 1), levels=2) == pytest.approx(100 * (1 - 0.75 * third))
    # Sorted, 0 0 0 1 1: after 0 come 0, 0, 1; after 1 comes 1.
    order = Order([0, 1, 3, 2, 4])
    assert saved(ConditionalEntropy, sequence(0, 0, 1, 0, 1), order, levels=2) == pytest.approx(
        100 * (1 - 0.75 * third)
    )


def test_what_follows_for_sure_takes_no_bits():
    assert saved(ConditionalEntropy, sequence(0, 1, 0, 1, 0, 1), levels=2) == pytest.approx(100)
    assert saved(ConditionalEntropy, sequence(5, 5, 5), levels=2) == pytest.approx(100)
    # 0 0 1 1 0 0 1 1: after 0 and after 1 both come as often, but two tokens tell the next.
    assert saved(ConditionalEntropy, sequence(0, 0, 1, 1, 0, 0, 1, 1, 0), levels=2) == pytest.approx(0)
    assert saved(ConditionalEntropy, sequence(0, 0, 1, 1, 0, 0, 1, 1, 0), levels=2, tokens="bigram") == pytest.approx(
        100
    )


@pytest.mark.parametrize(("tokens", "context"), [("unigram", 1), ("bigram", 2)])
def test_conditional_entropy_against_brute_force(tokens, context):
    patches = torch.cat([noise(12, 2, levels=3), noise(12, 2, levels=3).flip(1) ** 2 / 2])
    order = Order(torch.randperm(12, generator=torch.Generator().manual_seed(3)))
    numbers = order.apply(quantise(patches, 3)).tolist()
    pairs, contexts = Counter(), Counter()
    for image in numbers:
        for slot in range(context, 12):
            for pixel in range(2):
                past = tuple(image[before][pixel] for before in range(slot - context, slot))
                pairs[past, image[slot][pixel]] += 1
                contexts[past] += 1
    bits = -sum(n * math.log2(n / contexts[past]) for (past, _), n in pairs.items()) / sum(pairs.values())
    whole = math.log2(3 if tokens == "unigram" else 9)
    found = saved(ConditionalEntropy, patches, order, levels=3, tokens=tokens)
    assert found == pytest.approx(100 * (1 - bits / whole))


def test_tables_that_would_not_fit_are_refused():
    # 128^3 is 2^21.
    patches = noise(4, 4, levels=129)
    with pytest.raises(ReorderKitError, match="'pixels' has 129 tokens, and stretches of 3 are counted") as caught:
        saved(ConditionalEntropy, patches, levels=129, tokens="bigram")
    assert caught.value.hint == "use at most 128 tokens, or another prior"
    assert saved(ConditionalEntropy, patches, levels=129) > 0
    assert saved(ConditionalEntropy, patches, levels=128, tokens="bigram") > 0


def test_a_single_slot_has_nothing_to_follow():
    patches = sequence(1.0)
    assert saved(ConditionalEntropy, patches) == 0
    assert saved(Lzma, patches, tokens="bigram") == 0
