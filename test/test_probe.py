import os
from pathlib import Path

import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from ros_client import Client, ros_environment
from sensor_msgs.msg import Image

from mtl_perception.offline.processes import running


def test_it_is_renamed_and_remapped_as_any_node(tmp_path: Path) -> None:
    command = ['mtl_perception.ros.clients.probe', '--width', '32', '--height', '16']
    remappings = ['--ros-args', '-r', '__node:=gauge', '-r', 'image:=/front/image']
    environment = os.environ | ros_environment(tmp_path)
    client = Client()
    try:
        client.subscribe(Image, '/front/image')
        with running([*command, *remappings], environment, tmp_path / 'probe.log'):
            client.wait_for('a picture', lambda: client.received['/front/image'])
            client.wait_for('its name', lambda: 'gauge' in client.node.get_node_names())
    finally:
        client.close()
    picture = client.received['/front/image'][0]
    assert (picture.width, picture.height) == (32, 16)
