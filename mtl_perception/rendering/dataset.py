"""The verb render: rendered frames as a dataset for training, by several processes, resumable."""

import argparse
from collections.abc import Callable
from concurrent.futures import as_completed, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
import csv
from dataclasses import asdict
from functools import cache, partial
import json
import logging
import math
import multiprocessing
import os
from pathlib import Path
import threading
from typing import Any

import cv2
import numpy as np
from tqdm import tqdm

from mtl_perception.argument_types import count, natural, share
from mtl_perception.geometry import Intrinsics
from mtl_perception.label_space import label_space
from mtl_perception.recordings.annotations.picture_files import PictureFile, write_image
from mtl_perception.recordings.dataset_index import (
    check_settings,
    COLUMNS,
    encode_depth,
    encode_normals,
    OPTIONAL_COLUMNS,
    read_index,
)
from mtl_perception.visualization import colour_depth, colour_labels

from .drive import Frame, Studio, VIEWS_PER_SCENE
from .opengl.renderer import SKY
from .ranges import KITTI_CAMERA, Ranges

log = logging.getLogger(__name__)

SOURCE, LABEL_SPACE, LICENCE = 'rendered', 'road8', 'Apache-2.0'
# the pose takes points of the optical frame to the scene's frame: 3 x 4 numbers, row by row
POSE_COLUMNS = tuple(f'pose_{row}{column}' for row in range(3) for column in range(4))
INDEX_COLUMNS = (*COLUMNS, *OPTIONAL_COLUMNS, *POSE_COLUMNS)
# of 20 scenes, the last is kept for validation
VALIDATION_EVERY = 20
# what all scenes of a folder are rendered with
SETTINGS = 'settings.json'
SHEET_ROWS, SHEET_PX, SHEET_RANGE_M = 12, (621, 188), (2.0, 80.0)

_studio: Callable[[], Studio] | None = None


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of the verb."""
    parser.add_argument('folder', type=Path, help='folder to write; goes on where it stopped')
    parser.add_argument(
        '--frames',
        type=count,
        default=2000,
        help=f'rounded up to whole scenes of {VIEWS_PER_SCENE}; default: 2000',
    )
    parser.add_argument('--seed', type=natural, default=0, help='of the first scene')
    parser.add_argument(
        '--queues', type=share, default=0.0, help='share of the scenes with a traffic jam'
    )
    parser.add_argument(
        '--alleys', type=share, default=0.0, help='share of the scenes in a narrow street'
    )
    parser.add_argument(
        '--islands',
        type=share,
        default=0.0,
        help='share of the scenes in a town street that traffic islands divide',
    )
    parser.add_argument('--processes', type=count, default=os.cpu_count() or 1)
    parser.add_argument('--samples', type=count, default=2, help='samples of a pixel')
    parser.add_argument(
        '--camera',
        type=float,
        nargs=6,
        metavar=('FX', 'FY', 'CX', 'CY', 'WIDTH', 'HEIGHT'),
        help="another camera than KITTI's, in pixels",
    )
    parser.add_argument(
        '--camera-height',
        type=float,
        nargs=2,
        default=Ranges().camera_height,
        metavar=('LOW', 'HIGH'),
        help='range of its heights above the road, in metres; default: %(default)s',
    )


def run(arguments: argparse.Namespace) -> int:
    """Render what is not there yet, and write the index of all."""
    camera = KITTI_CAMERA
    if arguments.camera:
        fx, fy, cx, cy, width, height = arguments.camera
        camera = Intrinsics(fx, fy, cx, cy, int(width), int(height))
    scenes = -(-arguments.frames // VIEWS_PER_SCENE)
    seeds = range(arguments.seed, arguments.seed + scenes)
    low, high = arguments.camera_height
    if not 0 < low <= high < math.inf:
        raise ValueError(f'--camera-height is {low} {high}; expected 0 < LOW <= HIGH, in metres')
    ranges = Ranges(
        queues=arguments.queues,
        alleys=arguments.alleys,
        islands=arguments.islands,
        camera_height=(low, high),
    )
    render(arguments.folder, seeds, camera, ranges, arguments.processes, arguments.samples)
    written = write_index(arguments.folder)
    sheet = write_contact_sheet(arguments.folder)
    print(f'wrote {arguments.folder}/index.csv with {written} frames; look at {sheet}')
    return 0


def render(
    folder: Path,
    seeds: range,
    camera: Intrinsics,
    ranges: Ranges,
    processes: int,
    samples: int = 2,
) -> None:
    """Render the scenes of seeds that folder does not hold yet.

    Raises ValueError if it holds scenes of other settings, OSError if a process cannot render.
    """
    (folder / 'scenes').mkdir(parents=True, exist_ok=True)
    _keep_settings(folder, camera, ranges, samples)
    missing = [seed for seed in seeds if not _rows_path(folder, seed).is_file()]
    # each process draws with one thread of its own, which beats many threads on one picture
    os.environ['LP_NUM_THREADS'] = '1'
    with ProcessPoolExecutor(
        processes,
        mp_context=multiprocessing.get_context('spawn'),
        initializer=_prepare,
        initargs=(camera, ranges, samples),
    ) as pool:
        work = [pool.submit(_render_scene, folder, seed) for seed in missing]
        bar = tqdm(total=len(seeds), initial=len(seeds) - len(missing), unit='scene')
        try:
            for done in as_completed(work):
                done.result()
                bar.update()
        except BrokenProcessPool as error:
            raise OSError(
                f'{error} It may have run out of memory: give fewer --processes'
            ) from error
        finally:
            bar.close()
            pool.shutdown(cancel_futures=True)


def _keep_settings(folder: Path, camera: Intrinsics, ranges: Ranges, samples: int) -> None:
    """Write what a folder is rendered with beside its scenes, or compare it with what is there."""
    path, scene = folder / SETTINGS, next((folder / 'scenes').glob('*.csv'), None)
    content = json.dumps({**asdict(camera), 'samples': samples, **asdict(ranges)}, indent=2) + '\n'
    # as it will be read
    wanted = json.loads(content)
    if scene is None:
        there = wanted
    elif path.is_file():
        # what a folder's settings do not have is younger than they are
        there = wanted | json.loads(path.read_text())
    else:
        there = wanted | _read_camera(folder, scene)
        log.warning('%s has no %s: only its camera can be compared', folder, SETTINGS)
    check_settings(folder, 'rendered', there, wanted)
    if scene is None or not path.is_file():
        path.write_text(content)


def _read_camera(folder: Path, scene: Path) -> dict[str, float]:
    """Read the camera of a scene off its first frame."""
    with scene.open(newline='') as file:
        row = next(csv.DictReader(file))
    height, width = PictureFile(folder / row['image']).read().shape[:2]
    focal = {name: float(row[name]) for name in ('fx_px', 'fy_px', 'cx_px', 'cy_px')}
    return {**focal, 'width': width, 'height': height}


def write_index(folder: Path) -> int:
    """Write index.csv of all whole scenes in a folder; give the number of frames."""
    rows = []
    for path in sorted((folder / 'scenes').glob('*.csv')):
        with path.open(newline='') as file:
            rows += list(csv.DictReader(file))
    _write_rows(folder / 'index.csv', rows)
    return len(rows)


def write_contact_sheet(folder: Path) -> Path:
    """Draw some frames of a folder: picture, labels, depth in a row; give the picture's path."""
    rows = read_index(folder / 'index.csv')
    space, lines = label_space(LABEL_SPACE), []
    for index in np.linspace(0, len(rows) - 1, min(SHEET_ROWS, len(rows))).astype(int):
        labels, depth = rows[index].read_labels(), rows[index].read_depth()
        if labels is None or depth is None:
            raise ValueError(f'{folder}/index.csv is not of rendered frames: labels are missing')
        depth_m = np.where(labels == SKY, np.float32(np.inf), depth)
        views = (
            *(rows[index].read_picture(), colour_labels(labels, space)),
            colour_depth(depth_m, SHEET_RANGE_M),
        )
        lines.append(
            np.hstack([cv2.resize(v, SHEET_PX, interpolation=cv2.INTER_AREA) for v in views])
        )
    return folder / write_image(folder, 'contact_sheet.jpg', np.vstack(lines)[..., ::-1])


def _prepare(camera: Intrinsics, ranges: Ranges, samples: int) -> None:
    global _studio
    threading.Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)
    # opened by the first scene, which hands on why it cannot be; here it would break the pool
    _studio = cache(partial(Studio, camera, ranges, samples))


def _end_with_parent() -> None:
    """End this process when the one that began it is killed: nobody takes its scenes any more."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _render_scene(folder: Path, seed: int) -> None:
    if _studio is None:
        raise RuntimeError('the process has no studio')
    studio = _studio()
    split = 'val' if seed % VALIDATION_EVERY == VALIDATION_EVERY - 1 else 'train'
    rows = [
        write_frame(folder, f'{seed:06}_{index:02}', frame, studio.intrinsics, split)
        for index, frame in enumerate(studio.views(seed))
    ]
    _write_rows(_rows_path(folder, seed), rows)


def write_frame(
    folder: Path, name: str, frame: Frame, camera: Intrinsics, split: str
) -> dict[str, Any]:
    """Write the files of a frame; give its row of the index."""
    paths = {
        'image': write_picture(folder, f'images/{name}.jpg', frame),
        'labels': write_image(folder, f'labels/{name}.png', frame.truth.labels),
        'depth': write_image(folder, f'depth/{name}.png', encode_depth(frame.truth.depth)),
        'normals': write_image(folder, f'normals/{name}.png', encode_normals(frame.truth.normals)),
    }
    known = {
        **{'label_space': LABEL_SPACE, 'label_source': 'rendered', 'depth_source': 'rendered'},
        **{'fx_px': camera.fx_px, 'fy_px': camera.fy_px},
        **{'cx_px': camera.cx_px, 'cy_px': camera.cy_px},
        **{'split': split, 'source': SOURCE, 'licence': LICENCE},
    }
    pose = dict(zip(POSE_COLUMNS, frame.moment.camera[:3].ravel().round(6).tolist(), strict=True))
    return {**paths, **known, **pose}


def write_picture(folder: Path, name: str, frame: Frame) -> str:
    """Write a frame's picture as a JPEG; give its name. Raises OSError if it cannot be."""
    quality = [cv2.IMWRITE_JPEG_QUALITY, frame.jpeg_quality]
    return write_image(folder, name, frame.picture[..., ::-1], quality)


def _rows_path(folder: Path, seed: int) -> Path:
    return folder / 'scenes' / f'{seed:06}.csv'


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    """Write rows, whole or not at all."""
    part = path.with_suffix('.part')
    with part.open('w', newline='') as file:
        writer = csv.DictWriter(file, INDEX_COLUMNS)
        writer.writeheader()
        writer.writerows(rows)
    part.replace(path)
