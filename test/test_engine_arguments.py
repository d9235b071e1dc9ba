import argparse
from pathlib import Path

import pytest

from mtl_perception.offline.engine_arguments import (
    add_engine_arguments,
    chosen_engine,
    node_command,
)


def parse(*words: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    add_engine_arguments(parser)
    return parser.parse_args(words)


def test_the_engine_is_the_one_asked_for(tiny_weights: Path) -> None:
    chosen = ('--weights', str(tiny_weights), '--device', 'cpu', '--backend', 'torch')
    engine = chosen_engine(parse(*chosen, '--precision', 'fp32'))
    assert (engine.device, engine.backend) == ('cpu', 'torch fp32')
    with pytest.raises(ValueError, match="'fp13'"):
        chosen_engine(parse(*chosen, '--precision', 'fp13'))


def test_the_node_gets_them_as_parameters() -> None:
    words = node_command(parse('--precision', 'int8'), warm_up_width=64)
    assert words[:2] == ['mtl_perception.ros.node', '--ros-args']
    assert set(words[3::2]) == {
        *('weights:=road8', 'device:=auto', 'backend:=auto', 'precision:=int8'),
        'warm_up_width:=64',
    }
    assert set(words[2::2]) == {'-p'}
