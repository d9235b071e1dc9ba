"""Pictures from files, folders and videos, one after the other."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from .annotations.picture_files import PictureFile
from .bags import check_bag, is_called_bag

PICTURE_SUFFIXES = ('.png', '.jpg', '.jpeg', '.bmp', '.webp', '.tif', '.tiff', '.ppm', '.pgm')
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mpg', '.mpeg')

# a relative path without suffix, and the picture (H, W, 3) RGB, or None if it cannot be read
NamedPicture = tuple[Path, NDArray[np.uint8] | None]


@dataclass(frozen=True)
class Source:
    """A picture, a folder or a video: its name, how many pictures if that is known, and these.

    A picture is called as its file, in a folder by its path there, the frames of a video
    `<video>/000000` and so on. Only a video has a rate.
    """

    name: str
    count: int | None
    read: Callable[[], Iterator[NamedPicture]]
    rate_hz: float | None = None


def open_sources(paths: Sequence[Path], but: Collection[Path] = ()) -> list[Source]:
    """Look at pictures, videos, and folders of pictures with all the folders in them.

    `but` are folders whose pictures are left out of the folders that they lie in.
    Raises FileNotFoundError if a path does not exist or a folder has no pictures, ValueError if
    a file is neither picture nor video, or if two would bear the same name.
    """
    named = [(name, path, file) for path in paths for name, file in _files(path, but)]
    owners: dict[Path, Path] = {}
    for name, _, file in named:
        if name in owners:
            raise ValueError(
                f'{owners[name]} and {file} would both be called {name}; '
                'rename one, or predict them into different folders'
            )
        owners[name] = file
    for name, file in owners.items():
        for video in name.parents:
            if video in owners and _is_video(owners[video]):
                raise ValueError(
                    f'{file} would be called as a frame of {owners[video]}; rename one, or '
                    'predict them into different folders'
                )
    sources = []
    for path in paths:
        files = {name: file for name, owner, file in named if owner is path}
        sources.append(_video(path) if _is_video(path) else _still(path, files))
    return sources


def _is_video(path: Path) -> bool:
    return path.suffix.lower() in VIDEO_SUFFIXES and not path.is_dir()


def _files(path: Path, but: Collection[Path]) -> list[tuple[Path, Path]]:
    """List the files that a path stands for, each under its name."""
    if not path.exists():
        raise FileNotFoundError(f'{path} does not exist; give a picture, folder, video or bag')
    if path.is_dir():
        root, others = path.resolve(), [folder.resolve() for folder in but]
        left_out = {path / other.relative_to(root) for other in others if root in other.parents}
        files = sorted(
            file
            for file in path.rglob('*')
            if _is_picture(file) and left_out.isdisjoint(file.parents)
        )
        if not files:
            if any(is_called_bag(file) for file in path.iterdir()):
                check_bag(path)
            raise FileNotFoundError(
                f'folder {path} has no picture ({", ".join(PICTURE_SUFFIXES)}), nor the '
                'metadata.yaml of a bag; give another'
            )
        return [(file.relative_to(path).with_suffix(''), file) for file in files]
    if is_called_bag(path):
        check_bag(path)
    if path.suffix.lower() not in (*PICTURE_SUFFIXES, *VIDEO_SUFFIXES):
        raise ValueError(
            f'{path} is neither a picture ({", ".join(PICTURE_SUFFIXES)}) nor a video '
            f'({", ".join(VIDEO_SUFFIXES)}); convert it to one of these'
        )
    return [(Path(path.stem), path)]


def _is_picture(path: Path) -> bool:
    # macOS keeps a file ._NAME beside NAME where it copies to another file system
    is_named_so = path.suffix.lower() in PICTURE_SUFFIXES and not path.name.startswith('._')
    return is_named_so and path.is_file()


def _still(path: Path, files: Mapping[Path, Path]) -> Source:
    return Source(path.name, len(files), partial(_read_stills, files))


def _read_stills(files: Mapping[Path, Path]) -> Iterator[NamedPicture]:
    for name, file in files.items():
        try:
            picture = PictureFile(file).read()
        except ValueError:
            yield name, None
        else:
            yield name, picture


def _video(path: Path) -> Source:
    """Open a video to learn its rate; what its header says of the count is but an estimate."""
    check_video_name(path)
    capture = cv2.VideoCapture(str(path))
    rate_hz, count = capture.get(cv2.CAP_PROP_FPS), int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    has_frames = capture.grab()
    capture.release()
    if not has_frames:
        raise ValueError(
            f'{path} is no video that OpenCV reads a frame of; convert it, as to H.264 in .mp4'
        )
    usable = 0 < rate_hz < 1000
    return Source(
        path.name, max(count, 0) or None, partial(_read_video, path), rate_hz if usable else 25.0
    )


def check_video_name(path: Path) -> None:
    """Raise ValueError if a path is not UTF-8, on which OpenCV crashes."""
    try:
        str(path).encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f'{str(path)!a} is not UTF-8, and OpenCV opens no such video; rename it'
        ) from error


def _read_video(path: Path) -> Iterator[NamedPicture]:
    capture = cv2.VideoCapture(str(path))
    try:
        number = 0
        while (frame := capture.read()[1]) is not None:
            yield Path(path.stem, f'{number:06}'), cv2.cvtColor(frame, cv2.COLOR_BGR2RGB)
            number += 1
    finally:
        capture.release()
