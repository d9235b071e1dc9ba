"""One valid set of the node's parameters."""

from collections.abc import Mapping
from dataclasses import dataclass, Field, fields
import math
import re
from typing import Any

from mtl_perception.backends import PRECISIONS
from mtl_perception.label_space import LABEL_SPACES
from mtl_perception.messages import MAX_SIDE_PX
from mtl_perception.products import (
    DEPTH_ENCODINGS,
    ObstacleFilter,
    ProductSettings,
    UNLABELLED_CLASS,
)
from mtl_perception.ros.parameters.definition import check, name_of, parameter

# an engine keeps eight compiled networks; each number of cameras in a pass needs one at least
MAX_CAMERAS = 8
_CAMERA_NAME = re.compile(r'[A-Za-z]\w*(/[A-Za-z]\w*)*', re.ASCII)


@dataclass(frozen=True)
class Parameters:
    """One valid set of parameters. Raises ValueError if a value, or the set, does not fit."""

    autostart: bool = parameter(
        True, 'configure and activate by itself; false under a lifecycle manager'
    )
    weights: str = parameter(
        'road8', 'name of a model in the weights folder, or path of a .safetensors', fixed=True
    )
    device: str = parameter('auto', 'auto, cpu or cuda:N', fixed=True)
    backend: str = parameter('auto', 'runtime: auto, torch, openvino or onnxruntime', fixed=True)
    precision: str = parameter(
        'auto',
        'what the network computes in; auto: the fastest that runtime and machine have; int8 and '
        'bf16 on a CPU need one with bfloat16',
        choices=('auto', *PRECISIONS),
        fixed=True,
    )
    scale: float = parameter(
        1.0,
        'look at pictures reduced by this; all outputs and their camera_info are reduced, too, '
        'and so is how far depth reaches',
        limits=(0.05, 1.0),
        fixed=True,
    )
    warm_up_width: int = parameter(
        0,
        'width of the pictures to compile for at configure; 0: what the model was trained on',
        limits=(0, MAX_SIDE_PX),
        fixed=True,
    )
    warm_up_height: int = parameter(
        0, 'height of those pictures; 0 with a width of 0', limits=(0, MAX_SIDE_PX), fixed=True
    )
    cameras: tuple[str, ...] = parameter(
        ('',), 'prefixes of the topics of several cameras; empty: one, without', fixed=True
    )
    batch_window_ms: float = parameter(
        10.0,
        'a frame waits so long for those of the other cameras, to share a pass of the network',
        limits=(0.0, 1000.0),
    )
    image_transport: str = parameter(
        'raw',
        'raw subscribes to image, compressed to image/compressed',
        choices=('raw', 'compressed'),
        fixed=True,
    )
    reliability: str = parameter(
        'auto',
        'reliability of the subscriptions; auto: reliable if all publishers offer it',
        choices=('auto', 'reliable', 'best_effort'),
        fixed=True,
    )
    confidence_threshold: float = parameter(
        ProductSettings.confidence_threshold,
        'labels of less confidence become 255, unlabelled; 0: off',
        limits=(0.0, 1.0),
    )
    overlay_opacity: float = parameter(
        ProductSettings.overlay_opacity,
        'of the label colours over the picture',
        limits=(0.0, 1.0),
    )
    depth_encoding: str = parameter(
        ProductSettings.depth_encoding,
        '32FC1: metres, NaN unknown, +Inf sky or beyond range; 16UC1: millimetres, 0 for all of '
        'these and beyond 65.535 m',
        choices=DEPTH_ENCODINGS,
        fixed=True,
    )
    focal_correction: bool = parameter(
        True, 'multiply depth by f_camera / f_training once camera_info is there'
    )
    depth_scale: float = parameter(
        1.0,
        'multiply depth by this, after the focal correction',
        limits=(0.001, 1000.0),
        per_camera=True,
    )
    camera_height_m: float = parameter(
        ObstacleFilter.camera_height_m,
        'height of the camera above the ground; 0: not known',
        limits=(0.0, 1000.0),
        per_camera=True,
    )
    camera_pitch_deg: float = parameter(
        ObstacleFilter.camera_pitch_deg,
        'how far the camera looks down from the horizon',
        limits=(-90.0, 90.0),
        per_camera=True,
    )
    ground_check: bool = parameter(
        False,
        'compare how far below the camera depth has the ground with camera_height_m',
        name='ground.check',
    )
    ground_apply: bool = parameter(
        False, 'multiply depth by what the ground says, too', name='ground.apply'
    )
    ground_max_error: float = parameter(
        0.2,
        'deviation of the scale from 1 that is a warning',
        name='ground.max_error',
        limits=(0.0, 10.0),
    )
    depth_color_near_m: float = parameter(
        ProductSettings.depth_colour_range_m[0],
        'depth of the warmest colour',
        name='depth_color.near_m',
        limits=(0.01, 10000.0),
    )
    depth_color_far_m: float = parameter(
        ProductSettings.depth_colour_range_m[1],
        'depth of the coldest colour',
        name='depth_color.far_m',
        limits=(0.0, 10000.0),
    )
    points_stride: int = parameter(
        1,
        'a point for each stride-th pixel and row, of obstacles too',
        name='points.stride',
        limits=(1, 64),
    )
    obstacles_excluded_classes: tuple[str, ...] = parameter(
        ObstacleFilter.excluded_classes,
        'names of classes that are no obstacles; those that the model lacks are passed over',
        name='obstacles.excluded_classes',
    )
    obstacles_min_confidence: float = parameter(
        ObstacleFilter.min_confidence,
        'of an obstacle',
        name='obstacles.min_confidence',
        limits=(0.0, 1.0),
    )
    obstacles_min_range_m: float = parameter(
        ObstacleFilter.range_m[0],
        'nearest obstacle to the camera',
        name='obstacles.min_range_m',
        limits=(0.0, 10000.0),
    )
    obstacles_max_range_m: float = parameter(
        ObstacleFilter.range_m[1],
        'farthest obstacle',
        name='obstacles.max_range_m',
        limits=(0.0, 10000.0),
    )
    obstacles_min_height_m: float = parameter(
        ObstacleFilter.height_m[0],
        'lowest point of an obstacle above the ground, if camera_height_m is known',
        name='obstacles.min_height_m',
        limits=(-1000.0, 1000.0),
    )
    obstacles_max_height_m: float = parameter(
        ObstacleFilter.height_m[1],
        'highest point, likewise',
        name='obstacles.max_height_m',
        limits=(-1000.0, 1000.0),
    )
    lidar_check: bool = parameter(
        False, 'subscribe to lidar and compare depth with it', name='lidar.check', fixed=True
    )
    lidar_apply: bool = parameter(
        False, 'multiply depth by what the lidar says, too', name='lidar.apply'
    )
    lidar_translation_m: tuple[float, ...] = parameter(
        (0.0, 0.0, 0.0),
        "where the lidar is in the camera's optical frame: x right, y down, z ahead",
        name='lidar.translation_m',
        length=3,
        limits=(-1000.0, 1000.0),
        per_camera=True,
    )
    lidar_rotation_xyzw: tuple[float, ...] = parameter(
        (0.5, -0.5, 0.5, 0.5),
        'quaternion from the lidar (x ahead, z up, by default) to the optical frame',
        name='lidar.rotation_xyzw',
        length=4,
        limits=(-1.0, 1.0),
        per_camera=True,
    )
    lidar_max_offset_s: float = parameter(
        0.1,
        'between the stamps of a sweep and of the frame that it is compared with',
        name='lidar.max_offset_s',
        limits=(0.0, 10.0),
    )
    lidar_max_error: float = parameter(
        0.1,
        'deviation of the scale from 1 that is a warning',
        name='lidar.max_error',
        limits=(0.0, 10.0),
    )
    diagnostics_no_image_s: float = parameter(
        2.0,
        'without an image for so long the diagnostics say so',
        name='diagnostics.no_image_s',
        limits=(0.1, 3600.0),
    )
    diagnostics_max_latency_ms: float = parameter(
        500.0,
        'from the arrival of an image to its answer; a p95 above it is a warning',
        name='diagnostics.max_latency_ms',
        limits=(0.0, 60000.0),
    )
    diagnostics_max_skipped: float = parameter(
        0.5,
        'share of the images that newer ones may replace; more is a warning',
        name='diagnostics.max_skipped',
        limits=(0.0, 1.0),
    )

    def __post_init__(self) -> None:
        """Check each value, then whether they fit together."""
        for one in fields(self):
            check(one, getattr(self, one.name))
        for low, high in (
            ('depth_color.near_m', 'depth_color.far_m'),
            ('obstacles.min_range_m', 'obstacles.max_range_m'),
            ('obstacles.min_height_m', 'obstacles.max_height_m'),
        ):
            low_value, high_value = (getattr(self, FIELDS[name].name) for name in (low, high))
            if low_value >= high_value:
                raise ValueError(
                    f'{low} {low_value} is not below {high} {high_value}; set both at once'
                )
        if (self.warm_up_width == 0) != (self.warm_up_height == 0):
            raise ValueError(
                f'the warm-up size is {self.warm_up_width}x{self.warm_up_height}; give both '
                'sides, or 0x0 for what the model was trained on'
            )
        _check_cameras(self.cameras)
        _check_classes(self.obstacles_excluded_classes)
        self._check_lidar()
        self._check_ground()

    @property
    def camera_names(self) -> tuple[str, ...]:
        """The names of the cameras; one, '', where there is no prefix."""
        return self.cameras or ('',)

    def _check_lidar(self) -> None:
        if self.lidar_apply and not self.lidar_check:
            raise ValueError('lidar.apply is true and lidar.check false; set lidar.check as well')
        norm = math.hypot(*self.lidar_rotation_xyzw)
        if abs(norm - 1) > 0.01:
            raise ValueError(
                f'lidar.rotation_xyzw {self.lidar_rotation_xyzw} has length {norm:.3f}; a '
                'rotation has 1'
            )

    def _check_ground(self) -> None:
        if self.ground_apply and not self.ground_check:
            raise ValueError(
                'ground.apply is true and ground.check false; set ground.check as well'
            )
        if self.ground_apply and self.lidar_apply:
            raise ValueError(
                'ground.apply and lidar.apply are both true; depth has one scale, set one of them'
            )


# ROS name → field
FIELDS: Mapping[str, Field[Any]] = {name_of(one): one for one in fields(Parameters)}


def _check_cameras(cameras: tuple[str, ...]) -> None:
    if cameras == ('',):
        return
    wrong = [camera for camera in cameras if not _CAMERA_NAME.fullmatch(camera)]
    if wrong or len(set(cameras)) < len(cameras) or len(cameras) > MAX_CAMERAS:
        raise ValueError(
            f'cameras is [{", ".join(map(repr, cameras))}]; expected at most {MAX_CAMERAS} '
            'different names of letters, digits, _ and /, none starting with a digit'
        )


def _check_classes(names: tuple[str, ...]) -> None:
    known = {name for space in LABEL_SPACES.values() for name in space.names}
    unknown = [name for name in names if name not in known | {UNLABELLED_CLASS, ''}]
    if unknown:
        raise ValueError(
            f'obstacles.excluded_classes has {", ".join(unknown)}, which no label space has; '
            f'choose of {", ".join(sorted(known))}, {UNLABELLED_CLASS}'
        )
