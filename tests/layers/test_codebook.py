"""The codebook against cases worked out by hand and by brute force."""

from __future__ import annotations

import pytest
import torch

from reorder_kit.layers.codebook import Codebook


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def test_the_nearest_code_is_the_one_at_the_least_distance():
    book = Codebook(7, 3)
    book.codes.copy_(torch.randn(7, 3, generator=generator()))
    vectors = torch.randn(50, 3, generator=generator(1))
    distances = [[float((vector - code).square().sum()) for code in book.codes] for vector in vectors]
    assert book.nearest(vectors).tolist() == [row.index(min(row)) for row in distances]


def test_of_equally_near_codes_the_first_is_taken():
    book = Codebook(3, 1)
    book.codes.copy_(torch.tensor([[5.0], [1.0], [-1.0]]))
    assert book.nearest(torch.zeros(1, 1)).tolist() == [1]


def test_it_starts_with_different_vectors():
    book, vectors = Codebook(4, 2), torch.arange(20.0).view(10, 2)
    book.start(vectors, generator())
    rows = {tuple(code) for code in book.codes.tolist()}
    assert len(rows) == 4
    assert rows <= {tuple(vector) for vector in vectors.tolist()}
    other = Codebook(4, 2)
    other.start(vectors, generator(1))
    assert not torch.equal(other.codes, book.codes)


def test_with_fewer_vectors_than_codes_some_are_used_again():
    book = Codebook(5, 1)
    book.start(torch.tensor([[1.0], [2.0]]), generator())
    assert sorted(book.codes.flatten().tolist()) in ([1, 1, 1, 2, 2], [1, 1, 2, 2, 2])


def test_codes_are_running_means_worked_by_hand():
    book = Codebook(2, 1)
    book.codes.copy_(torch.tensor([[0.0], [10.0]]))
    book.counts.copy_(torch.tensor([2.0, 2.0]))
    book.sums.copy_(torch.tensor([[0.0], [20.0]]))
    vectors = torch.tensor([[1.0], [2.0], [3.0], [12.0]])
    numbers = book.nearest(vectors)
    assert numbers.tolist() == [0, 0, 0, 1]
    book.follow(vectors, numbers, generator())
    # 0.95 of the old value and 0.05 of the new one.
    assert book.counts.tolist() == pytest.approx([0.95 * 2 + 0.05 * 3, 0.95 * 2 + 0.05])
    means = [0.05 * 6 / (0.95 * 2 + 0.15), (0.95 * 20 + 0.6) / (0.95 * 2 + 0.05)]
    assert book.codes.flatten().tolist() == pytest.approx(means)


def test_a_code_that_is_met_by_none_starts_anew_from_a_vector():
    book = Codebook(3, 1)
    book.start(torch.tensor([[0.0], [0.1], [1000.0]]), generator())
    vectors = torch.rand(30, 1, generator=generator())
    far = int(book.codes.argmax())
    for step in range(1, 1000):
        book.follow(vectors, book.nearest(vectors), generator(step))
        if book.codes[far] < 10:
            break
    # It began with the average of three vectors, 1; what is left of that is less than a tenth of 30 / 3.
    assert step == 1
    assert float(book.codes[far]) in vectors.flatten().tolist()
    # From then on it is used, and stays.
    assert book.counts[far] == 10


def test_a_code_in_use_is_never_restarted():
    book = Codebook(4, 1)
    centres = torch.tensor([[0.0], [1.0], [2.0], [3.0]])
    book.start(centres, generator())
    vectors = centres.repeat(10, 1)
    before = book.codes.clone()
    for step in range(300):
        book.follow(vectors, book.nearest(vectors), generator(step))
        torch.testing.assert_close(book.codes, before, atol=1e-3, rtol=0)  # rounding adds up


def test_it_follows_clusters_that_a_poor_start_missed():
    # All codes begin in one of four clusters; rarely used ones move until every cluster has some.
    random = generator(5)
    centres = torch.tensor([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [9.0, 9.0]])
    book = Codebook(16, 2)
    book.start(0.1 * torch.randn(20, 2, generator=random), random)
    for _ in range(400):
        vectors = centres.repeat(16, 1) + 0.1 * torch.randn(64, 2, generator=random)
        book.follow(vectors, book.nearest(vectors), random)
    distances = torch.cdist(centres, book.codes)
    assert (distances.min(dim=1).values < 0.1).all()
    # And none remains between them.
    assert (distances.min(dim=0).values < 0.5).all()
