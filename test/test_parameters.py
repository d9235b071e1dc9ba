from collections.abc import Callable, Iterator
from dataclasses import FrozenInstanceError
from pathlib import Path
import re
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

rclpy = pytest.importorskip('rclpy', reason='rclpy is not installed')

from rclpy.node import Node  # noqa: E402
from rclpy.parameter import Parameter  # noqa: E402
from rclpy.qos import QoSPolicyKind  # noqa: E402
from rclpy.qos_overriding_options import QoSOverridingOptions  # noqa: E402
from ros_client import DOMAIN_ID, ros_environment  # noqa: E402
from std_msgs.msg import String  # noqa: E402

from mtl_perception.ros.parameters import (  # noqa: E402
    DeclaredParameters,
    FIELDS,
    Parameters,
)
from mtl_perception.ros.parameters.definition import plain  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
Declare = Callable[..., tuple[Node, DeclaredParameters]]


@pytest.fixture
def declare(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Declare]:
    """Make a node of its own with these overrides."""
    for name, value in ros_environment(tmp_path_factory.mktemp('log')).items():
        monkeypatch.setenv(name, value)
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=DOMAIN_ID)
    nodes = []

    def create(**overrides: Any) -> tuple[Node, DeclaredParameters]:
        node = rclpy.create_node(
            'parameters',
            context=context,
            parameter_overrides=[
                value
                if isinstance(value, Parameter)
                else Parameter(name.replace('__', '.'), value=value)
                for name, value in overrides.items()
            ],
        )
        nodes.append(node)
        return node, DeclaredParameters(node)

    yield create
    for node in nodes:
        node.destroy_node()
    rclpy.shutdown(context=context)


def change(node: Node, **values: Any) -> str:
    """Set all at once; '' or the reason why not."""
    parameters = [Parameter(name.replace('__', '.'), value=v) for name, v in values.items()]
    result = node.set_parameters_atomically(parameters)
    assert result.successful == (not result.reason)
    return result.reason


@pytest.mark.parametrize(
    ('values', 'message'),
    [
        ({'image_transport': 'raww'}, "image_transport is 'raww'; choose of raw, compressed"),
        ({'reliability': ''}, "reliability is ''; choose of auto, reliable, best_effort"),
        ({'depth_encoding': '64FC1'}, "depth_encoding is '64FC1'; choose of 32FC1, 16UC1"),
        ({'points_stride': 0}, 'points.stride is 0; expected 1 to 64'),
        ({'depth_scale': 0.0}, 'depth_scale is 0.0; expected 0.001 to 1000'),
        ({'depth_scale': float('nan')}, 'depth_scale is nan'),
        ({'confidence_threshold': 1.5}, 'confidence_threshold is 1.5; expected 0.0 to 1.0'),
        ({'overlay_opacity': -0.1}, 'overlay_opacity is -0.1; expected 0.0 to 1.0'),
        ({'depth_color_near_m': 80.0}, 'near_m 80.0 is not below depth_color.far_m 80.0'),
        ({'cameras': ('front', 'front')}, "cameras is ['front', 'front']; expected at most 8"),
        ({'cameras': ('front', '')}, "cameras is ['front', '']; expected"),
        ({'cameras': ('2nd',)}, "cameras is ['2nd']; expected"),
        ({'cameras': tuple('abcdefghi')}, 'expected at most 8 different names'),
        ({'obstacles_excluded_classes': ('raod',)}, 'excluded_classes has raod, which no label'),
        ({'obstacles_min_range_m': 50.0}, 'obstacles.min_range_m 50.0 is not below obstacles.max'),
        ({'obstacles_max_height_m': 0.1}, 'obstacles.min_height_m 0.2 is not below'),
        ({'lidar_apply': True}, 'lidar.apply is true and lidar.check false'),
        ({'ground_apply': True}, 'ground.apply is true and ground.check false'),
        (
            {
                name: True
                for name in ('ground_check', 'ground_apply', 'lidar_check', 'lidar_apply')
            },
            'ground.apply and lidar.apply are both true; depth has one scale',
        ),
        ({'lidar_translation_m': (1.0, 2.0)}, 'lidar.translation_m is (1.0, 2.0); expected 3 val'),
        ({'lidar_rotation_xyzw': (0.0, 0.0, 0.0, 0.5)}, 'has length 0.500; a rotation has 1'),
        ({'lidar_rotation_xyzw': (0.0, 0.0, 0.0, float('nan'))}, 'lidar.rotation_xyzw is'),
        ({'warm_up_width': 640}, 'warm-up size is 640x0; give both sides'),
    ],
)
def test_a_set_that_does_not_fit_cannot_be_made(values: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        Parameters(**values)


def test_a_set_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Parameters().depth_scale = 2.0  # type: ignore[misc]


def test_the_configuration_file_has_every_parameter_with_its_default_and_a_comment() -> None:
    text = (ROOT / 'config' / 'perception.yaml').read_text()
    values = yaml.safe_load(text)['/**']['ros__parameters']
    assert {n: plain(v) for n, v in values.items()} == {n: f.default for n, f in FIELDS.items()}
    lines = text.splitlines()
    seconds = ('warm_up_height', 'depth_color.far_m', 'obstacles.max_range_m')
    seconds += ('camera_pitch_deg', 'obstacles.max_height_m', 'lidar.rotation_xyzw')
    for name in FIELDS.keys() - set(seconds):
        (index,) = (i for i, line in enumerate(lines) if line.strip().startswith(f'{name}:'))
        assert lines[index - 1].strip().startswith('#'), f'{name} has no comment'


def test_overrides_are_read(declare: Declare) -> None:
    _, parameters = declare(weights='mine', depth_color__near_m=100.0, depth_color__far_m=200.0)
    read = parameters.read()
    assert read == Parameters(weights='mine', depth_color_near_m=100.0, depth_color_far_m=200.0)
    assert parameters.current is read


def test_every_parameter_is_described(declare: Declare) -> None:
    node, _ = declare()
    for name in FIELDS:
        assert node.describe_parameter(name).description
    assert node.describe_parameter('points.stride').integer_range[0].to_value == 64
    assert node.describe_parameter('depth_scale').floating_point_range[0].to_value == 1000.0
    assert 'raw, compressed' in node.describe_parameter('image_transport').additional_constraints
    assert 'fixed' in node.describe_parameter('weights').additional_constraints
    rotation = node.describe_parameter('lidar.rotation_xyzw').additional_constraints
    assert rotation.startswith('4 values, each -1 to 1')


@pytest.mark.parametrize(
    ('overrides', 'message', 'correction'),
    [
        ({'depth_scale': 1}, "depth_scale.* '1' .*INTEGER.*DOUBLE.*default 1.0", 2.0),
        ({'points__stride': 100}, '100.*points.stride, by default 1', 2),
        ({'image_transport': 'h264'}, "'h264'; choose of raw, compressed", 'compressed'),
    ],
)
def test_a_wrong_override_is_refused_until_it_is_corrected(
    declare: Declare, overrides: dict[str, Any], message: str, correction: object
) -> None:
    node, parameters = declare(**overrides)
    with pytest.raises(ValueError, match=message):
        parameters.read()
    (name,) = overrides
    assert change(node, **{name: correction}) == ''
    parameters.read()
    assert node.get_parameter(name.replace('__', '.')).value == correction


def test_a_set_of_overrides_that_does_not_fit_is_refused(declare: Declare) -> None:
    node, parameters = declare(depth_color__near_m=50.0, depth_color__far_m=30.0)
    with pytest.raises(ValueError, match=r'near_m 50.0 is not below depth_color.far_m 30.0'):
        parameters.read()
    assert change(node, depth_color__near_m=10.0) == ''
    assert parameters.read().depth_color_near_m == 10.0


def test_overrides_that_do_not_fit_may_be_corrected_one_by_one(declare: Declare) -> None:
    node, parameters = declare(warm_up_width=640, lidar__apply=True)
    with pytest.raises(ValueError, match='640x0'):
        parameters.read()
    assert change(node, warm_up_height=480) == ''
    with pytest.raises(ValueError, match=r'lidar.check'):
        parameters.read()
    # each by itself is still what it must be
    assert 'choose of' in change(node, image_transport='h264')
    assert change(node, lidar__check=True) == ''
    assert parameters.read().warm_up_height == 480
    # and what fits stays so
    assert '0x480' in change(node, warm_up_width=0)


def test_changes_are_taken_or_rejected_as_a_whole(declare: Declare) -> None:
    node, parameters = declare()
    parameters.read()
    assert 'not below' in change(node, points__stride=4, depth_color__near_m=90.0)
    assert parameters.current == Parameters()
    assert node.get_parameter('points.stride').value == 1
    assert change(node, depth_color__near_m=90.0, depth_color__far_m=120.0) == ''
    assert parameters.current == Parameters(depth_color_near_m=90.0, depth_color_far_m=120.0)


def test_fixed_parameters_change_only_while_not_configured(declare: Declare) -> None:
    node, parameters = declare()
    parameters.configured = True
    for name in ('weights', 'device', 'backend'):
        assert f'{name} cannot change while' in change(node, **{name: 'other'})
    assert 'image_transport cannot' in change(node, image_transport='compressed', depth_scale=2.0)
    assert parameters.current.depth_scale == 1.0
    assert change(node, depth_scale=2.0) == ''
    # a whole file again, of which only that differs
    assert change(node, weights='road8', cameras=[''], depth_scale=2.0) == ''
    parameters.configured = False
    assert change(node, weights='other') == ''
    assert parameters.current == Parameters(weights='other', depth_scale=2.0)


@pytest.mark.parametrize('given', [[], ['']])
def test_no_names_mean_one_camera_without_a_prefix(declare: Declare, given: list[str]) -> None:
    cameras = Parameter('cameras', Parameter.Type.STRING_ARRAY, given)
    assert declare_from(declare, cameras)[1].read().camera_names == ('',)


def test_an_empty_list_of_a_file_is_empty(declare: Declare) -> None:
    """YAML does not say of what type an empty list is, and rclpy makes it no value at all."""
    names = ('cameras', 'obstacles.excluded_classes')
    _, parameters = declare(**{name: Parameter(name, Parameter.Type.NOT_SET) for name in names})
    assert parameters.read().camera_names == ('',)
    assert parameters.current.obstacles_excluded_classes == ()


def declare_from(declare: Declare, given: Parameter) -> tuple[Node, DeclaredParameters]:
    return declare(**{given.name: given})


def test_a_camera_has_its_own_value_where_one_is_given(declare: Declare) -> None:
    node, parameters = declare(
        cameras=['front', 'rear'], depth_scale=2.0, front__depth_scale=3.0, rear__points__stride=2
    )
    assert not node.has_parameter('rear.points.stride')
    parameters.read()
    assert [parameters.of(name).depth_scale for name in ('front', 'rear')] == [3.0, 2.0]
    assert change(node, depth_scale=4.0) == ''
    assert [parameters.of(name).depth_scale for name in ('front', 'rear')] == [3.0, 4.0]
    assert change(node, front__depth_scale=5.0) == ''
    assert parameters.of('front') == Parameters(cameras=('front', 'rear'), depth_scale=5.0)
    assert 'range' in change(node, front__depth_scale=0.0, depth_scale=6.0)
    assert parameters.current.depth_scale == 4.0
    assert node.describe_parameter('front.depth_scale').description.startswith('front: multiply')


def test_arrays_are_checked_and_changed(declare: Declare) -> None:
    node, parameters = declare(obstacles__excluded_classes=['road'])
    parameters.read()
    assert parameters.current.obstacles_excluded_classes == ('road',)
    assert 'raod' in change(node, obstacles__excluded_classes=['raod'])
    assert change(node, obstacles__excluded_classes=['sky', 'unlabelled']) == ''
    assert parameters.current.obstacles_excluded_classes == ('sky', 'unlabelled')


def test_unknown_overrides_are_not_declared(declare: Declare) -> None:
    node, _ = declare(strid=2, **{'qos_overrides./image.subscription.depth': 3})
    assert not node.has_parameter('strid')
    assert node.create_subscription(
        String,
        '/image',
        print,
        10,
        qos_overriding_options=QoSOverridingOptions([QoSPolicyKind.DEPTH]),
    )
    assert node.get_parameter('qos_overrides./image.subscription.depth').value == 3


def test_qos_overrides_that_nothing_reads_are_warned_of(
    declare: Declare, monkeypatch: pytest.MonkeyPatch
) -> None:
    read, *unread = (
        f'qos_overrides./{end}'
        for end in ('image.subscription.depth', 'image.subscription.dept', 'imgae.publisher.depth')
    )
    node, parameters = declare(**dict.fromkeys((read, *unread), 3))
    warnings: list[str] = []
    monkeypatch.setattr(node, 'get_logger', lambda: SimpleNamespace(warning=warnings.append))
    options = QoSOverridingOptions([QoSPolicyKind.DEPTH])
    node.create_subscription(String, '/image', print, 10, qos_overriding_options=options)
    parameters.warn_of_unread_qos()
    (warning,) = warnings
    assert warning.startswith(f'{", ".join(unread)} are ignored; write qos_overrides./FULL/TOPIC.')
    for name in unread:
        node.declare_parameter(name, 1)
    parameters.warn_of_unread_qos()
    assert len(warnings) == 1
