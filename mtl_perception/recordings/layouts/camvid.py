"""CamVid: SegNet's folders of 11 classes, or the original release of 32 painted colours."""

from pathlib import Path

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.annotations.label_files import ColourLabelFile, LabelFile
from mtl_perception.recordings.annotations.picture_files import PictureFile

PICTURES = '{split}/<name>.png (SegNet) or 701_StillsRaw_full/<name>.png'
_STILLS, _PAINTED = '701_StillsRaw_full', 'LabeledApproved_full'
# in SegNet's annotations
_VOID = 11


def read(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read a split of whichever release lies in the folder; labels may be missing.

    The original release has no split; the usual one of Sturgess et al. (BMVC 2009) is taken:
    367 pictures to train, 101 to validate, 233 to test.
    """
    if (folder / _STILLS).is_dir():
        paths = sorted((folder / _STILLS).glob('*.png'))
        return [_painted(folder, path, split) for path in paths if split_of(path.stem) == split]
    return [_numbered(folder, path, split) for path in sorted((folder / split).glob('*.png'))]


def split_of(name: str) -> str:
    """Give the usual split of a picture of the original release, as 0016E5_07959 or 0001TP_…."""
    sequence, _, number = name.partition('_')
    frame = int(number) if number.isdecimal() else 0
    if sequence == 'Seq05VD' or (sequence == '0001TP' and frame > 8520):
        return 'test'
    return 'val' if sequence == '0016E5' and 7959 <= frame <= 8159 else 'train'


def _painted(folder: Path, picture: Path, split: str) -> AnnotatedPicture:
    labels = folder / _PAINTED / f'{picture.stem}_L.png'
    annotation = ColourLabelFile(labels, 'camvid31') if labels.is_file() else None
    return _annotated(picture, split, annotation, 'camvid31')


def _numbered(folder: Path, picture: Path, split: str) -> AnnotatedPicture:
    labels = folder / f'{split}annot' / picture.name
    annotation = LabelFile(labels, _VOID) if labels.is_file() else None
    return _annotated(picture, split, annotation, 'camvid11')


def _annotated(
    picture: Path, split: str, labels: LabelFile | ColourLabelFile | None, space: str
) -> AnnotatedPicture:
    return AnnotatedPicture(
        picture=PictureFile(picture),
        source='camvid',
        split=split,
        licence='CamVid, for research',
        labels=labels,
        label_space=space,
        label_source='human',
    )
