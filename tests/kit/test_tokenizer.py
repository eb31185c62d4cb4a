"""The rules of tokenizers, each with a tokenizer that breaks it."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.interfaces import Tokenizer
from reorder_kit.testing import TOKENIZER_RULES, check_tokenizer, tokenizer, tokenizer_case
from wrong import assert_caught, own_rules


class Bright(Tokenizer):
    """Whether a patch is brighter than gray."""

    name = "bright"
    vocabulary = 2

    def tokens(self, patches):
        return (patches.mean(dim=2, keepdim=True) > 0).long()


class Floats(Bright):
    """Its tokens are not integers."""

    def tokens(self, patches):
        return super().tokens(patches).float()


class Flat(Bright):
    """Its tokens have no separate axis."""

    def tokens(self, patches):
        return super().tokens(patches)[..., 0]


class FromOne(Bright):
    """It counts from 1."""

    def tokens(self, patches):
        return super().tokens(patches) + 1


class Same(Bright):
    """Every patch gets the same token."""

    def tokens(self, patches):
        return torch.zeros_like(super().tokens(patches))


class OverTheBatch(Bright):
    """It compares a patch with the whole batch."""

    def tokens(self, patches):
        return (patches.mean(dim=2, keepdim=True) > patches.mean()).long()


class Dice(Bright):
    """It flips a coin."""

    def tokens(self, patches):
        return torch.randint(2, (*patches.shape[:2], 1))


class InPlace(Bright):
    """It darkens the patches in place."""

    def tokens(self, patches):
        found = super().tokens(patches)
        patches.zero_()
        return found


WRONG = [
    (tokenizer.every_patch_has_the_same_number_of_tokens, Floats, "torch.float32"),
    (tokenizer.every_patch_has_the_same_number_of_tokens, Flat, "(6, 6)"),
    (tokenizer.every_token_is_in_the_vocabulary, FromOne, "from 1 to 2, but the vocabulary is 2"),
    (tokenizer.distinguishes_patches, Same, "is the same"),
    (tokenizer.an_image_has_the_same_tokens_in_any_batch, OverTheBatch, "one by one"),
    (tokenizer.gives_the_same_tokens_every_time, Dice, "random stream"),
    (tokenizer.gives_the_same_tokens_every_time, InPlace, "patches were changed"),
]


@pytest.mark.parametrize(("rule", "wrong", "seen"), WRONG, ids=lambda value: getattr(value, "__name__", str(value)))
def test_a_wrong_tokenizer_is_caught(rule, wrong, seen):
    assert_caught(rule, tokenizer_case(wrong, None, *tokenizer.SHAPES[0]), seen)


def test_every_rule_has_a_wrong_tokenizer_and_a_right_one_passes():
    assert {rule for rule, *_ in WRONG} == own_rules(TOKENIZER_RULES)
    check_tokenizer(Bright)
