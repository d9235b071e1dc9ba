from collections import Counter
from itertools import pairwise
from pathlib import Path

from made_index import make_index
import numpy as np
import pytest
import torch

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.dataset_index import read_index
from mtl_perception.training.datasets import (
    allowed_classes,
    AsymmetricDataset,
    canonical_depth,
    Draw,
    QuotaSampler,
    TEACHER_MARGIN_PX,
)
from mtl_perception.training.recipe import Framing, Group

SIZE = (100, 200)
FRAMING = Framing((32, 64), (0.7, 1.3))
PICTURE = np.full((*SIZE, 3), 90, np.uint8)
# ids of Cityscapes and of road8, and bits of the latter
ROAD, SIDEWALK, BUILDING, CAR = 0, 1, 2, 13
AS_ROAD8 = {ROAD: 2, SIDEWALK: 3, BUILDING: 1, CAR: 5, 255: 255}
IS_ROAD, IS_SIDEWALK, IS_BUILDING, IS_VEHICLE = 1 << 2, 1 << 3, 1 << 1, 1 << 5


def one_row(folder: Path, **row: object) -> AnnotatedPicture:
    return read_index(make_index(folder, [{'picture': PICTURE, **row}]))[0]


def street() -> np.ndarray:
    """Draw a road with a building to its left, a car on it and an unlabelled patch."""
    labels = np.full(SIZE, ROAD, np.uint8)
    labels[:, :20] = BUILDING
    labels[40:60, 150:170] = CAR
    labels[80:, 180:] = 255
    return labels


@pytest.mark.parametrize('space', ['cityscapes19', 'road8'], scope='class')
class TestTeachersLabels:
    @pytest.fixture(autouse=True)
    def speak(self, space: str) -> None:
        self.space = space

    def allowed(self, folder: Path, labels: np.ndarray, source: str) -> np.ndarray:
        if self.space == 'road8':
            labels = np.vectorize(AS_ROAD8.get)(labels).astype(np.uint8)
        row = one_row(folder, labels=labels, label_space=self.space, label_source=source)
        return allowed_classes(row, 'road8', SIZE)

    @pytest.mark.parametrize('source', ['human', 'expert'])
    def test_others_labels_are_taken_as_they_are(self, tmp_path: Path, source: str) -> None:
        allowed = self.allowed(tmp_path, street(), source)
        assert set(np.unique(allowed)) == {0, IS_ROAD, IS_BUILDING, IS_VEHICLE}

    def test_road_near_what_stands_beside_it_is_not_learnt(self, tmp_path: Path) -> None:
        allowed = self.allowed(tmp_path, street(), 'teacher')
        doubtful = allowed == 0
        doubtful[80:, 180:] = False
        # the building ends at column 19; the distance transform is good to 5 %
        assert doubtful[:, 20 : 19 + round(0.95 * TEACHER_MARGIN_PX)].all()
        assert not doubtful[:, 20 + round(1.06 * TEACHER_MARGIN_PX) :].any()
        assert (allowed[:, :20] == IS_BUILDING).all()

    def test_road_beside_traffic_and_unlabelled_pixels_stays_road(self, tmp_path: Path) -> None:
        allowed = self.allowed(tmp_path, street(), 'teacher')
        assert allowed[50, 149] == allowed[50, 171] == allowed[79, 190] == IS_ROAD
        assert allowed[50, 160] == IS_VEHICLE
        assert allowed[90, 190] == 0

    def test_a_teacher_s_sidewalk_is_sidewalk_and_road_near_it_doubtful(
        self, tmp_path: Path
    ) -> None:
        labels = street()
        labels[:10, 190:] = SIDEWALK
        allowed = self.allowed(tmp_path, labels, 'teacher')
        assert (allowed[:10, 190:] == IS_SIDEWALK).all()
        assert allowed[5, 185] == 0

    def test_a_picture_of_nothing_but_road_is_road(self, tmp_path: Path) -> None:
        allowed = self.allowed(tmp_path, np.full(SIZE, ROAD, np.uint8), 'teacher')
        assert (allowed == IS_ROAD).all()


def test_missing_annotations_are_targets_without_valid_pixels(tmp_path: Path) -> None:
    row = one_row(tmp_path, fx_px=700.0)
    labels, depth_m = allowed_classes(row, 'road8', SIZE), canonical_depth(row, 700.0, SIZE)
    assert (labels.shape, labels.dtype) == (SIZE, np.int64)
    assert (depth_m.shape, depth_m.dtype) == (SIZE, np.float32)
    assert not labels.any()
    assert np.isnan(depth_m).all()


def test_views_keep_to_the_rows_that_a_longer_lens_would_show(tmp_path: Path) -> None:
    picture = np.repeat(np.arange(100, dtype=np.uint8)[:, None, None] * 2, 200, axis=1)
    picture = np.repeat(picture, 3, axis=2)
    means = {}
    for row in (20.0, 80.0):
        made = read_index(make_index(tmp_path, [{'picture': picture, 'cy_px': row}]))
        dataset = AsymmetricDataset(made, 'road8', 700.0)
        framing = Framing((32, 64), (2.0, 2.0))
        views = [dataset[Draw(0, seed, framing)][0] for seed in range(6)]
        means[row] = np.mean([view.float().mean().item() for view in views])
    assert means[20.0] < means[80.0] - 30


@pytest.mark.parametrize(('f_px', 'metres'), [(700.0, 12.0), (350.0, 24.0), (1400.0, 6.0)])
def test_depth_is_taken_to_the_focal_length_of_training(
    tmp_path: Path, f_px: float, metres: float
) -> None:
    """A camera of half the focal length sees at 12 m what the training's sees at 24 m."""
    depth = np.full(SIZE, 12.0)
    depth[0] = 0
    canonical = canonical_depth(one_row(tmp_path, depth=depth, fx_px=f_px), 700.0, SIZE)
    np.testing.assert_allclose(canonical[1:], metres)
    assert np.isnan(canonical[0]).all()


def test_depth_of_an_unknown_focal_length_is_not_learnt(tmp_path: Path) -> None:
    row = one_row(tmp_path, depth=np.full(SIZE, 12.0))
    assert np.isnan(canonical_depth(row, 700.0, SIZE)).all()


def test_items_have_every_target_and_depend_on_their_seed_only(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (*SIZE, 3), dtype=np.uint8)
    rows = read_index(
        make_index(tmp_path, [{'picture': noise, 'labels': np.zeros(SIZE, np.uint8)}])
    )
    dataset = AsymmetricDataset(rows, 'road8', 700.0)
    assert len(dataset) == 1
    before = torch.get_rng_state()
    picture, targets = dataset[Draw(0, 5, FRAMING)]
    assert torch.equal(torch.get_rng_state(), before)
    assert (picture.shape, picture.dtype) == ((3, 32, 64), torch.uint8)
    assert (targets['segmentation'] == 1).all()
    assert targets['depth'].isnan().all()
    assert targets['depth'].dtype == torch.float32
    torch.manual_seed(99)
    again, _ = dataset[Draw(0, 5, FRAMING)]
    other, _ = dataset[Draw(0, 6, FRAMING)]
    assert torch.equal(again, picture)
    assert not torch.equal(other, picture)


class TestQuotaSampler:
    GROUPS = (
        Group(('a', 'b'), 3),
        Group(('c',), 1),
        Group(('c',), 1, needs=('depth',)),
    )
    FRAMINGS = (FRAMING, Framing((32, 64), (1.0, 2.0)), FRAMING)

    @pytest.fixture
    def rows(self, tmp_path: Path) -> list[AnnotatedPicture]:
        depth = {'depth': np.full(SIZE, 9.0), 'fx_px': 700.0}
        rows = [{'source': 'a'}] * 4 + [{'source': 'b'}] * 3 + [{'source': 'c'}] * 3
        rows += [{'source': 'c', **depth}] * 2 + [{'source': 'd', 'depth': depth['depth']}]
        return read_index(make_index(tmp_path, [{'picture': PICTURE, **row} for row in rows]))

    def test_every_batch_holds_each_group_by_its_quota(self, rows: list[AnnotatedPicture]) -> None:
        batches = list(QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(20), 0))
        assert (
            len(batches) == len(QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(20), 0)) == 20
        )
        for batch in batches:
            sources = [rows[draw.picture].source for draw in batch]
            assert set(sources[:3]) <= {'a', 'b'}
            assert sources[3:] == ['c', 'c']
            assert rows[batch[4].picture].depth is not None
            assert [draw.framing for draw in batch] == [FRAMING] * 2 + [*self.FRAMINGS]

    def test_no_picture_comes_again_before_its_group_is_used_up(
        self, rows: list[AnnotatedPicture]
    ) -> None:
        batches = list(QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(21), 0))
        drawn = [draw.picture for batch in batches for draw in batch[:3]]
        turns = [drawn[k : k + 7] for k in range(0, len(drawn), 7)]
        assert all(sorted(turn) == list(range(7)) for turn in turns)
        assert all(one != next_ for one, next_ in pairwise(turns))

    def test_every_view_has_a_seed_of_its_own(self, rows: list[AnnotatedPicture]) -> None:
        seeds = Counter(
            draw.seed
            for batch in QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(50), 0)
            for draw in batch
        )
        assert max(seeds.values()) == 1

    def test_a_resumed_run_draws_the_same_batches(self, rows: list[AnnotatedPicture]) -> None:
        whole = list(QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(20), 7))
        assert list(QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(9, 20), 7)) == whole[9:]
        assert list(QuotaSampler(rows, self.GROUPS, self.FRAMINGS, range(20), 8)) != whole

    def test_groups_may_be_batches_of_their_own(self, rows: list[AnnotatedPicture]) -> None:
        options = (rows, self.GROUPS, self.FRAMINGS, range(5), 0)
        together, by_group = QuotaSampler(*options), QuotaSampler(*options, by_group=True)
        batches = list(by_group)
        assert len(batches) == len(by_group) == 15
        for step, whole in enumerate(together):
            parts = batches[3 * step : 3 * step + 3]
            assert [len(part) for part in parts] == [3, 1, 1]
            assert [draw for part in parts for draw in part] == whole

    def test_views_of_one_size_are_one_batch(self, rows: list[AnnotatedPicture]) -> None:
        framings = (FRAMING, Framing((32, 96), (1.0, 2.0)), FRAMING)
        sampler = QuotaSampler(rows, self.GROUPS, framings, range(5), 0)
        batches = list(sampler)
        assert len(batches) == len(sampler) == 10
        for same, other in zip(batches[::2], batches[1::2], strict=True):
            assert [draw.framing for draw in same] == [FRAMING] * 4
            assert [draw.framing for draw in other] == [framings[1]]

    def test_processes_share_the_very_same_batches(self, rows: list[AnnotatedPicture]) -> None:
        options = (rows, self.GROUPS, self.FRAMINGS, range(5), 0)
        shares = [QuotaSampler(*options, share=(rank, 2)) for rank in range(2)]
        for whole, first, second in zip(QuotaSampler(*options), *shares, strict=True):
            assert {len(first), len(second)} == {3, 2}
            assert sorted(first + second) == sorted(whole)
        # none has the same groups at every step
        for share in shares:
            assert len({tuple(rows[draw.picture].source for draw in batch) for batch in share}) > 1
        with pytest.raises(ValueError, match='a batch of 1 pictures is too small for 2 processes'):
            QuotaSampler(*options, by_group=True, share=(0, 2))

    def test_a_group_without_pictures_is_refused(self, rows: list[AnnotatedPicture]) -> None:
        with pytest.raises(ValueError, match='no picture of e, f to train with; take the'):
            QuotaSampler(rows, [Group(('e', 'f'), 1)], [FRAMING], range(1), 0)
        with pytest.raises(
            ValueError, match='no picture of d with what depth needs to train with'
        ):
            QuotaSampler(rows, [Group(('d',), 1, needs=('depth',))], [FRAMING], range(1), 0)


@pytest.mark.parametrize(
    ('task', 'size', 'annotation'),
    [
        ('segmentation', '100x50', {'labels': np.zeros((50, 100), np.uint8)}),
        ('depth', '201x100', {'depth': np.full((100, 201), 9.0), 'fx_px': 700.0}),
        ('normals', '200x99', {'normals': np.zeros((99, 200, 3), np.float32)}),
    ],
)
def test_annotations_of_another_size_than_the_picture_are_refused(
    tmp_path: Path, task: str, size: str, annotation: dict[str, object]
) -> None:
    dataset = AsymmetricDataset([one_row(tmp_path, **annotation)], 'road8', 700.0, (task,))
    with pytest.raises(ValueError, match=f'is 200x100, an annotation of it {size};'):
        dataset[Draw(0, 0, FRAMING)]


def test_normals_are_targets_where_they_are_known(tmp_path: Path) -> None:
    normals = np.full((*SIZE, 3), np.nan, np.float32)
    normals[:40] = (0.6, 0.0, -0.8)
    rows = make_index(tmp_path, [{'picture': PICTURE, 'normals': normals}, {'picture': PICTURE}])
    dataset = AsymmetricDataset(read_index(rows), 'road8', 700.0, ('normals',))
    turned = set()
    for seed in range(12):
        _, targets = dataset[Draw(0, seed, FRAMING)]
        assert targets.keys() == {'normals'}
        assert targets['normals'].shape == (3, 32, 64)
        known = targets['normals'][:, targets['normals'].isfinite().all(0)]
        if known.numel():
            np.testing.assert_allclose(known[2], -0.8, atol=0.01)
            turned |= set(known[0].round(decimals=1).unique().tolist())
    # a flip turns them as it turns the surface
    np.testing.assert_allclose(sorted(turned), [-0.6, 0.6], atol=0.01)
    assert not dataset[Draw(1, 0, FRAMING)][1]['normals'].isfinite().any()
