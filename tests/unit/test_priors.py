"""Figures of the priors, worked out by hand and by brute force."""

from __future__ import annotations

import lzma
import math
from collections import Counter
from itertools import pairwise

import pytest
import torch
import zstandard
from pydantic import ValidationError

from reorder_kit.patch_order import Order
from reorder_kit.priors._tokens import quantise
from reorder_kit.priors.conditional_entropy import ConditionalEntropy
from reorder_kit.priors.lzma import Lzma
from reorder_kit.priors.zstd import Zstd

FORWARD = {"forward": Order.identity(4)}


def sequence(*values):
    """An image of one pixel a patch."""
    return torch.tensor(values, dtype=torch.float32)[None, :, None]


def saved(prior, patches, order=None, **options):
    order = Order.identity(patches.shape[1]) if order is None else order
    return prior(prior.Options(**options)).score(patches, {"it": order})["it"]


def noise(patches, pixels, levels=16):
    return torch.randint(levels, (1, patches, pixels), generator=torch.Generator().manual_seed(0)).float()


# Tokens


def test_tokens_are_even_steps_of_the_images_own_range():
    # From 0 to 8 in four steps of 2: [0, 2) [2, 4) [4, 6) [6, 8].
    first, second = [0, 1.9, 2, 5.9, 6, 8], [-1, -1, -1, -1, -1, -1]
    patches = torch.tensor([first, second])[:, :, None]
    assert quantise(patches, 4)[..., 0].tolist() == [[0, 0, 1, 2, 3, 3], [0] * 6]


def test_unigram_counts_do_not_depend_on_the_order():
    tokens = quantise(torch.randn(3, 12, 5), 8)
    shuffled = Order(torch.randperm(12)).apply(tokens)
    for before, after in zip(tokens, shuffled, strict=True):
        assert Counter(before.flatten().tolist()) == Counter(after.flatten().tolist())
    assert not torch.equal(tokens, shuffled)


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
    with pytest.raises(ValidationError, match="levels is at most 64 with bigrams"):
        ConditionalEntropy.Options(levels=65, tokens="bigram")


def test_a_single_slot_has_nothing_to_follow():
    patches = sequence(1.0)
    assert saved(ConditionalEntropy, patches) == 0
    assert saved(Lzma, patches, tokens="bigram") == 0
