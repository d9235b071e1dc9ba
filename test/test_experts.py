import csv
from dataclasses import replace
import json
from pathlib import Path
from typing import Any

import cv2
from made_index import make_index
from made_weights import make_picture, make_weights
import numpy as np
import pytest
import torch

from mtl_perception.engine import Engine, Prediction
from mtl_perception.label_space import label_space, UNLABELLED
from mtl_perception.model_card import load_network, sha256_of, write_card
from mtl_perception.network.checkpoint import write_weights
from mtl_perception.offline.evaluate import Scale, score
from mtl_perception.recordings.annotations.annotated_picture import (
    AnnotatedPicture,
    EXPERT,
    TEACHER,
    TEACHERS,
)
from mtl_perception.recordings.dataset_index import read_index
from mtl_perception.training.experts.agreement import agreement
from mtl_perception.training.experts.annotate import main, Wanted, write_index
from mtl_perception.training.experts.completion import Camera, Caution, Experts
from mtl_perception.training.experts.networks import Ensemble, Opinion
from mtl_perception.training.experts.standing import FAR_M

TASKS = {'segmentation': 8, 'depth': 1}
HEIGHT, WIDTH = 93, 157
PICTURE = make_picture(HEIGHT, WIDTH, 3)
SKY, BUILDING, ROAD, SIDEWALK = map(
    label_space('road8').names.index, ('sky', 'building', 'road', 'sidewalk')
)
NORMALS = np.full((HEIGHT, WIDTH, 3), (0.6, 0.0, -0.8), np.float32)
KNOWN = {'fx_px': 350.0, 'fy_px': 350.0, 'cx_px': 78.0, 'cy_px': 30.0}
CAMERA = Camera(350.0, 30.0)


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_weights(tmp_path_factory.mktemp('weights') / 'made.safetensors', TASKS))


@pytest.fixture(scope='module')
def ensemble(weights: str) -> Ensemble:
    return Ensemble([weights], scales=(1.0,))


def test_one_network_at_one_scale_is_the_mean_with_the_mirrored_picture(
    weights: str, ensemble: Ensemble
) -> None:
    opinion, engine = ensemble.ask(PICTURE), Engine(weights, 'cpu', 'torch', 'fp32')
    straight = engine.predict(PICTURE)
    mirrored = engine.predict(np.ascontiguousarray(PICTURE[:, ::-1]))
    labels, depth = mirrored.labels[:, ::-1], mirrored.depth[:, ::-1]
    finite = np.isfinite(straight.depth) & np.isfinite(depth)
    expected = np.sqrt(straight.depth[finite] * depth[finite])
    assert finite.mean() > 0.2
    # a random network makes much of the rounding of bfloat16; mirrored it says something else
    assert np.median(np.abs(opinion.depth[finite] / expected - 1)) < 0.15
    assert np.median(np.abs(straight.depth[finite] / expected - 1)) > 0.3
    agreed = labels == straight.labels
    assert agreed.mean() > 0.1
    assert (opinion.labels == labels)[agreed].mean() > 0.85


def test_confidence_is_highest_where_all_agree(weights: str, ensemble: Ensemble) -> None:
    several = Ensemble([weights, weights], scales=(0.8, 1.0, 1.25)).ask(PICTURE)
    assert several.labels.shape == several.depth.shape == (HEIGHT, WIDTH)
    assert 1 / 8 <= several.labels_confidence.min() < several.labels_confidence.max() <= 1
    assert 0 <= several.depth_confidence.min() < several.depth_confidence.max() <= 1
    # the same twice adds no doubt
    once = Ensemble([weights], scales=(0.8, 1.0, 1.25)).ask(PICTURE)
    np.testing.assert_allclose(several.depth, once.depth, rtol=1e-4)
    np.testing.assert_allclose(several.depth_confidence, once.depth_confidence, atol=1e-4)


def test_experts_of_another_focal_length_are_corrected(
    tmp_path: Path, weights: str, ensemble: Ensemble
) -> None:
    other = make_weights(tmp_path / 'other.safetensors', TASKS, training_f_px=1400.0)
    mixed = Ensemble([weights, str(other)], scales=(1.0,))
    # the same network, half the depth: their geometric mean
    np.testing.assert_allclose(
        mixed.ask(PICTURE).depth, ensemble.ask(PICTURE).depth / np.sqrt(2), rtol=1e-4
    )


def test_a_picture_seen_larger_is_one_of_a_longer_focal_length(tmp_path: Path) -> None:
    path = make_weights(tmp_path / 'flat.safetensors', TASKS)
    card, network = load_network(path)
    with torch.no_grad():
        network.heads['depth'][2].weight.zero_()
        network.heads['depth'][2].bias.fill_(np.log(8.0))
    write_weights(network, path)
    write_card(replace(card, sha256=sha256_of(path)), path)
    for scale in (1.0, 2.0):
        depth = Ensemble([str(path)], scales=(scale,)).ask(PICTURE).depth
        np.testing.assert_allclose(depth, 8.0 * scale, rtol=0.05)


def test_an_expert_of_several_label_spaces_answers_in_that_of_its_card(tmp_path: Path) -> None:
    joint = {'segmentation': 46, 'depth': 1}
    path = make_weights(
        tmp_path / 'joint.safetensors', joint, label_space='kitti6', classes=(40, 46)
    )
    engine, opinion = Engine(path, 'cpu', 'torch', 'fp32'), Ensemble([str(path)], (1.0,))
    said, expected = opinion.ask(PICTURE).labels, engine.predict(PICTURE).labels
    assert said.max() < 6
    assert (said == expected).mean() > 0.5


def test_experts_of_two_label_spaces_are_refused(tmp_path: Path, weights: str) -> None:
    tasks = {'segmentation': 6, 'depth': 1}
    six = make_weights(tmp_path / 'six.safetensors', tasks, label_space='kitti6')
    with pytest.raises(ValueError, match='label spaces kitti6, road8; name weights of one'):
        Ensemble([weights, str(six)])


def test_missing_annotations_are_written_and_own_ones_stay(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    depth = np.full((HEIGHT, WIDTH), 7.0)
    index = make_index(
        tmp_path / 'own',
        [
            {'picture': PICTURE, 'labels': labels, **KNOWN},
            {'picture': PICTURE, 'depth': depth, 'depth_source': 'lidar', **KNOWN},
            {'picture': PICTURE},
            {'picture': PICTURE, 'labels': labels, 'depth': depth, 'normals': NORMALS, **KNOWN},
        ],
    )
    output = tmp_path / 'new'
    output.mkdir()
    rows = read_index(index)
    write_index(rows, rows, Experts(ensemble, Caution(0.0, 0.0)), output)
    rows = read_index(output / 'index.csv')
    asked = ensemble.ask(PICTURE)
    labelled, measured, bare, whole = rows
    assert (labelled.read_labels() == ROAD).all()
    assert (labelled.label_source, labelled.depth_source) == ('human', EXPERT)
    np.testing.assert_allclose(labelled.read_depth(), asked.depth * 350 / 700, atol=1 / 256)
    assert (measured.read_depth() == 7).all()
    assert (measured.depth_source, measured.label_source) == ('lidar', EXPERT)
    np.testing.assert_array_equal(measured.read_labels(), asked.labels)
    # without a focal length there is no depth
    assert bare.depth is None
    assert bare.labels is not None
    assert (whole.label_source, whole.f_px, whole.principal_row) == ('human', 350, 30)
    np.testing.assert_allclose(whole.read_normals(), NORMALS, atol=0.005)
    assert all(np.array_equal(row.read_picture(), PICTURE) for row in rows)
    with (output / 'index.csv').open(newline='') as file:
        written = list(csv.DictReader(file))
    confidence = cv2.imread(str(output / written[1]['labels_confidence']), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(confidence / 255, asked.labels_confidence, atol=0.5 / 255 + 1e-6)


def test_pictures_that_were_annotated_are_not_asked_about_again(
    tmp_path: Path, ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = read_index(make_index(tmp_path / 'own', [{'picture': PICTURE}] * 3))
    output, asked = tmp_path / 'new', []
    output.mkdir()
    experts = Experts(ensemble, Caution(0.0, 0.0))
    ask = Experts.complete

    def asked_until_the_power_fails(self: Experts, row: AnnotatedPicture) -> Opinion:
        asked.append(row)
        if len(asked) == 2:
            raise KeyboardInterrupt
        return ask(self, row)

    monkeypatch.setattr(Experts, 'complete', asked_until_the_power_fails)
    with pytest.raises(KeyboardInterrupt):
        write_index(rows, rows, experts, output)
    write_index(rows, rows, experts, output)
    assert len(asked) == 4
    labels = [row.read_labels() for row in read_index(output / 'index.csv')]
    for mask in labels:
        np.testing.assert_array_equal(mask, ensemble.ask(PICTURE).labels)
    with pytest.raises(ValueError, match='was annotated with caution'):
        write_index(rows, rows, Experts(ensemble), output)


def test_pictures_of_one_name_are_told_apart_and_sources_may_follow_each_other(
    tmp_path: Path, ensemble: Ensemble, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [
        row
        for drive in ('first', 'second')
        for row in read_index(
            make_index(tmp_path / drive, [{'picture': PICTURE, 'source': drive}])
        )
    ]
    asked, ask = [], Experts.complete

    def noted(self: Experts, row: AnnotatedPicture) -> Opinion:
        asked.append(row.source)
        return ask(self, row)

    monkeypatch.setattr(Experts, 'complete', noted)
    experts, output = Experts(ensemble, Caution(0.0, 0.0)), tmp_path / 'new'
    output.mkdir()
    write_index(rows, rows[1:], experts, output)
    assert [row.labels is None for row in read_index(output / 'index.csv')] == [True, False]
    write_index(rows, rows[:1], experts, output)
    assert asked == ['second', 'first']
    assert all(row.labels is not None for row in read_index(output / 'index.csv'))
    # another picture in the place of the first
    write_index(rows[::-1], rows[1:], experts, output)
    assert asked == ['second', 'first', 'second']


def test_each_picture_keeps_its_annotations_in_whatever_order(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    pictures = [make_picture(HEIGHT, WIDTH, seed) for seed in (3, 4)]
    rows = read_index(make_index(tmp_path / 'own', [{'picture': each} for each in pictures]))
    experts, output = Experts(ensemble, Caution(0.0, 0.0)), tmp_path / 'new'
    output.mkdir()
    said = [ensemble.ask(each).labels for each in pictures]
    assert (said[0] != said[1]).any()
    for order in (1, -1, 1):
        write_index(rows[::order], rows, experts, output)
        for row, labels in zip(read_index(output / 'index.csv'), said[::order], strict=True):
            np.testing.assert_array_equal(row.read_labels(), labels)


def test_what_people_have_added_since_is_not_overruled(tmp_path: Path, ensemble: Ensemble) -> None:
    experts, output = Experts(ensemble, Caution(0.0, 0.0), camera=CAMERA), tmp_path / 'new'
    output.mkdir()
    labels = np.full((HEIGHT, WIDTH), SIDEWALK, np.uint8)
    for row in ({}, {'labels': labels, **KNOWN}):
        rows = read_index(make_index(tmp_path / 'own', [{'picture': PICTURE, **row}]))
        write_index(rows, rows, experts, output)
    (written,) = read_index(output / 'index.csv')
    assert written.label_source == 'human'
    assert (written.read_labels() == SIDEWALK).all()
    camera = (written.f_px, written.fy_px, written.principal_column, written.principal_row)
    assert camera == tuple(KNOWN.values())
    assert written.depth_source == EXPERT


def test_nobody_is_asked_for_depth_that_no_camera_could_give(
    tmp_path: Path, ensemble: Ensemble, caplog: pytest.LogCaptureFixture
) -> None:
    labels = np.full((HEIGHT, WIDTH), SIDEWALK, np.uint8)
    made = [{'picture': PICTURE, 'labels': labels, **known} for known in ({}, KNOWN)]
    rows = read_index(make_index(tmp_path / 'own', made))
    (tmp_path / 'new').mkdir()
    write_index(rows, rows, Experts(ensemble, Caution(0.0, 0.0)), tmp_path / 'new')
    journal = (tmp_path / 'new' / 'journal.jsonl').read_text()
    assert '000000_' not in journal
    assert '000001_' in journal
    assert '1 pictures get no depth: too little is known of their cameras' in caplog.text


def test_an_annotation_of_another_size_is_named(tmp_path: Path, ensemble: Ensemble) -> None:
    labels = np.zeros((HEIGHT // 2, WIDTH // 2), np.uint8)
    rows = read_index(make_index(tmp_path, [{'picture': PICTURE, 'labels': labels, **KNOWN}]))
    with pytest.raises(ValueError, match=r'image_0\.png of source made is .* give them one size'):
        Experts(ensemble).complete(rows[0])


def test_what_the_experts_doubt_is_left_out(tmp_path: Path, ensemble: Ensemble) -> None:
    (row,) = read_index(make_index(tmp_path, [{'picture': PICTURE, **KNOWN}]))
    asked = ensemble.ask(PICTURE)
    caution = Caution(
        float(np.median(asked.labels_confidence)), float(np.median(asked.depth_confidence))
    )
    opinion = Experts(ensemble, caution).complete(row)
    np.testing.assert_array_equal(
        opinion.labels == UNLABELLED, asked.labels_confidence < caution.labels
    )
    assert 0.3 < (opinion.labels == UNLABELLED).mean() < 0.7
    sky = opinion.labels == 0
    np.testing.assert_array_equal(
        np.isnan(opinion.depth), (asked.depth_confidence < caution.depth) | sky
    )


def test_geometry_overrules_the_networks_on_the_ground(tmp_path: Path, ensemble: Ensemble) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:50] = UNLABELLED
    (row,) = read_index(make_index(tmp_path, [{'picture': PICTURE, 'labels': labels}]))
    plain = Experts(ensemble, Caution(0.0, 0.0), camera=CAMERA).complete(row)
    implied = Experts(ensemble, Caution(0.0, 0.0), 1.5, CAMERA).complete(row)
    # the made network's depth is no plane: a level camera at 1.5 m it is
    rows = np.arange(50, HEIGHT)[:, None] * np.ones(WIDTH)
    np.testing.assert_allclose(implied.depth[50:], 350 * 1.5 / (rows - 30), rtol=1e-4)
    np.testing.assert_array_equal(implied.depth[:50], plain.depth[:50])
    assert np.abs(implied.depth[50:] / plain.depth[50:] - 1).mean() > 0.1


def plane_of(height_m: float, fy_px: float = 350.0, tilt: float = 0.0) -> np.ndarray:
    """Give the depth of a plane below the camera, whose horizon is at row 30."""
    below = (np.arange(HEIGHT)[:, None] - 30.0) / fy_px + tilt * np.ones(WIDTH)
    return (height_m / np.maximum(below, 1e-3)).astype(np.float32)


@pytest.mark.parametrize('measured', [False, True])
def test_the_ground_lies_as_the_networks_see_it_at_the_height_that_is_known(
    ensemble: Ensemble, measured: bool
) -> None:
    """Though a sensor measured something of it, but too little for a plane."""
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:50] = UNLABELLED
    seen, true = plane_of(2.0, tilt=0.03), plane_of(1.5, tilt=0.03)
    few = np.where((np.indices(labels.shape) % 12 == 0).all(0), true, np.nan).astype(np.float32)
    few[:70] = np.nan
    experts = Experts(ensemble, camera_height_m=1.5)
    found = experts.ground_depth(labels, seen, CAMERA, few if measured else None)
    np.testing.assert_allclose(found[50:], true[50:], rtol=0.01)


def test_pixels_of_the_ground_need_not_be_square(ensemble: Ensemble) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:50] = UNLABELLED
    found = Experts(ensemble, camera_height_m=1.5).ground_depth(
        labels, np.full(labels.shape, np.nan, np.float32), Camera(350.0, 30.0, fy_px=420.0)
    )
    np.testing.assert_allclose(found[50:], plane_of(1.5, fy_px=420.0)[50:], rtol=0.01)


class TestRevision:
    def settled(self, folder: Path, ensemble: Ensemble, **row: object) -> np.ndarray:
        rows = read_index(make_index(folder / 'own', [{'picture': PICTURE, **row}]))
        new = folder / 'new'
        new.mkdir()
        write_index(rows, rows, Experts(ensemble, Caution(0.0)), new, Wanted(revise=True))
        (row,) = read_index(new / 'index.csv')
        self.source = row.label_source
        return row.read_labels()

    @pytest.mark.parametrize('teacher', TEACHERS)
    def test_what_contradicts_a_teacher_or_was_left_out_is_not_labelled(
        self, tmp_path: Path, ensemble: Ensemble, teacher: str
    ) -> None:
        said = np.full((HEIGHT, WIDTH), BUILDING, np.uint8)
        said[:, :50] = UNLABELLED
        settled = self.settled(tmp_path, ensemble, labels=said, label_source=teacher)
        agreed = ensemble.ask(PICTURE).labels == BUILDING
        assert 0.02 < agreed[:, 50:].mean() < 0.98
        np.testing.assert_array_equal(settled[:, 50:] == BUILDING, agreed[:, 50:])
        assert (settled[settled != BUILDING] == UNLABELLED).all()
        assert (settled[:, :50] == UNLABELLED).all()
        assert self.source == EXPERT

    def test_where_a_teacher_is_doubtful_the_experts_decide(
        self, tmp_path: Path, ensemble: Ensemble
    ) -> None:
        said = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
        said[:, 60:70] = BUILDING
        settled = self.settled(tmp_path, ensemble, labels=said, label_source=TEACHER)
        labels = ensemble.ask(PICTURE).labels
        near = slice(70, 110)
        np.testing.assert_array_equal(settled[:, near], labels[:, near])
        assert (labels[:, near] != ROAD).any()

    def test_what_people_labelled_stays(self, tmp_path: Path, ensemble: Ensemble) -> None:
        said = np.full((HEIGHT, WIDTH), SIDEWALK, np.uint8)
        settled = self.settled(tmp_path, ensemble, labels=said, label_source='human')
        assert (settled == SIDEWALK).all()
        assert self.source == 'human'


def test_gaps_of_a_sensor_are_filled_by_the_ground_that_it_measured(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:45] = SKY
    rows = np.maximum(np.arange(HEIGHT)[:, None] - 30.0, 1) * np.ones(WIDTH)
    # a camera 2 m above the road; the option says 1.5
    plane = 350 * 2.0 / rows
    measured = np.where((rows > 15) & (np.arange(WIDTH) % 4 == 0), plane, np.nan)
    made = {'picture': PICTURE, 'labels': labels, 'depth': measured, **KNOWN}
    given = read_index(make_index(tmp_path / 'own', [made]))
    new = tmp_path / 'new'
    new.mkdir()
    experts = Experts(ensemble, Caution(0.0, 0.0), camera_height_m=1.5)
    write_index(given, given, experts, new, Wanted(dense=True))
    (row,) = read_index(new / 'index.csv')
    assert (row.label_source, row.depth_source) == ('human', EXPERT)
    near = (rows > 20) & (plane < 35)
    np.testing.assert_allclose(row.read_depth()[near], plane[near], rtol=0.01)
    # another round has no gaps to fill, and what was measured in it stays
    again = tmp_path / 'again'
    again.mkdir()
    write_index([row], [row], experts, again, Wanted(dense=True))
    (kept,) = read_index(again / 'index.csv')
    np.testing.assert_array_equal(kept.read_depth(), row.read_depth())


def test_the_stand_in_gives_only_what_is_not_known_of_a_camera(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    cameras = [KNOWN, {'fx_px': 350.0}, {'cy_px': 30.0}, {}]
    rows = read_index(make_index(tmp_path, [{'picture': PICTURE, **known} for known in cameras]))
    found = [Experts(ensemble, camera=Camera(500.0, 40.0)).camera_of(row) for row in rows]
    known = Camera(350, 30, fy_px=350)
    assert found == [known, Camera(350, 40), Camera(500, 30), Camera(500, 40)]
    alone = [Experts(ensemble).camera_of(row) for row in rows]
    assert alone == [known, None, None, None]


def test_depth_at_the_end_of_the_range_is_doubted(tmp_path: Path) -> None:
    short = make_weights(tmp_path / 'short.safetensors', TASKS, depth_range_m=(0.5, 2.0))
    opinion = Ensemble([str(short)], scales=(1.0,)).ask(PICTURE)
    at_end = opinion.depth_confidence == 0
    assert 0 < at_end.mean() < 1
    assert (opinion.depth[~at_end] < 2).all()


def test_labels_that_cannot_be_translated_do_not_hinder_depth(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    labels = np.zeros((HEIGHT, WIDTH), np.uint8)
    made = {'picture': PICTURE, 'labels': labels, 'label_space': 'nyud40', **KNOWN}
    (row,) = read_index(make_index(tmp_path, [made]))
    assert np.isfinite(Experts(ensemble, Caution(0.0, 0.0)).complete(row).depth).any()


def test_experts_are_scored_where_somebody_knows_better(
    tmp_path: Path, ensemble: Ensemble
) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:40] = UNLABELLED
    rows = np.maximum(np.arange(HEIGHT)[:, None] - 30.0, 1e-3) * np.ones(WIDTH)
    truth = np.where(rows > 10, 350 * 1.5 / rows / 1.1, np.nan)
    made = {'picture': PICTURE, 'labels': labels, 'depth': truth, **KNOWN}
    index = make_index(tmp_path, [made])
    experts = Experts(ensemble, camera_height_m=1.5)
    figures = agreement(experts, read_index(index))['ground']
    assert figures.keys() == {'ground'}
    assert figures['ground']['abs_rel'] == pytest.approx(0.1, abs=0.01)
    assert figures['ground']['abs_rel_of_networks'] > 0.1
    assert 0.9 < figures['ground']['coverage'] <= 1
    taught = read_index(make_index(tmp_path / 'taught', [{**made, 'depth_source': TEACHER}]))
    assert agreement(experts, taught)['ground'] == {}
    # a teacher's labels do not count: the networks' own do
    machine = read_index(make_index(tmp_path / 'machine', [{**made, 'label_source': TEACHER}]))
    bold = Experts(ensemble, Caution(0.0, 0.0), camera_height_m=1.5)
    found = agreement(bold, machine)['ground']['ground']
    seen = np.isin(ensemble.ask(PICTURE).labels, (ROAD, SIDEWALK)) & (350 * 1.5 / rows < FAR_M)
    assert 0 < found['coverage'] < figures['ground']['coverage']
    assert found['coverage'] == pytest.approx((seen & (truth > 0)).sum() / (truth > 0).sum())


def test_the_command_scores_and_writes(
    tmp_path: Path, weights: str, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    data = make_index(
        tmp_path / 'data',
        [
            {'picture': PICTURE, 'labels': labels, 'split': 'val'},
            {'picture': PICTURE, 'source': 'other'},
            {'picture': PICTURE},
        ],
    ).parent
    output = tmp_path / 'out'
    arguments = ['--experts', weights, '--scales', '1', '--sources', 'made']
    main([str(data), '--output', str(output), *arguments, '--labels-confidence', '1e-6'])
    assert 'made                   segmentation' in capsys.readouterr().out
    figures = json.loads((output / 'agreement.json').read_text())
    assert figures['networks']['all']['segmentation']['pictures'] == 1
    rows = read_index(output / 'index.csv')
    # whole, though only one row was asked for
    assert [row.source for row in rows] == ['made', 'other', 'made']
    assert [row.labels is not None for row in rows] == [True, False, True]
    assert (rows[2].read_labels() < 8).all()
    (output / 'agreement.json').write_text('kept')
    with pytest.raises(ValueError, match='was annotated with caution'):
        main([str(data), '--output', str(output), *arguments])
    assert (output / 'agreement.json').read_text() == 'kept'
    for named in (data, data / 'index.csv'):
        with pytest.raises(SystemExit):
            main([str(named), '--output', str(data), *arguments])
        assert f'--output {data} is a folder that is read' in capsys.readouterr().err
    with pytest.raises(ValueError, match='has no picture of mad; it has the sources made, other'):
        main([str(data), '--output', str(output), '--sources', 'mad'])


@pytest.mark.parametrize(
    ('option', 'value', 'words'),
    [
        ('--camera-height', '-1', "'-1' is not a number above 0"),
        ('--camera-height', 'nan', "'nan' is not a number above 0"),
        ('--scales', '0', "'0' is not a number above 0"),
        ('--labels-confidence', 'much', "'much' is not a number above 0"),
    ],
)
def test_what_options_cannot_be_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, words: str
) -> None:
    with pytest.raises(SystemExit):
        main([str(tmp_path), '--output', str(tmp_path / 'new'), f'{option}={value}'])
    assert words in capsys.readouterr().err


def test_a_misspelt_split_is_refused(tmp_path: Path, weights: str) -> None:
    data = make_index(tmp_path, [{'picture': PICTURE}]).parent
    options = ['--experts', weights, '--split', 'trian']
    with pytest.raises(ValueError, match='no picture of split trian; it has the splits train'):
        main([str(data), '--output', str(tmp_path / 'new'), *options])


def test_the_ground_alone_may_speak(tmp_path: Path, weights: str) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    labels[:60] = UNLABELLED
    data = make_index(tmp_path, [{'picture': PICTURE, 'labels': labels}]).parent
    output = tmp_path / 'new'
    options = ['--camera', '350', '30', '--camera-height', '1.5', '--depth-confidence', '2']
    main([str(data), '--output', str(output), '--experts', weights, '--scales', '1', *options])
    (row,) = read_index(output / 'index.csv')
    np.testing.assert_array_equal(row.read_depth() > 0, labels == ROAD)


@pytest.mark.parametrize(
    ('made', 'options'),
    [
        ({'labels': np.full((HEIGHT, WIDTH), SKY, np.uint8)}, ('--depth-confidence', '2')),
        ({'depth': np.full((HEIGHT, WIDTH), 9.0)}, ('--labels-confidence', '2')),
    ],
    ids=['depth', 'labels'],
)
def test_what_experts_know_nothing_of_stays_without(
    tmp_path: Path, weights: str, made: dict[str, Any], options: tuple[str, str]
) -> None:
    data = make_index(tmp_path, [{'picture': PICTURE, **made}]).parent
    output = tmp_path / 'new'
    camera = ('--camera', '350', '30', '--camera-height', '1.5')
    words = ('--output', str(output), '--experts', weights, '--scales', '1', *camera, *options)
    main([str(data), *words])
    (row,) = read_index(output / 'index.csv')
    assert (row.labels is None) == ('labels' not in made)
    assert (row.depth is None) == ('depth' not in made)


def test_several_experts_are_scored_one_by_one_as_well(tmp_path: Path, weights: str) -> None:
    labels = np.full((HEIGHT, WIDTH), ROAD, np.uint8)
    data = make_index(tmp_path, [{'picture': PICTURE, 'labels': labels, 'split': 'val'}]).parent
    again = str(make_weights(tmp_path / 'again.safetensors', TASKS))
    output = tmp_path / 'out'
    options = ['--experts', weights, again, '--scales', '1', '--split', 'val']
    main([str(data), '--output', str(output), *options])
    figures = json.loads((output / 'agreement.json').read_text())
    assert figures['each'].keys() == {weights, again}
    # the same network twice
    assert figures['each'][again]['networks'] == figures['each'][weights]['networks']


def test_an_index_behind_a_link_finds_its_pictures(tmp_path: Path, weights: str) -> None:
    data = make_index(tmp_path / 'data', [{'picture': PICTURE}]).parent
    (tmp_path / 'disk/deep/down').mkdir(parents=True)
    (tmp_path / 'runs').symlink_to(tmp_path / 'disk/deep/down')
    output = tmp_path / 'runs/new'
    main([str(data), '--output', str(output), '--experts', weights, '--scales', '1'])
    [row] = read_index(output / 'index.csv')
    np.testing.assert_array_equal(row.read_picture(), PICTURE)


@pytest.mark.parametrize('source', TEACHERS)
def test_the_word_of_an_expert_is_never_scored(tmp_path: Path, source: str) -> None:
    depth = {'depth': np.full((HEIGHT, WIDTH), 9.0), 'depth_source': source}
    index = make_index(tmp_path, [{'picture': PICTURE, **depth}])
    rows = read_index(index)
    found = Prediction(None, None, np.full((HEIGHT, WIDTH), 9, np.float32), None)
    report = score(lambda _: found, rows, Scale('road8', None))
    assert report == {'sources': {}, 'all': {}}
