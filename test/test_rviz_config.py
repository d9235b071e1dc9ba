from math import cos, sin
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from mtl_perception.messages import encode_cloud
from mtl_perception.products import POINTS, TOPICS
from mtl_perception.recordings.kitti import LEFT
from mtl_perception.recordings.kitti_to_bag import CAMERA_FRAMES

IMAGE = 'image'


@pytest.fixture(scope='module')
def scene() -> Any:
    path = Path(__file__).resolve().parents[1] / 'config' / 'perception.rviz'
    return yaml.safe_load(path.read_text())['Visualization Manager']


@pytest.fixture(scope='module')
def topics(scene: Any) -> list[Any]:
    return [display['Topic'] for display in scene['Displays'] if 'Topic' in display]


def test_topics_are_those_of_the_node(topics: list[Any]) -> None:
    shown = {topic['Value'] for topic in topics}
    assert shown <= {IMAGE, *TOPICS}
    assert shown >= {IMAGE, 'segmentation/overlay', 'depth/color', 'points'}


def test_qos_fits_the_publishers(topics: list[Any]) -> None:
    for topic in topics:
        # cameras may offer no more than best effort, the node is reliable
        wanted = 'Best Effort' if topic['Value'] == IMAGE else 'Reliable'
        assert (topic['Reliability Policy'], topic['Durability Policy']) == (wanted, 'Volatile')


def test_the_cloud_is_shown_by_colour_or_by_label(scene: Any) -> None:
    clouds = [one for one in scene['Displays'] if one.get('Topic', {}).get('Value') == POINTS]
    colour, label = clouds
    assert (colour['Color Transformer'], label['Color Transformer']) == ('RGB8', 'Intensity')
    # they are at one place
    assert [cloud['Enabled'] for cloud in clouds] == [True, False]
    labels = np.zeros((1, 1), np.uint8)
    fields = encode_cloud(
        np.zeros((1, 1, 3), np.float32), labels[..., None].repeat(3, 2), labels, None
    )
    assert label['Channel Name'] in {field.name for field in fields.fields}


def test_the_view_is_from_behind_and_above_the_camera(scene: Any) -> None:
    """RViz's orbit: an eye at a distance from the focal point, up is as near to z as can be."""
    view, frame = scene['Views']['Current'], scene['Global Options']['Fixed Frame']
    assert frame == CAMERA_FRAMES[LEFT]
    yaw, pitch = view['Yaw'], view['Pitch']
    focus = np.array([view['Focal Point'][axis] for axis in 'XYZ'])
    backwards = np.array([cos(yaw) * cos(pitch), sin(yaw) * cos(pitch), sin(pitch)])
    right, down, ahead = focus + view['Distance'] * backwards
    assert abs(right) < 0.1
    assert -15 < down < -3
    assert -20 < ahead < 0
    up = np.array([0.0, 0.0, 1.0]) - backwards[2] * backwards
    assert (up / np.linalg.norm(up))[1] < -0.8
