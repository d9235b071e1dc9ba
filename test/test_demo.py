from pathlib import Path
import re
import subprocess
import sys

import cv2
from made_drive import make_drive
import numpy as np
import pytest

from mtl_perception.messages import encode_image
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.demo.report import answers, measure, Recording
from mtl_perception.products import DEPTH, LABELS
from mtl_perception.recordings.bag_messages import field_message, new_header
from mtl_perception.recordings.bags import BagReader, BagWriter, TopicQos

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
    figures, faults = measure(record(tmp_path / 'bag'), 7, counters)
    assert figures == [
        'frames: 7 sent, 4 answered, 2 skipped for newer ones, 1 lost on the way',
        'rate: 100.0 answered frames/s',
        'latency to labels and depth: p50 5 ms, p95 5 ms',
        'latency to all outputs: p50 5 ms, p95 5 ms',
    ]
    assert not faults


@pytest.mark.parametrize(
    ('wrong', 'fault'),
    [('frame', "has frame, height, width ('elsewhere', 4, 6)"), ('size', "('camera', 5, 6)")],
)
def test_an_output_that_does_not_fit_its_input_is_a_fault(
    tmp_path: Path, wrong: str, fault: str
) -> None:
    counters = {'received': 5, 'answered': 4, 'skipped': 1}
    _, faults = measure(record(tmp_path / 'bag', {2: wrong}), 5, counters)
    assert faults
    assert all(fault in line for line in faults)


def test_a_node_that_counts_otherwise_than_the_recording_is_a_fault(tmp_path: Path) -> None:
    counters = {'received': 5, 'answered': 5, 'skipped': 0}
    _, faults = measure(record(tmp_path / 'bag'), 5, counters)
    assert 'the recording has 4 answers' in faults[0]


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


def test_a_drive_is_played_served_recorded_and_drawn(tmp_path: Path, tiny_weights: Path) -> None:
    pytest.importorskip('rclpy', reason='rclpy is not installed')
    drive, output = make_drive(tmp_path), tmp_path / 'output'
    demo = subprocess.run(
        [
            *(sys.executable, '-m', 'mtl_perception.offline', 'demo', str(drive)),
            *('--output', str(output), '--weights', str(tiny_weights), '--backend', 'torch'),
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
