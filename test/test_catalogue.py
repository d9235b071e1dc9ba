import logging
from pathlib import Path

from made_index import make_index
from made_layouts import grid, picture_of, write
import pytest

from mtl_perception.recordings.layouts.catalogue import (
    folder_of,
    LAYOUTS,
    read_all,
    read_annotated,
)


@pytest.fixture
def idd(tmp_path: Path) -> Path:
    """IDD lite: two pictures to train, one of them without labels."""
    folder = tmp_path / 'idd'
    for name in ('1', '2'):
        write(folder / f'leftImg8bit/train/0/{name}_image.jpg', picture_of(0))
    write(folder / 'gtFine/train/0/2_label.png', grid(3))
    return folder


@pytest.fixture
def index(tmp_path: Path) -> Path:
    rows = [{'split': 'train'}, {'split': 'val'}, {'split': 'val', 'source': 'camvid'}]
    return make_index(tmp_path / 'own', [{'picture': picture_of(0), **row} for row in rows])


def test_an_index_is_named_by_its_path_or_folder(index: Path) -> None:
    for data in (index, index.parent, str(index), str(index.parent)):
        assert [row.source for row in read_annotated(data, 'train')] == ['made']


def test_several_data_sets_are_read_as_one(index: Path, idd: Path) -> None:
    rows = read_all([index.parent, f'idd_lite:{idd}'], 'train')
    assert [row.source for row in rows] == ['made', 'idd_lite', 'idd_lite']


def test_one_of_several_data_sets_must_have_the_split(index: Path, idd: Path) -> None:
    data = [index.parent, f'idd_lite:{idd}']
    assert [row.source for row in read_all(data, 'val')] == ['made', 'camvid']
    words = r"own, idd_lite:.* has no picture of split 'test'; it has the splits train, val; name"
    with pytest.raises(ValueError, match=words):
        read_all(data, 'test')
    with pytest.raises(FileNotFoundError, match=r"idd finds no picture of split 'val'"):
        read_all([*data, f'idd:{idd / "nothing"}'], 'val')


def test_sources_may_be_left_out(index: Path, idd: Path) -> None:
    data = [index, f'idd_lite:{idd}']
    assert [row.source for row in read_all(data, 'val', ['camvid', 'idd_lite'])] == ['made']
    # of another split, but not unknown
    assert [row.source for row in read_all(data, 'train', ['camvid', 'idd_lite'])] == ['made']
    with pytest.raises(ValueError, match=r"split 'train' outside idd_lite, made; it has the spl"):
        read_all(data, 'train', ['made', 'idd_lite'])


def test_a_misspelt_source_is_not_left_out_in_silence(index: Path, idd: Path) -> None:
    words = r'has no picture of camvidd; it has the sources camvid, idd_lite, made$'
    with pytest.raises(ValueError, match=words):
        read_all([index, f'idd_lite:{idd}'], 'train', ['camvidd', 'made'])


def test_what_was_found_is_logged(idd: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        read_annotated(f'idd_lite:{idd}', 'train')
    words = '2 pictures of split train, 1 with labels, 0 with depth, 0 with normals'
    assert f'idd_lite:{idd}: {words}' in caplog.text


def test_a_folder_with_a_colon_is_no_layout(tmp_path: Path) -> None:
    folder = tmp_path / 'idd:2019'
    make_index(folder, [{'picture': picture_of(0)}])
    assert len(read_annotated(folder)) == 1
    assert folder_of(folder) == folder


def test_unknown_layouts_are_refused_with_the_known_ones() -> None:
    words = r"layout 'kitti' of kitti:/data is unknown; .* kitti_raw, kitti_depth, .*, nyud$"
    with pytest.raises(ValueError, match=words):
        read_annotated('kitti:/data', 'train')


@pytest.mark.parametrize('name', [name for name in LAYOUTS if name != 'nyud'])
def test_an_empty_folder_is_told_what_is_expected(name: str, tmp_path: Path) -> None:
    words = rf"layout {name} finds no picture of split 'train': {tmp_path}/\S+.* is expected; unp"
    with pytest.raises(FileNotFoundError, match=words) as error:
        read_annotated(f'{name}:{tmp_path}', 'train')
    assert '{' not in str(error.value)
    with pytest.raises(FileNotFoundError, match=r"split 'any'"):
        read_annotated(f'{name}:{tmp_path}')


def test_another_split_is_told_the_known_ones(idd: Path) -> None:
    with pytest.raises(ValueError, match=r"no picture of split 'dev'; it has the splits train;"):
        read_annotated(f'idd_lite:{idd}', 'dev')


def test_the_folder_of_data_is_known(index: Path, idd: Path) -> None:
    assert folder_of(str(index)) == folder_of(index.parent) == index.parent
    assert folder_of(f'idd_lite:{idd}') == idd
