import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
import re
import subprocess
import sys
from unittest.mock import Mock

import cv2
from made_drive import make_drive
import numpy as np
import pytest

from mtl_perception.messages import encode_image
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.demo import report
from mtl_perception.offline.demo.report import answers, measure, Recording
from mtl_perception.products import DEPTH, LABELS
from mtl_perception.recordings.bag_messages import field_message, new_header
from mtl_perception.recordings.bags import BagReader, BagWriter, TopicQos
from mtl_perception.recordings.kitti import read_drive
from mtl_perception.recordings.kitti_to_bag import BagOptions, kitti_to_bag

IMAGE = '/camera/image_raw'
HEIGHT, WIDTH = 4, 6


def record(path: Path, wrong: dict[int, str] | None = None) -> Recording:
    """Record five pictures, ten ms apart, of which the last has no answer.

    Labels come 3 ms after their picture, depth 5 ms; `wrong` numbers answers that have another
    frame or size.
    """
    wrong = wrong or {}
    with BagWriter(path) as writer:
        for number in range(5):
            sent_ns = 10**9 + number * 10**7
            header = new_header(sent_ns, 'camera')
            picture = np.full((HEIGHT, WIDTH, 3), number, np.uint8)
            message = field_message(header, encode_image(picture, 'rgb8'))
            writer.write(IMAGE, sent_ns, message, TopicQos())
            if number == 4:
                continue
            labels = np.zeros((HEIGHT, WIDTH), np.uint8)
            depth = np.ones((HEIGHT + (wrong.get(number) == 'size'), WIDTH), np.float32)
            frame = 'elsewhere' if wrong.get(number) == 'frame' else 'camera'
            for topic, fields, later_ms in (
                (LABELS, encode_image(labels, 'mono8'), 3),
                (DEPTH, encode_image(depth, '32FC1'), 5),
            ):
                message = field_message(new_header(sent_ns, frame), fields)
                writer.write(f'/{topic}', sent_ns + later_ms * 10**6, message, TopicQos())
    return Recording(path, IMAGE, (LABELS, DEPTH))


def test_answers_are_paired_with_their_picture_by_stamp(tmp_path: Path) -> None:
    found = list(answers(record(tmp_path / 'bag')))
    assert [answer.picture.data[0] for answer in found] == [0, 1, 2, 3]
    for answer in found:
        assert answer.outputs.keys() == {LABELS, DEPTH}
        for message in answer.outputs.values():
            assert message.header == answer.picture.header


def test_figures_count_frames_and_measure_from_picture_to_answer(tmp_path: Path) -> None:
    counters = {'received': 6, 'answered': 4, 'skipped': 2}
    figures, faults, answered = measure(record(tmp_path / 'bag'), 7, counters)
    assert figures == [
        'frames: 7 sent, 4 answered, 2 skipped for newer ones, 1 lost on the way',
        'rate: 100.0 answered frames/s',
        'latency to labels and depth: p50 5 ms, p95 5 ms',
        'latency to all outputs: p50 5 ms, p95 5 ms',
    ]
    assert not faults
    assert answered == 4


@pytest.mark.parametrize(
    ('wrong', 'fault'),
    [('frame', "has frame, height, width ('elsewhere', 4, 6)"), ('size', "('camera', 5, 6)")],
)
def test_an_output_that_does_not_fit_its_input_is_a_fault(
    tmp_path: Path, wrong: str, fault: str
) -> None:
    counters = {'received': 5, 'answered': 4, 'skipped': 1}
    faults = measure(record(tmp_path / 'bag', {2: wrong}), 5, counters).faults
    assert faults
    assert all(fault in line for line in faults)


def test_a_node_that_counts_otherwise_than_the_recording_is_a_fault(tmp_path: Path) -> None:
    counters = {'received': 5, 'answered': 5, 'skipped': 0}
    faults = measure(record(tmp_path / 'bag'), 5, counters).faults
    assert 'the recording has 4 answers' in faults[0]


def test_the_sheet_shows_answers_from_the_first_to_the_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def panels(answer: report.Answer) -> list[np.ndarray]:
        value = 50 * answer.picture.data[0]
        return 4 * [np.full((report.PANEL[1], report.PANEL[0], 3), value, np.uint8)]

    monkeypatch.setattr(report, '_panels', panels)
    monkeypatch.setattr(report, 'SHEET_FRAMES', 2)
    recording, film = record(tmp_path / 'bag'), tmp_path / 'film.mp4'
    report.draw(recording, 4, film, tmp_path / 'sheet.png')
    sheet = cv2.imread(str(tmp_path / 'sheet.png'))
    assert sheet[:: report.PANEL[1], 0, 0].tolist() == [0, 150]
    for paths in ((tmp_path / 'no' / 'film.mp4', tmp_path), (film, tmp_path / 'no' / 'sheet.png')):
        with pytest.raises(OSError, match=r'OpenCV cannot write .*/no/'):
            report.draw(recording, 4, *paths)


def test_the_node_ends_before_what_records_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = import_module('mtl_perception.offline.demo.run')
    ended: list[str] = []

    @contextmanager
    def running(arguments: list[str], *_: object) -> Iterator[Mock]:
        yield Mock(returncode=0)
        ended.append(arguments[0].rpartition('.')[2])

    monkeypatch.setattr(run, 'running', running)
    monkeypatch.setattr(run, 'wait_for_text', lambda *_: None)
    parser = argparse.ArgumentParser()
    run.add_arguments(parser)
    camera = run._Camera(IMAGE, '/camera/camera_info', False, 1)
    recording = Recording(tmp_path / 'recording', IMAGE, ())
    log = tmp_path / 'node.log'
    run._play_and_record(parser.parse_args(['drive']), tmp_path, camera, recording, log)
    assert ended == ['player', 'node', 'recorder']


def test_which_of_two_cameras_is_meant_must_be_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bag = tmp_path / 'bag'
    kitti_to_bag(read_drive(make_drive(tmp_path, right=True)), bag, BagOptions())
    assert main(['demo', str(bag), '--output', str(tmp_path / 'output')]) == 1
    assert 'of Image or CompressedImage; name one of these by --image' in capsys.readouterr().err
    assert not (tmp_path / 'output').exists()


@pytest.mark.parametrize('name', ['absent', 'mine', 'recording/part'])
def test_nothing_is_removed_before_the_drive_is_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    record(tmp_path / 'recording' / 'part')
    (tmp_path / 'mine').mkdir()
    before = sorted(tmp_path.rglob('*'))
    assert main(['demo', str(tmp_path / name), '--output', str(tmp_path)]) == 1
    assert f'{tmp_path / name}' in capsys.readouterr().err
    assert sorted(tmp_path.rglob('*')) == before


@pytest.mark.parametrize('compressed', [False, True], ids=['kitti', 'compressed bag'])
def test_a_drive_is_played_served_recorded_and_drawn(
    tmp_path: Path, tiny_weights: Path, compressed: bool
) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    drive, output = make_drive(tmp_path, right=True), tmp_path / 'output'
    words: list[str] = []
    if compressed:
        kitti_to_bag(read_drive(drive), tmp_path / 'bag', BagOptions(compressed=True))
        drive = tmp_path / 'bag'
        words = ['--image', '/kitti/camera_color_right/image_raw/compressed']
    demo = subprocess.run(
        [
            *(sys.executable, '-m', 'mtl_perception.offline', 'demo', str(drive)),
            *('--output', str(output), '--weights', str(tiny_weights), '--backend', 'torch'),
            *words,
        ],
        cwd=Path(__file__).resolve().parents[1],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert demo.returncode == 0, demo.stdout + demo.stderr
    [line] = [line for line in demo.stdout.splitlines() if line.startswith('frames: ')]
    counts = {what: int(n) for n, what in re.findall(r'(\d+) (\w+)', line)}
    assert counts['sent'] > 0
    assert counts['answered'] > 0
    assert counts['sent'] == counts['answered'] + counts['skipped'] + counts['lost']
    with BagReader(output / 'recording') as bag:
        assert bag.topics['/points'].count == counts['answered']
    assert cv2.imread(str(output / 'contact_sheet.png')).std() > 10
    film = cv2.VideoCapture(str(output / 'demo.mp4'))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == counts['answered']


@pytest.mark.parametrize(
    ('words', 'sentence'),
    [
        (('--weights', 'absent'), "cannot configure: weights 'absent'"),
        (('--rate', '0'), 'the player failed: bag_player: rate is 0.0; it must be'),
    ],
)
def test_a_process_that_fails_is_a_sentence(
    tmp_path: Path,
    tiny_weights: Path,
    capsys: pytest.CaptureFixture[str],
    words: tuple[str, str],
    sentence: str,
) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    drive, output = make_drive(tmp_path), tmp_path / 'output'
    usual = ['--output', str(output), '--weights', str(tiny_weights), '--backend', 'torch']
    assert main(['demo', str(drive), *usual, *words]) == 1
    assert sentence in capsys.readouterr().err
