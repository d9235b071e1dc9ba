"""The India Driving Dataset: polygons or label ids of the full set; the lite version's classes."""

from pathlib import Path

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.annotations.label_files import LabelFile, PolygonLabelFile
from mtl_perception.recordings.annotations.picture_files import PictureFile

PICTURES = 'leftImg8bit/{split}/<sequence>/<name>_leftImg8bit.png or .jpg'
LITE_PICTURES = 'leftImg8bit/{split}/<sequence>/<name>_image.jpg'


def read(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read a split of the full set, parts I and II alike; labels may be missing.

    Label pictures that the official tool made from the polygons (with --id-type id or level3Id)
    are taken where they are, since they are read faster.
    """
    return [
        _annotated(picture, split, 'idd', *_labels(folder, picture, split))
        for picture in _pictures(folder, split, '_leftImg8bit')
    ]


def read_lite(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read a split of IDD lite, seven classes; labels may be missing."""
    pictures = []
    for picture in _pictures(folder, split, '_image'):
        labels = _beside(folder, picture, split, '_image', '_label.png')
        annotation = LabelFile(labels) if labels.is_file() else None
        pictures.append(_annotated(picture, split, 'idd_lite', annotation, 'idd_lite7'))
    return pictures


def _pictures(folder: Path, split: str, ending: str) -> list[Path]:
    paths = (folder / 'leftImg8bit' / split).glob(f'*/*{ending}.*')
    return sorted(path for path in paths if path.suffix in ('.png', '.jpg'))


def _beside(folder: Path, picture: Path, split: str, ending: str, label_ending: str) -> Path:
    name = picture.stem.removesuffix(ending) + label_ending
    return folder / 'gtFine' / split / picture.parent.name / name


def _labels(
    folder: Path, picture: Path, split: str
) -> tuple[LabelFile | PolygonLabelFile | None, str]:
    """Give the labels of a picture of the full set and their label space."""
    kinds = (('labelids.png', 'idd40'), ('labellevel3Ids.png', 'idd26'))
    for name, space in kinds:
        path = _beside(folder, picture, split, '_leftImg8bit', f'_gtFine_{name}')
        if path.is_file():
            return LabelFile(path), space
    path = _beside(folder, picture, split, '_leftImg8bit', '_gtFine_polygons.json')
    return (PolygonLabelFile(path, 'idd40') if path.is_file() else None), 'idd40'


def _annotated(
    picture: Path, split: str, source: str, labels: LabelFile | PolygonLabelFile | None, space: str
) -> AnnotatedPicture:
    return AnnotatedPicture(
        picture=PictureFile(picture),
        source=source,
        split=split,
        licence='IDD, for non-commercial research',
        labels=labels,
        label_space=space,
        label_source='human',
    )
