from functools import partial
from pathlib import Path

import cv2
from made_engine import depth_of, labels_of, MadeEngine
import numpy as np
import pytest

from mtl_perception.label_space import label_space
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.predict import predict_files
from mtl_perception.recordings.annotations.picture_files import encode_depth
from mtl_perception.recordings.pictures import open_sources, Source
from mtl_perception.visualization import overlay_labels

HEIGHT, WIDTH = 48, 64


def picture_of(number: int) -> np.ndarray:
    return np.random.default_rng(number).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Pictures 0.png and night/1.png."""
    for number, name in enumerate(('0.png', 'night/1.png')):
        path = tmp_path / 'pictures' / name
        path.parent.mkdir(exist_ok=True)
        cv2.imwrite(str(path), picture_of(number)[..., ::-1])
    return tmp_path / 'pictures'


def read(path: Path) -> np.ndarray:
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert image is not None, path
    return image[..., ::-1] if image.ndim == 3 else image


def test_files_hold_the_prediction(folder: Path, tmp_path: Path) -> None:
    outputs = ['labels', 'confidence', 'overlay', 'depth', 'depth_npy']
    tally = predict_files(MadeEngine(), open_sources([folder]), tmp_path / 'out', outputs, 2.0)
    assert tally == (2, 2)
    assert {path.name for path in (tmp_path / 'out').iterdir()} == set(outputs)
    for number, name in enumerate(('0', 'night/1')):
        picture = picture_of(number)
        files = {
            output: tmp_path / 'out' / output / f'{name}.{"npy" if "npy" in output else "png"}'
            for output in outputs
        }
        labels, depth_m = labels_of(picture), 2 * depth_of(picture)
        assert np.array_equal(read(files['labels']), labels)
        assert np.array_equal(read(files['confidence']), picture[..., 1])
        overlay = overlay_labels(picture, labels, label_space('road8'))
        assert np.array_equal(read(files['overlay']), overlay)
        assert np.array_equal(np.load(files['depth_npy']), depth_m, equal_nan=True)
        units = read(files['depth'])
        assert units.dtype == np.uint16
        # sky, unknown, 2 x (4 + 2) m, 2 x (4 + 3) m
        assert units[:4, 0].tolist() == [0, 0, 12 * 256, 14 * 256]


def test_depth_png_is_kittis() -> None:
    metres = np.array([[np.nan, np.inf, -np.inf, -1, 0, 1.001, 80, 255.99, 256, 1e30]], np.float32)
    assert encode_depth(metres).tolist() == [[0, 0, 0, 0, 0, 256, 20480, 65533, 0, 0]]


def test_usual_outputs_are_those_that_the_model_has(folder: Path, tmp_path: Path) -> None:
    sources = open_sources([folder])
    predict_files(MadeEngine(), sources, tmp_path / 'both')
    predict_files(MadeEngine({'depth': 1}), sources, tmp_path / 'depth')
    assert {p.name for p in (tmp_path / 'both').iterdir()} == {'labels', 'depth', 'overlay'}
    assert {p.name for p in (tmp_path / 'depth').iterdir()} == {'depth'}
    with pytest.raises(ValueError, match='made has the tasks depth, which do not give overlay;'):
        predict_files(MadeEngine({'depth': 1}), sources, tmp_path / 'x', ['depth', 'overlay'])


def test_unreadable_pictures_are_counted_and_named(
    folder: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / 'night' / '0.png').write_bytes(b'torn')
    cv2.imwrite(str(folder / 'long.png'), np.zeros((1, 16385), np.uint8))
    assert predict_files(MadeEngine(), open_sources([folder]), tmp_path / 'out') == (4, 2)
    assert 'night/0 of pictures is no picture that OpenCV reads' in caplog.text
    assert 'long of pictures has 16385x1 pixels; a side must be within 1..16384' in caplog.text


def test_a_video_gives_a_picture_of_labels_for_each_frame_and_a_video(tmp_path: Path) -> None:
    path = tmp_path / 'drive.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 10.0, (WIDTH, HEIGHT))
    for number in range(4):
        writer.write(np.full((HEIGHT, WIDTH, 3), 60 * number, np.uint8))
    writer.release()
    engine = MadeEngine()
    assert predict_files(engine, open_sources([path]), tmp_path / 'out') == (4, 4)
    labels = sorted((tmp_path / 'out' / 'labels' / 'drive').iterdir())
    assert [file.name for file in labels] == [f'00000{number}.png' for number in range(4)]
    for file, picture in zip(labels, engine.pictures, strict=True):
        assert np.array_equal(read(file), labels_of(picture))
    overlay = cv2.VideoCapture(str(tmp_path / 'out' / 'overlay' / 'drive.mp4'))
    assert overlay.get(cv2.CAP_PROP_FPS) == 10.0
    frames = []
    while (frame := overlay.read()[1]) is not None:
        frames.append(frame)
    assert len(frames) == 4
    expected = overlay_labels(engine.pictures[3], read(labels[3]), label_space('road8'))
    assert frames[3][..., ::-1].mean((0, 1)) == pytest.approx(expected.mean((0, 1)), abs=4)


def test_a_video_that_is_cut_off_is_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    frames = [(Path('drive', str(number)), picture_of(number)) for number in range(9)]
    for count in (9, 10, None, 12):
        assert not caplog.text
        source = Source('drive.mp4', count, partial(iter, frames), 10.0)
        assert predict_files(MadeEngine(), [source], tmp_path / 'out', ['labels']) == (9, 9)
    assert 'drive.mp4 gave 9 frames, its header announces 12; if it is cut off' in caplog.text


def test_a_file_that_cannot_be_written_is_an_error(folder: Path, tmp_path: Path) -> None:
    (tmp_path / 'out' / 'labels' / '0.png').mkdir(parents=True)
    with pytest.raises(OSError, match=r'0\.png cannot be written \(.*; look at'):
        predict_files(MadeEngine(), open_sources([folder]), tmp_path / 'out')


def test_verb_runs_the_engine(
    folder: Path, tmp_path: Path, tiny_weights: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The correction by the focal length and the scale reach the files."""
    verb = ['predict', str(folder), '--weights', str(tiny_weights), '--device', 'cpu']
    verb += ['--backend', 'torch', '--outputs', 'depth_npy', 'labels', '--out']
    for out in (tmp_path / 'plain', folder / 'out', folder / 'out'):
        assert main([*verb, str(out)]) == 0
        assert '2 of 2 frames answered' in capsys.readouterr().out
    corrected = ['--f-px', str(2 * 721.5377), '--depth-scale', '1.5']
    assert main([*verb, str(tmp_path / 'scaled'), *corrected]) == 0
    plain, scaled = (
        np.load(tmp_path / out / 'depth_npy' / '0.npy') for out in ('plain', 'scaled')
    )
    assert plain.shape == (HEIGHT, WIDTH)
    assert np.isfinite(plain).any()
    assert scaled == pytest.approx(3 * plain, nan_ok=True)
    assert read(tmp_path / 'plain' / 'labels' / 'night' / '1.png').shape == (HEIGHT, WIDTH)
    (folder / 'torn.png').write_bytes(b'')
    assert main([*verb, str(tmp_path / 'torn')]) == 1


def test_verb_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing = tmp_path / 'missing.png'
    assert main(['predict', str(missing), '--out', str(tmp_path / 'out')]) == 1
    error = capsys.readouterr().err
    assert error.startswith(f'mtl_perception predict: {missing} does not exist; give a picture')
    assert len(error.splitlines()) == 1


@pytest.mark.parametrize(
    ('options', 'sentence'),
    [
        ('--stride 2 --keep-input', '--keep-input, --stride: only for bags, and the input is'),
        ('--no-focal-correction', '--no-focal-correction: only for bags, and the input is none'),
        ('--topics points', '--topics: only for bags'),
        ('--depth-scale nan', '--depth-scale is nan; expected a positive number'),
        ('--depth-scale 0', '--depth-scale is 0.0; expected'),
        ('--f-px -7', '--f-px is -7.0; expected a positive number'),
    ],
)
def test_options_that_mean_nothing_are_refused(
    folder: Path, tmp_path: Path, options: str, sentence: str, capsys: pytest.CaptureFixture[str]
) -> None:
    verb = ['predict', str(folder), '--out', str(tmp_path / 'out')]
    assert main([*verb, *options.split()]) == 1
    assert sentence in capsys.readouterr().err
