import resource
from collections import Counter

import pytest
import torch
from torch.utils.data._utils.pin_memory import pin_memory  # what the loader does with a batch

from reorder_kit.data.collation import DrawnSample, collate
from reorder_kit.data.data_loading import (
    KeyedSamples,
    SampleKey,
    ShuffledKeys,
    evaluation_loader,
    load_batch,
    train_loader,
)
from reorder_kit.data.random_streams import stream
from reorder_kit.errors import ReorderKitError
from reorder_kit.interfaces import (
    BOXES,
    CAPTION,
    CLASS,
    IGNORED,
    MASK,
    MULTI_LABEL,
    NONE,
    BoxTarget,
    Sample,
    Unreadable,
)

SIZE = 23


class Noisy:
    """Samples that hold their number, with noise instead of augmentation."""

    def __len__(self):
        return SIZE

    def __getitem__(self, index):
        if index == 5:
            return Unreadable("five.png", "torn")
        return Sample(torch.stack([torch.tensor(float(index)), torch.rand(())]).reshape(1, 1, 2), index)


def together(samples, kind):
    """A batch of samples without views."""
    drawn = [
        sample if isinstance(sample, Unreadable) else DrawnSample((sample,), (number,))
        for number, sample in enumerate(samples)
    ]
    return collate(drawn, kind)


def epoch(number, workers=0, process=0, processes=1, batch_size=4, seed=3, views=0):
    keys = ShuffledKeys(SIZE, seed, process, processes)
    keys.epoch = number
    return list(train_loader(Noisy(), CLASS, keys, seed, batch_size, workers, views))


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
    batches = iter(train_loader(Noisy(), CLASS, keys, 0, 4, 0))
    before = torch.get_rng_state()
    next(batches)
    assert torch.equal(torch.get_rng_state(), before)


def test_two_processes_deal_out_all_samples_in_equal_parts():
    parts = [targets(epoch(1, process=process, processes=2)) for process in range(2)]
    unreadable = [sum(len(batch.unreadable) for batch in epoch(1, process=process, processes=2)) for process in (0, 1)]
    assert [len(part) + torn for part, torn in zip(parts, unreadable, strict=True)] == [12, 12]
    counts = Counter(parts[0] + parts[1])
    assert set(counts) | {5} == set(range(SIZE))
    assert sum(counts.values()) + sum(unreadable) == SIZE + 1  # the one that is dealt twice to equalize them


def test_a_process_augments_a_sample_as_any_other_would():
    alone = noise_by_sample(epoch(1))
    for process in range(2):
        assert noise_by_sample(epoch(1, process=process, processes=2)).items() <= alone.items()


@pytest.mark.parametrize("batch_size", [1, 4, 11])
@pytest.mark.parametrize("processes", [1, 2, 3, 4, 7, 22, 23])
def test_an_evaluation_deals_every_global_batch_out_to_all_processes(processes, batch_size):
    loaders = [evaluation_loader(Noisy(), CLASS, "test", batch_size, 0, rank, processes) for rank in range(processes)]
    batches = [list(loader) for loader in loaders]
    # Sample 5 cannot be read, so a process may get an empty batch there, although it was dealt one.
    dealt = [[len(batch) + len(batch.unreadable) for batch in of_process] for of_process in batches]
    assert {len(of_process) for of_process in dealt} == {len(dealt[0])}
    assert all(min(of_process) > 0 for of_process in dealt)
    seen = []
    for number, global_batch in enumerate(zip(*batches, strict=True)):
        indices = sorted(int(target) for batch in global_batch for target in batch.targets)
        assert all(index >= number * batch_size * processes for index in indices)
        seen += indices
    assert seen == [index for index in range(SIZE) if index != 5]


def test_the_last_samples_of_an_evaluation_join_the_batch_before_them():
    # Two processes, two samples each: 20 samples in five global batches, then 20, 21 and 22; of 21 samples, one alone.
    def sizes(samples, process):
        return [len(batch) for batch in evaluation_loader(Boxed(samples), BOXES, "test", 2, 0, process, 2)]

    assert (sizes(23, 0), sizes(23, 1)) == ([2, 2, 2, 2, 2, 2], [2, 2, 2, 2, 2, 1])
    assert (sizes(21, 0), sizes(21, 1)) == ([2, 2, 2, 2, 3], [2, 2, 2, 2, 2])


def test_a_split_with_fewer_samples_than_processes_is_refused():
    with pytest.raises(ReorderKitError, match="the test split has 23 images for 24 processes") as error:
        evaluation_loader(Noisy(), CLASS, "test", 4, 0, 0, 24)
    assert "--nproc-per-node 23" in error.value.hint


def test_what_is_neither_a_sample_nor_unreadable_is_an_error_and_not_left_out():
    with pytest.raises(TypeError, match="list gave a tuple as sample 0"):
        next(iter(evaluation_loader([(torch.zeros(1, 1, 1), 0)], CLASS, "test", 1, 0)))


def test_a_sample_has_the_seed_of_its_place_in_the_run():
    for batch in epoch(2, seed=3):
        for target, seed in zip(batch.targets.tolist(), batch.seeds.tolist(), strict=True):
            assert seed == stream(3, "sample", "train", 2, target, 0)


def test_seeds_of_an_evaluation_belong_to_split_and_sample_alone():
    def seeds(split, **options):
        batches = list(evaluation_loader(Noisy(), CLASS, split, workers=0, **options))
        return dict(zip(targets(batches), (int(seed) for batch in batches for seed in batch.seeds), strict=True))

    whole = seeds("validation", batch_size=4)
    assert whole == seeds("validation", batch_size=7)
    assert seeds("validation", batch_size=2, process=1, processes=2).items() <= whole.items()
    assert seeds("validation", batch_size=4, chosen=[3, 20, 8]) == {index: whole[index] for index in (3, 20, 8)}
    assert not set(whole.values()) & set(seeds("test", batch_size=4).values())
    chosen = load_batch(Noisy(), CLASS, "validation", [20, 5, 3])
    assert chosen.targets.tolist() == [20, 3]
    assert chosen.seeds.tolist() == [whole[20], whole[3]]
    assert chosen.unreadable == (Unreadable("five.png", "torn"),)


# Views


class Shaky(Noisy):
    """Views are negative; sample 7 is torn in every second one."""

    def view(self, index):
        noise = torch.rand(())
        if index == 7 and noise < 0.5:
            return Unreadable("seven.png", "torn")
        return Sample(-torch.stack([torch.tensor(float(index)), noise]).reshape(1, 1, 2), index)


def test_views_of_training_samples_are_drawn_anew_with_seeds_of_their_own():
    (batch,) = epoch(1, batch_size=SIZE, views=2)
    assert len(batch.views) == 2
    versions = [batch, *batch.views]
    assert all(torch.equal(version.targets, batch.targets) for version in versions)
    assert all(torch.equal(version.images[:, 0, 0, 0], batch.targets.float()) for version in versions)
    noise = torch.stack([version.images[:, 0, 0, 1] for version in versions])
    assert len(noise.unique()) == noise.numel()
    for view, version in enumerate(versions):
        seeds = [stream(3, "sample", "train", 1, index, view) for index in batch.targets.tolist()]
        assert version.seeds.tolist() == seeds
        assert version.kind == CLASS
    assert batch.unreadable == (Unreadable("five.png", "torn"),)
    assert batch.views[0].unreadable == ()


def test_further_views_leave_the_sample_itself_as_it_was():
    (alone,), (seen,) = epoch(1, batch_size=SIZE), epoch(1, batch_size=SIZE, views=1)
    assert torch.equal(alone.images, seen.images)
    assert torch.equal(alone.seeds, seen.seeds)


def test_views_of_an_evaluation_come_from_the_set():
    (batch,) = evaluation_loader(Shaky(), CLASS, "test", SIZE, 0, views=3)
    assert all((view.images[:, 0, 0, 0] <= 0).all() for view in batch.views)
    assert (batch.images >= 0).all()


def test_a_sample_that_cannot_be_read_in_one_view_is_dropped_from_all_and_reported_once():
    torn = []
    for views in range(1, 8):
        (batch,) = evaluation_loader(Shaky(), CLASS, "test", SIZE, 0, views=views)
        assert {len(version) for version in (batch, *batch.views)} == {len(batch)}
        torn.append(Unreadable("seven.png", "torn") in batch.unreadable)
        assert (7 in batch.targets) is not torn[-1]
        assert len(batch.unreadable) == len(set(batch.unreadable)) == 1 + torn[-1]
    assert True in torn


def test_views_are_the_same_however_many_workers_draw_them():
    alone = list(evaluation_loader(Shaky(), CLASS, "test", 4, 0, views=2))
    helped = list(evaluation_loader(Shaky(), CLASS, "test", 4, 2, views=2))
    for one, other in zip(alone, helped, strict=True):
        for mine, theirs in zip((one, *one.views), (other, *other.views), strict=True):
            assert torch.equal(mine.images, theirs.images)
            assert torch.equal(mine.seeds, theirs.seeds)


def test_an_evaluation_set_without_views_is_refused_by_its_class():
    with pytest.raises(ReorderKitError, match="but Noisy, which holds the test images, has no views"):
        evaluation_loader(Noisy(), CLASS, "test", 4, 0, views=1)
    evaluation_loader(Noisy(), CLASS, "test", 4, 0)


def test_a_batch_of_nothing_has_as_many_views():
    (batch,) = evaluation_loader(Shaky(), CLASS, "test", 4, 0, views=2, chosen=[5])
    assert [len(version) for version in (batch, *batch.views)] == [0, 0, 0]
    assert KeyedSamples(Shaky(), "test", 0, 2)[SampleKey(0, 5)] == Unreadable("five.png", "torn")


# What samples become


def test_an_unreadable_sample_is_named_and_left_out():
    batch = together([Noisy()[4], Noisy()[5], Noisy()[6]], CLASS)
    assert batch.targets.tolist() == [4, 6]
    assert batch.images.shape == (2, 1, 1, 2)
    assert batch.unreadable == (Unreadable("five.png", "torn"),)


def test_a_batch_of_unreadable_samples_is_empty():
    assert len(together([Noisy()[5]], CLASS)) == 0


def test_masks_stay_bytes():
    mask = torch.tensor([[0, 254, IGNORED]], dtype=torch.uint8)
    targets = together([Sample(torch.zeros(1, 1, 3), mask)] * 2, MASK).targets
    assert targets.dtype == torch.uint8
    assert targets.tolist() == [[[0, 254, 255]]] * 2


def test_labels_and_shares_stay_what_they_are():
    sample = Sample(torch.zeros(1, 1, 1), torch.tensor([0.0, 0.25]))
    assert together([sample], MULTI_LABEL).targets.tolist() == [[0.0, 0.25]]


def test_images_without_targets_make_a_batch():
    batch = together([Sample(torch.zeros(1, 1, 1), None)] * 3, NONE)
    assert batch.targets is None
    assert batch.take(torch.tensor([0, 2])).targets is None


def test_captions_stay_beside_their_images():
    captions = [["a cat", "a pet"], "a dog", ["a bird", "two birds", "wings"]]
    batch = together([Sample(torch.zeros(1, 1, 1), caption) for caption in captions], CAPTION)
    assert batch.targets == captions
    assert batch.take(torch.tensor([2, 1])).targets == [captions[2], captions[1]]


def test_clips_are_stacked():
    clips = [Sample(torch.full((3, 4, 2, 5), float(number)), number, (1, 5)) for number in range(2)]
    batch = together([*clips, Sample(torch.zeros(3, 4, 2, 5), 2)], CLASS)
    assert batch.images.shape == (3, 3, 4, 2, 5)
    assert batch.content.tolist() == [[1, 5], [1, 5], [2, 5]]


class Boxed:
    """Samples with one box each, at the place of the sample."""

    def __init__(self, size=128):
        self.size = size

    def __len__(self):
        return self.size

    def __getitem__(self, index):
        boxes = torch.tensor([[0.0, 0.0, 1.0, index + 1.0]])
        return Sample(torch.zeros(1, 2, 2), BoxTarget(boxes, torch.tensor([index]), torch.tensor([index % 2 == 0])))


@pytest.fixture
def few_open_files():
    """Fewer than systems usually allow, so that a small batch shows the problem of a large one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.usefixtures("few_open_files")
def test_boxes_of_a_large_batch_come_from_a_worker_without_an_open_file_each():
    (batch,) = evaluation_loader(Boxed(), BOXES, "test", batch_size=128, workers=1)
    assert [float(target.boxes[0, 3]) for target in batch.targets] == [index + 1.0 for index in range(128)]
    assert [int(target.classes) for target in batch.targets] == list(range(128))
    assert [bool(target.crowd) for target in batch.targets] == [index % 2 == 0 for index in range(128)]


@pytest.fixture
def pinned(monkeypatch):
    """A stand-in for a GPU: collects the pinned tensors and returns replacements."""
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
    batch = together([sample, Unreadable("five.png", "torn"), sample], CLASS)
    there = pin_memory(batch)
    assert all(is_one_of(part, pinned) for part in (there.images, there.targets, there.content))
    assert (there.targets.tolist(), there.content.tolist()) == ([3, 3], [[1, 2]] * 2)
    assert there.unreadable == batch.unreadable


def test_a_batch_of_boxes_is_pinned_box_by_box(pinned):
    there = pin_memory(together([Boxed()[0], Boxed()[1]], BOXES))
    assert there.content is None
    parts = [part for target in there.targets for part in (target.boxes, target.classes, target.crowd)]
    assert len(parts) == 6
    assert all(is_one_of(part, pinned) for part in parts)
    assert [target.classes.tolist() for target in there.targets] == [[0], [1]]


def test_a_batch_of_nothing_is_pinned(pinned):
    assert len(pin_memory(together([Noisy()[5]], CLASS))) == 0
