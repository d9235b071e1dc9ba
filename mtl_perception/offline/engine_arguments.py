"""What every verb that runs weights takes: which, and on what."""

import argparse
from typing import Any

from mtl_perception.engine import Engine

_NAMES = ('weights', 'device', 'backend', 'precision')


def add_engine_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the weights, and where and how they run."""
    parser.add_argument('--weights', default='road8', help='a name, or a .safetensors file')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda:N')
    parser.add_argument('--backend', default='auto', help='auto, torch, openvino or onnxruntime')
    parser.add_argument('--precision', default='auto', help='auto, fp32, bf16, fp16 or int8')


def chosen_engine(options: argparse.Namespace) -> Engine:
    """Load them into an engine. Raises what Engine does."""
    return Engine(*(getattr(options, name) for name in _NAMES))


def node_command(options: argparse.Namespace, **more: Any) -> list[str]:
    """Give the module and the words that start the node with them; `more` are its parameters."""
    parameters = {name: getattr(options, name) for name in _NAMES} | more
    words = [word for name, value in parameters.items() for word in ('-p', f'{name}:={value}')]
    return ['mtl_perception.ros.node', '--ros-args', *words]
