from pathlib import Path
import re

import cv2
from made_index import make_index
import numpy as np
import pytest

from mtl_perception.recordings.dataset_index import read_index

PICTURE = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
LABELS = np.arange(35, dtype=np.uint8).reshape(5, 7)
LABELS[0, 0] = 255
DEPTH_M = np.linspace(0.5, 80, 35, dtype=np.float32).reshape(5, 7)
DEPTH_M[1, 2] = np.nan


@pytest.fixture
def index(tmp_path: Path) -> Path:
    return make_index(
        tmp_path / 'data',
        [
            {'picture': PICTURE, 'labels': LABELS, 'depth': DEPTH_M, 'fx_px': 721.5},
            {'picture': PICTURE, 'labels': LABELS, 'split': 'val', 'source': 'camvid'},
            {'picture': PICTURE, 'depth': DEPTH_M, 'split': 'val', 'source': 'kitti'},
        ],
    )


def test_annotations_are_read_as_they_were_written(index: Path) -> None:
    row, _, _ = read_index(index)
    np.testing.assert_array_equal(row.read_picture(), PICTURE)
    assert row.read_picture().flags.c_contiguous
    np.testing.assert_array_equal(row.read_labels(), LABELS)
    depth_m = row.read_depth()
    assert depth_m is not None
    assert depth_m.dtype == np.float32
    # half of the unit of 1/256 m; NaN stays NaN
    np.testing.assert_allclose(depth_m, DEPTH_M, rtol=0, atol=1 / 512)
    assert row.f_px == 721.5
    assert (row.label_space, row.label_source) == ('road8', 'human')


def test_missing_annotations_are_none(index: Path) -> None:
    _, labels_only, depth_only = read_index(index)
    assert labels_only.read_depth() is None
    assert labels_only.f_px is None
    assert depth_only.read_labels() is None
    assert depth_only.read_depth() is not None


def test_a_grey_picture_becomes_three_equal_channels(index: Path) -> None:
    row = read_index(index)[0]
    cv2.imwrite(str(row.picture.path), PICTURE[..., 0])
    np.testing.assert_array_equal(row.read_picture(), PICTURE[..., :1].repeat(3, axis=2))


@pytest.mark.parametrize(
    ('column', 'text', 'expected'),
    [
        *(('fx_px', text, 'a number above 0') for text in ('abc', '0', '-721.5', 'nan', 'inf')),
        *(('fy_px', text, 'a number above 0') for text in ('0', 'nan')),
        *((column, text, 'a number,') for column in ('cx_px', 'cy_px') for text in ('abc', 'nan')),
    ],
)
def test_intrinsics_that_cannot_be_are_refused(
    tmp_path: Path, column: str, text: str, expected: str
) -> None:
    index = make_index(tmp_path, [{'picture': PICTURE, column: text}])
    words = f"{index} has '{text}' for {column} of image_0.png; expected {expected}"
    with pytest.raises(ValueError, match=re.escape(words)):
        read_index(index)


def test_an_unknown_label_space_is_refused_where_there_are_labels(tmp_path: Path) -> None:
    make_index(tmp_path, [{'picture': PICTURE, 'label_space': 'Road8'}])
    assert read_index(tmp_path / 'index.csv')[0].labels is None
    index = make_index(tmp_path, [{'picture': PICTURE, 'labels': LABELS, 'label_space': 'Road8'}])
    words = f"{index} has 'Road8' for label_space of image_0.png; choose of road8, kitti6"
    with pytest.raises(ValueError, match=re.escape(words)):
        read_index(index)


@pytest.mark.parametrize('torn', ['b.png,la', ',,,,,,,,,,val,made,Apache-2.0,'])
def test_a_torn_row_is_refused(tmp_path: Path, torn: str) -> None:
    index = make_index(tmp_path, [{'picture': PICTURE}])
    index.write_text(index.read_text() + torn + '\n')
    words = f"index {index} has a row for '{torn.split(',')[0]}' that is too short or has no"
    with pytest.raises(ValueError, match=re.escape(words)):
        read_index(index)


def test_what_spreadsheets_put_before_an_index_is_passed_over(tmp_path: Path) -> None:
    index = make_index(tmp_path, [{'picture': PICTURE}])
    index.write_text(index.read_text(), encoding='utf-8-sig')
    np.testing.assert_array_equal(read_index(index)[0].read_picture(), PICTURE)


def test_an_index_in_another_encoding_is_named(tmp_path: Path) -> None:
    index = make_index(tmp_path, [{'picture': PICTURE, 'source': 'Straße'}])
    index.write_bytes(index.read_text().encode('cp1252'))
    with pytest.raises(ValueError, match=f'index {index} is not UTF-8.*save it as such'):
        read_index(index)


def test_an_index_without_rows_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r'index\.csv has no rows; add one for each picture'):
        read_index(make_index(tmp_path, []))


def test_a_missing_index_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r'index .*no\.csv does not exist; give the path'):
        read_index(tmp_path / 'no.csv')


def test_missing_columns_are_named(tmp_path: Path) -> None:
    path = tmp_path / 'index.csv'
    path.write_text('image,labels\na.png,b.png\n')
    with pytest.raises(ValueError, match=r'lacks the columns cx_px, cy_px, depth, depth_source'):
        read_index(path)


def test_a_file_that_is_gone_is_named(index: Path) -> None:
    row = read_index(index)[0]
    row.picture.path.unlink()
    with pytest.raises(ValueError, match=r'image_0\.png is missing or no picture that OpenCV'):
        row.read_picture()


def test_labels_and_depth_of_another_kind_are_refused(index: Path) -> None:
    row = read_index(index)[0]
    assert row.labels is not None
    assert row.depth is not None
    cv2.imwrite(str(row.labels.path), PICTURE)
    with pytest.raises(ValueError, match=r'labels_0\.png is \(5, 7, 3\) uint8; expected one chan'):
        row.read_labels()
    cv2.imwrite(str(row.depth.path), LABELS)
    with pytest.raises(ValueError, match=r'depth_0\.png is \(5, 7\) uint8; .* of uint16'):
        row.read_depth()


def test_the_real_index_has_the_annotations_that_it_promises(data_folder: Path) -> None:
    rows = read_index(data_folder / 'index.csv')
    assert len(rows) == 2219
    assert sum(row.label_source == 'human' for row in rows) == 1898
    assert sum(row.depth is not None for row in rows) == 281
    for source in {row.source for row in rows}:
        row = next(row for row in rows if row.source == source)
        size = row.read_picture().shape[:2]
        for annotation in (row.read_labels(), row.read_depth()):
            assert annotation is None or annotation.shape == size
