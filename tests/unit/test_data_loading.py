import resource
from collections import Counter

import pytest
import torch
from torch.utils.data._utils.pin_memory import pin_memory  # what the loader does with a batch

from reorder_kit.interfaces import IGNORED, BoxTarget, Sample, Unreadable
from reorder_kit.training.data_loading import ShuffledKeys, collate, evaluation_loader, train_loader

SIZE = 23


class Noisy:
    """Samples that say which they are, with noise in the place of augmentation."""

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        if index == 5:
            return Unreadable("five.png", "torn")
        return Sample(torch.stack([torch.tensor(float(index)), torch.rand(())]).reshape(1, 1, 2), index)


def epoch(number, workers=0, process=0, processes=1, batch_size=4, seed=3):
    keys = ShuffledKeys(SIZE, seed, process, processes)
    keys.epoch = number
    return list(train_loader(Noisy(), keys, seed, batch_size, workers))


def targets(batches):
    return [int(target) for batch in batches for target in batch.targets]


def noise_by_sample(batches):
    return {int(image[0, 0, 0]): float(image[0, 0, 1]) for batch in batches for image in batch.images}


def test_an_epoch_has_every_sample_once():
    assert sorted(targets(epoch(0))) == [index for index in range(SIZE) if index != 5]


def test_every_epoch_and_every_seed_is_shuffled_anew():
    first = targets(epoch(0))
    assert first != sorted(first)
    assert first != targets(epoch(1))
    assert first != targets(epoch(0, seed=4))
    assert first == targets(epoch(0))


def test_batches_do_not_depend_on_the_number_of_workers():
    alone, helped = epoch(2), epoch(2, workers=2)
    assert len(alone) == len(helped) == 6
    for one, other in zip(alone, helped, strict=True):
        assert torch.equal(one.images, other.images)
        assert torch.equal(one.targets, other.targets)
        assert one.unreadable == other.unreadable


def test_augmentation_belongs_to_sample_and_epoch_not_to_the_place_in_a_batch():
    expected = noise_by_sample(epoch(0))
    assert noise_by_sample(epoch(0, batch_size=7)) == expected
    assert len(set(expected.values())) == SIZE - 1
    assert not set(expected.values()) & set(noise_by_sample(epoch(1)).values())


def test_loading_leaves_the_global_random_stream_as_it_was():
    keys = ShuffledKeys(SIZE, 0, 0, 1)
    batches = iter(train_loader(Noisy(), keys, 0, 4, 0))
    before = torch.get_rng_state()
    next(batches)
    assert torch.equal(torch.get_rng_state(), before)


def test_two_processes_deal_out_all_samples_in_equal_parts():
    parts = [targets(epoch(1, process=process, processes=2)) for process in range(2)]
    unreadable = [sum(len(batch.unreadable) for batch in epoch(1, process=process, processes=2)) for process in (0, 1)]
    assert [len(part) + torn for part, torn in zip(parts, unreadable, strict=True)] == [12, 12]
    counts = Counter(parts[0] + parts[1])
    assert set(counts) | {5} == set(range(SIZE))
    assert sum(counts.values()) + sum(unreadable) == SIZE + 1  # the one that is dealt twice to make them equal


def test_a_process_augments_a_sample_as_any_other_would():
    alone = noise_by_sample(epoch(1))
    for process in range(2):
        assert noise_by_sample(epoch(1, process=process, processes=2)).items() <= alone.items()


@pytest.mark.parametrize("processes", [1, 2, 3, 30])
def test_an_evaluation_counts_every_sample_once_over_all_processes(processes):
    loaders = [evaluation_loader(Noisy(), 4, 0, process, processes) for process in range(processes)]
    seen = [target for loader in loaders for target in targets(loader)]
    assert sorted(seen) == [index for index in range(SIZE) if index != 5]


def test_an_unreadable_sample_is_named_and_left_out():
    batch = collate([Noisy()[4], Noisy()[5], Noisy()[6]])
    assert batch.targets.tolist() == [4, 6]
    assert batch.images.shape == (2, 1, 1, 2)
    assert batch.unreadable == (Unreadable("five.png", "torn"),)


def test_a_batch_of_unreadable_samples_is_empty():
    assert len(collate([Noisy()[5]])) == 0


def test_masks_of_bytes_become_numbers_of_classes():
    mask = torch.tensor([[0, 254, IGNORED]], dtype=torch.uint8)
    targets = collate([Sample(torch.zeros(1, 1, 3), mask)] * 2).targets
    assert targets.dtype == torch.int64
    assert targets.tolist() == [[[0, 254, 255]]] * 2


def test_labels_and_shares_stay_what_they_are():
    assert collate([Sample(torch.zeros(1, 1, 1), torch.tensor([0.0, 0.25]))]).targets.tolist() == [[0.0, 0.25]]


class Boxed:
    """Samples with one box each, at the place of the sample."""

    def __len__(self):
        return 128

    def __getitem__(self, index):
        boxes = torch.tensor([[0.0, 0.0, 1.0, index + 1.0]])
        return Sample(torch.zeros(1, 2, 2), BoxTarget(boxes, torch.tensor([index]), torch.tensor([index % 2 == 0])))


@pytest.fixture
def few_open_files():
    """Fewer than systems usually allow, so that a small batch shows what a large one would meet."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_open_files")
def test_boxes_of_a_large_batch_come_from_a_worker_without_an_open_file_each():
    (batch,) = evaluation_loader(Boxed(), batch_size=128, workers=1, process=0, processes=1)
    assert [float(target.boxes[0, 3]) for target in batch.targets] == [index + 1.0 for index in range(128)]
    assert [int(target.classes) for target in batch.targets] == list(range(128))
    assert [bool(target.crowd) for target in batch.targets] == [index % 2 == 0 for index in range(128)]


@pytest.fixture
def pinned(monkeypatch):
    """Stands in for a GPU: the tensors that were pinned, as what comes back in their place."""
    found = []

    def pin_memory(tensor, *_):
        found.append(tensor.clone())
        return found[-1]

    monkeypatch.setattr(torch.Tensor, "pin_memory", pin_memory)
    return found


def is_one_of(tensor, found):
    return any(tensor is other for other in found)


def test_a_batch_of_classes_is_pinned_with_its_content(pinned):
    sample = Sample(torch.zeros(1, 2, 2), 3, (1, 2))
    batch = collate([sample, Unreadable("five.png", "torn"), sample])
    there = pin_memory(batch)
    assert all(is_one_of(part, pinned) for part in (there.images, there.targets, there.content))
    assert (there.targets.tolist(), there.content.tolist()) == ([3, 3], [[1, 2]] * 2)
    assert there.unreadable == batch.unreadable


def test_a_batch_of_boxes_is_pinned_box_by_box(pinned):
    there = pin_memory(collate([Boxed()[0], Boxed()[1]]))
    assert there.content is None
    parts = [part for target in there.targets for part in (target.boxes, target.classes, target.crowd)]
    assert len(parts) == 6
    assert all(is_one_of(part, pinned) for part in parts)
    assert [target.classes.tolist() for target in there.targets] == [[0], [1]]


def test_a_batch_of_nothing_is_pinned(pinned):
    assert len(pin_memory(collate([Noisy()[5]]))) == 0
