"""What each consumer of docs/consumers.md takes from our topics, by its own rules, over DDS."""

from collections.abc import Iterator
from pathlib import Path
import re
from typing import Any

from conftest import ROOT
from made_weights import make_weights
import numpy as np
import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from consumer_client import (  # noqa: E402
    camera_info,
    ConsumerClient,
    F_PX,
    FRAME,
    HEIGHT,
    key_of,
    LATCHED,
    records,
    RELIABLE,
    SENSOR_DATA,
    WIDTH,
)
from rclpy.qos import ReliabilityPolicy  # noqa: E402
from ros_client import NodeProcess, ros_environment  # noqa: E402
from sensor_msgs.msg import CameraInfo, Image, PointCloud2, PointField  # noqa: E402

from mtl_perception.label_space import label_space  # noqa: E402

CONFIG = ROOT / 'config' / 'consumers'
ROAD8 = label_space('road8')
NOT_OBSTACLES = {ROAD8.id_of(name) for name in ('road', 'sidewalk', 'sky')}
# consumer → the topics it takes, with their type and the QoS that it subscribes with
CONTRACTS: dict[str, dict[str, tuple[type, Any]]] = {
    'nav2_obstacles': {
        'points/obstacles': (PointCloud2, SENSOR_DATA),
        'points': (PointCloud2, SENSOR_DATA),
    },
    'nav2_semantic': {
        'segmentation/labels': (Image, SENSOR_DATA),
        'segmentation/confidence': (Image, SENSOR_DATA),
        'points': (PointCloud2, SENSOR_DATA),
    },
    'depth_image_proc': {
        'depth/image': (Image, RELIABLE),
        'depth/camera_info': (CameraInfo, RELIABLE),
    },
    'depthimage_to_laserscan': {
        'depth/image': (Image, RELIABLE),
        'depth/camera_info': (CameraInfo, RELIABLE),
    },
    'rtabmap': {'depth/image': (Image, SENSOR_DATA), 'depth/camera_info': (CameraInfo, RELIABLE)},
    'nvblox': {
        'depth/image': (Image, RELIABLE),
        'depth/camera_info': (CameraInfo, RELIABLE),
        'segmentation/color': (Image, RELIABLE),
        'segmentation/camera_info': (CameraInfo, RELIABLE),
    },
    'octomap': {'points/obstacles': (PointCloud2, SENSOR_DATA)},
}
consumers = pytest.mark.parametrize('consumer', CONTRACTS)


@pytest.fixture(scope='module')
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ConsumerClient]:
    """A client that subscribes as all consumers together do, and the real node."""
    folder = tmp_path_factory.mktemp('consumers')
    weights = make_weights(folder / 'made.safetensors', {'segmentation': 8, 'depth': 1})
    with pytest.MonkeyPatch.context() as patch:
        for name, value in ros_environment(folder).items():
            patch.setenv(name, value)
        node = NodeProcess(folder, weights=weights, backend='torch')
        client = ConsumerClient()
        try:
            for topic, kind, qos in subscriptions():
                client.listen(kind, topic, qos)
            yield client
        finally:
            client.close()
            node.end()


def subscriptions() -> list[tuple[str, type, Any]]:
    wanted = {
        key_of(topic, qos): (topic, kind, qos)
        for topics in CONTRACTS.values()
        for topic, (kind, qos) in topics.items()
    }
    return list(wanted.values())


def one_frame(client: ConsumerClient, topics: dict[str, tuple[type, Any]]) -> dict[str, Any]:
    """Wait for a frame that came on all topics; give it by topic."""
    found = client.answer([key_of(topic, qos) for topic, (_, qos) in topics.items()])
    return {key.split()[0]: message for key, message in found.items()}


@pytest.fixture
def frame(client: ConsumerClient, consumer: str) -> dict[str, Any]:
    """One frame as the consumer gets it, by topic."""
    return one_frame(client, CONTRACTS[consumer])


@consumers
def test_stamps_are_equal_and_frames_are_the_optical_one(frame: dict[str, Any]) -> None:
    """Exact synchronisers pair by stamp; tf takes the frame."""
    outputs = [message for topic, message in frame.items() if topic != 'image']
    stamps = {(one.header.stamp.sec, one.header.stamp.nanosec) for one in outputs}
    assert len(stamps) == 1
    assert stamps.pop()[1] == 123_456_789
    assert {one.header.frame_id for one in outputs} == {FRAME}


@pytest.mark.parametrize('consumer', ['nav2_obstacles'])
def test_nav2_marks_obstacles_and_clears_by_all_points(frame: dict[str, Any]) -> None:
    """It copies point_step bytes a point without a look at row_step, and reads x y z as float."""
    obstacles, everything = frame['points/obstacles'], frame['points']
    for cloud in (obstacles, everything):
        fields = {field.name: field for field in cloud.fields}
        for axis in 'xyz':
            assert (fields[axis].datatype, fields[axis].count) == (PointField.FLOAT32, 1)
        assert not cloud.is_bigendian
        assert cloud.row_step == cloud.width * cloud.point_step
        assert len(cloud.data) == cloud.height * cloud.row_step
    # only obstacles: what is no class of theirs would close the road
    assert obstacles.height == 1
    marked, all_points = records(obstacles)[0], records(everything)
    assert obstacles.width == len(marked) > 0
    assert np.isfinite([marked[axis] for axis in 'xyz']).all()
    assert not NOT_OBSTACLES.intersection(marked['label'].tolist())
    assert (marked['label'] < len(ROAD8.names)).all()
    # each is one of the points, with the label that it has there
    known = labels_by_place(all_points)
    for point in marked:
        assert known[point['x'], point['y'], point['z']] == point['label']


def labels_by_place(cloud: np.ndarray) -> dict[tuple[float, float, float], int]:
    finite = cloud[np.isfinite(cloud['z'])]
    return {(p['x'], p['y'], p['z']): p['label'] for p in finite}


@pytest.mark.parametrize('consumer', ['nav2_semantic'])
def test_the_semantic_layer_finds_the_point_of_each_label(frame: dict[str, Any]) -> None:
    """It indexes v * width + u, ignores step, and walks the cloud in the same order."""
    labels, confidence = frame['segmentation/labels'], frame['segmentation/confidence']
    cloud = frame['points']
    for image in (labels, confidence):
        assert (image.encoding, image.step) == ('mono8', image.width)
        assert len(image.data) == image.width * image.height
    assert (cloud.height, cloud.width) == (labels.height, labels.width) == (HEIGHT, WIDTH)
    points = records(cloud).reshape(-1)
    np.testing.assert_array_equal(points['label'], np.frombuffer(labels.data, np.uint8))
    np.testing.assert_array_equal(points['confidence'], np.frombuffer(confidence.data, np.uint8))
    # class 0 is sky here: it must be nowhere on the ground
    assert np.isnan(points['z'][points['label'] == ROAD8.id_of('sky')]).all()
    assert np.isfinite(points['z']).any()


def test_depth_image_proc_makes_our_points_of_depth(client: ConsumerClient) -> None:
    """It takes metres as 32FC1 or millimetres as 16UC1, step in whole values, and P."""
    # the frame during which the calibration came has no points
    topics = {**CONTRACTS['depth_image_proc'], 'points': (PointCloud2, SENSOR_DATA)}
    frame = one_frame(client, topics)
    depth, info = frame['depth/image'], frame['depth/camera_info']
    values = depth_of(depth)
    u, v = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    finite = np.isfinite(values)
    z = np.where(finite, values, 0)
    x, y = (u - info.p[2]) * z / info.p[0], (v - info.p[6]) * z / info.p[5]
    points = records(frame['points'])
    np.testing.assert_array_equal(np.isfinite(points['z']), finite)
    for axis, expected in (('x', x), ('y', y), ('z', values)):
        np.testing.assert_allclose(points[axis][finite], expected[finite], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('consumer', ['depthimage_to_laserscan'])
def test_laserscan_finds_its_rows_around_the_principal_point(frame: dict[str, Any]) -> None:
    """It reads rows step / sizeof(value) apart, and needs scan_height rows around cy."""
    depth, info = frame['depth/image'], frame['depth/camera_info']
    given = parameters('depthimage_to_laserscan')
    assert depth.encoding in ('32FC1', '16UC1')
    assert depth.step % depth_of(depth).itemsize == 0
    half = given['scan_height'] / 2
    assert half <= info.p[6] <= depth.height - half
    rows = depth_of(depth)[int(info.p[6] - half) : int(info.p[6] + half)]
    within = (rows >= given['range_min']) & (rows <= given['range_max'])
    assert (within.any(axis=0)).any()


@pytest.mark.parametrize('consumer', ['rtabmap'])
def test_rtabmap_can_pair_depth_with_the_picture(frame: dict[str, Any]) -> None:
    """Exact stamps, one frame, one size: with a camera of one of its encodings."""
    depth, info, image = frame['depth/image'], frame['depth/camera_info'], frame['image']
    given = parameters('rtabmap')
    assert given['approx_sync'] is False
    # numbers of rmw's policies; the camera may offer no more than best effort
    assert given['qos'] == ReliabilityPolicy.BEST_EFFORT
    assert given['qos_camera_info'] == ReliabilityPolicy.RELIABLE
    assert depth.encoding in ('32FC1', '16UC1', 'mono16')
    sizes = {(one.width, one.height) for one in (depth, info, image)}
    assert sizes == {(WIDTH, HEIGHT)}
    assert depth.header.frame_id == image.header.frame_id
    # a depth of 0 means unknown to it, and so does what is not finite
    values = depth_of(depth)
    assert (values[np.isfinite(values)] > 0).all()


@pytest.mark.parametrize('consumer', ['nvblox'])
def test_nvblox_takes_depth_and_colour_without_padding(frame: dict[str, Any]) -> None:
    """It copies height x width values without a look at step; colour must be rgb8 or bgra8."""
    depth, colour = frame['depth/image'], frame['segmentation/color']
    assert (depth.encoding, depth.step) == ('32FC1', 4 * WIDTH)
    assert (colour.encoding, colour.step) == ('rgb8', 3 * WIDTH)
    for image, info in (
        (depth, frame['depth/camera_info']),
        (colour, frame['segmentation/camera_info']),
    ):
        assert (info.width, info.height) == (image.width, image.height)
        np.testing.assert_array_equal(info.p, camera_info().p)
        assert info.k[0] == F_PX
    assert parameters('nvblox')['use_segmentation'] is False


@pytest.mark.parametrize('consumer', ['octomap'])
def test_octomap_reads_the_cloud_through_pcl(frame: dict[str, Any]) -> None:
    """PCL finds x, y and z by name, type and count; NaN must be announced by is_dense."""
    cloud = frame['points/obstacles']
    fields = {(field.name, field.datatype, field.count) for field in cloud.fields}
    assert fields >= {(axis, PointField.FLOAT32, 1) for axis in 'xyz'}
    points = records(cloud)
    assert not cloud.is_dense or np.isfinite(points['z']).all()
    assert points.size > 0


def test_the_classes_are_named_for_late_subscribers(client: ConsumerClient) -> None:
    """The semantic layer subscribes to LabelInfo reliably and transient local."""
    vision_msgs = pytest.importorskip('vision_msgs.msg', reason='vision_msgs is not installed')
    client.listen(vision_msgs.LabelInfo, 'segmentation/label_info', LATCHED)
    received = client.received[key_of('segmentation/label_info', LATCHED)]
    info = client.wait_for('label_info', lambda: received[-1:])[0]
    assert {one.class_id: one.class_name for one in info.class_map} == dict(enumerate(ROAD8.names))
    assert info.class_map[0].class_name == 'sky'


def depth_of(image: Image) -> np.ndarray:
    dtype = {'32FC1': np.float32, '16UC1': np.uint16}[image.encoding]
    rows = np.frombuffer(bytes(image.data), np.uint8).reshape(image.height, image.step)
    return rows.view(dtype)[:, : image.width]


def parameters(consumer: str) -> dict[str, Any]:
    values: dict[str, Any] = yaml.safe_load((CONFIG / f'{consumer}.yaml').read_text())
    return values['/**']['ros__parameters']


def test_each_consumer_has_a_config_and_a_row_that_names_its_topics() -> None:
    assert {path.stem for path in CONFIG.iterdir()} == CONTRACTS.keys()
    page = (ROOT / 'docs' / 'consumers.md').read_text()
    for consumer, topics in CONTRACTS.items():
        [row] = re.findall(rf'^\|.*config/consumers/{consumer}\.yaml.*$', page, re.MULTILINE)
        for topic in topics:
            assert f'`{topic}`' in row


def test_the_costmaps_name_our_topics_and_classes() -> None:
    layer = layer_of('nav2_obstacles', 'voxel_layer')
    sources = [layer[name] for name in layer['observation_sources'].split()]
    assert {one['topic'].strip('/') for one in sources} == CONTRACTS['nav2_obstacles'].keys()
    camera = layer_of('nav2_semantic', 'semantic_layer')['camera']
    named = {value.strip('/') for key, value in camera.items() if key.endswith('_topic')}
    assert named == {*CONTRACTS['nav2_semantic'], 'segmentation/label_info'}
    classes = [name for kind in camera['class_types'] for name in camera[kind]['classes']]
    # the layer logs an error for each that is missing, and takes the first of two
    assert sorted(classes) == sorted(ROAD8.names)


def layer_of(config: str, layer: str) -> dict[str, Any]:
    values = yaml.safe_load((Path(CONFIG) / f'{config}.yaml').read_text())
    costmap = values['local_costmap']['local_costmap']['ros__parameters']
    assert layer in costmap['plugins']
    found: dict[str, Any] = costmap[layer]
    return found
