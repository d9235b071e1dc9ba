"""KITTI's single scenes: semantics, stereo 2015 (the same 200 pictures), stereo 2012."""

from dataclasses import replace
from pathlib import Path

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture
from mtl_perception.recordings.annotations.label_files import ColourLabelFile, LabelFile
from mtl_perception.recordings.annotations.picture_files import DisparityFile, PictureFile
from mtl_perception.recordings.kitti import Calibration

SCENES_2015 = 'training/image_2/<number>_10.png'
SCENES_2012 = 'training/colored_0/<number>_10.png'
LICENCE = 'CC BY-NC-SA 3.0 (KITTI)'
# the benchmarks keep their test annotations; of the others every fifth scene, from 0, validates
VALIDATION_EVERY = 5


def read_semantics(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read the scenes of 2015; see read_stereo_2015, which gives them another source."""
    return _read_2015(folder, split, 'kitti_semantics')


def read_stereo_2015(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read the scenes of 2015: labels, disparity and calibration as far as they are unpacked.

    Scene n is of split `val` if n is divisible by 5, and else of `train`. Raises
    FileNotFoundError if there is a disparity without calibration.
    """
    return _read_2015(folder, split, 'kitti_stereo_2015')


def read_stereo_2012(folder: Path, split: str) -> list[AnnotatedPicture]:
    """Read the scenes of 2012: colour pictures, grey ones where there are none, disparity.

    Split and errors are those of read_stereo_2015. As the development kit has it, a disparity
    is one between the cameras 0 and 1.
    """
    training = folder / 'training'
    colour = (training / 'colored_0').is_dir()
    pictures = []
    for path in _scenes(training / ('colored_0' if colour else 'image_0'), split):
        calibration = training / 'calib' / _calibration_name(path)
        disparity = _first(training, ('disp_occ', 'disp_noc'), path.name)
        pictures.append(
            _annotated(path, split, 'kitti_stereo_2012', disparity, calibration, ('P0', 'P1'))
        )
    return pictures


def _read_2015(folder: Path, split: str, source: str) -> list[AnnotatedPicture]:
    training = folder / 'training'
    pictures = []
    for path in _scenes(training / 'image_2', split):
        calibration = training / 'calib_cam_to_cam' / _calibration_name(path)
        disparity = _first(training, ('disp_occ_0', 'disp_noc_0'), path.name)
        cameras = ('P_rect_02', 'P_rect_03')
        scene = _annotated(path, split, source, disparity, calibration, cameras)
        # scenes of 2012 have the same names, and no labels
        pictures.append(replace(scene, labels=_labels(path)))
    return pictures


def _scenes(folder: Path, split: str) -> list[Path]:
    """List the pictures of a split at the time of the annotations, <number>_10.png."""
    paths = (path for path in sorted(folder.glob('*_10.png')) if path.stem[:-3].isdecimal())
    return [path for path in paths if _split_of(int(path.stem[:-3])) == split]


def _split_of(number: int) -> str:
    return 'train' if number % VALIDATION_EVERY else 'val'


def _calibration_name(picture: Path) -> str:
    return f'{picture.stem.removesuffix("_10")}.txt'


def _first(training: Path, folders: tuple[str, ...], name: str) -> Path | None:
    """Give the first file of that name that is there: all pixels rather than unoccluded ones."""
    paths = (training / folder / name for folder in folders)
    return next((path for path in paths if path.is_file()), None)


def _annotated(
    picture: Path,
    split: str,
    source: str,
    disparity: Path | None,
    calibration: Path,
    cameras: tuple[str, str],
) -> AnnotatedPicture:
    f_px = row = depth = None
    if disparity or calibration.is_file():
        values = Calibration(calibration)
        left, right = (values.values(camera, 12) for camera in cameras)
        f_px, row = float(left[0]), float(left[6])
        # P[3] is minus the focal length times a camera's place to the right, in metres
        f_baseline = float(left[3] - right[3])
        depth = DisparityFile(disparity, f_baseline) if disparity else None
    return AnnotatedPicture(
        picture=PictureFile(picture),
        source=source,
        split=split,
        licence=LICENCE,
        label_space='cityscapes34',
        label_source='human',
        depth=depth,
        depth_source='lidar',
        f_px=f_px,
        principal_row=row,
    )


def _labels(picture: Path) -> LabelFile | ColourLabelFile | None:
    training = picture.parents[1]
    ids, painted = (training / name / picture.name for name in ('semantic', 'semantic_rgb'))
    if ids.is_file():
        return LabelFile(ids)
    return ColourLabelFile(painted, 'cityscapes34') if painted.is_file() else None
