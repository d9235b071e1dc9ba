from array import array
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip('rclpy', reason='rclpy is not installed')

from sensor_msgs.msg import CompressedImage, Image

from mtl_perception.ros.pipeline.decoding import picture_of

SHAPE = (2, 3, 3)


def image(encoding: str, **changes: Any) -> Image:
    fields = {'height': 2, 'width': 3, 'step': 9, 'data': array('B', bytes(18))}
    return Image(encoding=encoding, **{**fields, **changes})


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    """What cv_bridge, as installed here, was asked for: encodings of message and result."""
    calls: list[tuple[str, str]] = []

    class CvBridge:
        def imgmsg_to_cv2(self, message: Image, encoding: str) -> np.ndarray:
            calls.append((message.encoding, encoding))
            if message.encoding == 'broken':
                raise TypeError('no conversion')
            shape = (1, 1, 3) if message.encoding == 'cropped' else SHAPE
            return np.full(shape, 7, np.uint8)

    monkeypatch.setitem(sys.modules, 'cv_bridge', SimpleNamespace(CvBridge=CvBridge))
    return calls


def test_cv_bridge_reads_what_we_do_not_know(asked: list[tuple[str, str]]) -> None:
    assert (picture_of(image('nv21')) == np.full(SHAPE, 7)).all()
    assert asked == [('nv21', 'rgb8')]


def test_what_we_know_is_ours_even_if_it_is_broken(asked: list[tuple[str, str]]) -> None:
    assert (picture_of(image('rgb8')) == 0).all()
    with pytest.raises(ValueError, match="encoding 'rgb8'"):
        picture_of(image('rgb8', step=1))
    with pytest.raises(ValueError, match='neither JPEG nor PNG'):
        picture_of(CompressedImage(format='jpeg', data=array('B', b'garbage')))
    with pytest.raises(ValueError, match="encoding ''"):
        picture_of(image(''))
    with pytest.raises(ValueError, match='the encoding is unknown'):
        picture_of(image('nv21', width=100_000))
    assert asked == []


@pytest.mark.parametrize(
    ('encoding', 'words'),
    [('broken', 'the encoding is unknown'), ('cropped', 'cv_bridge makes')],
)
def test_what_neither_can_read_is_refused(
    asked: list[tuple[str, str]], encoding: str, words: str
) -> None:
    with pytest.raises(ValueError, match=words):
        picture_of(image(encoding))


def test_without_cv_bridge_the_encoding_is_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, 'cv_bridge', None)
    with pytest.raises(ValueError, match='the encoding is unknown'):
        picture_of(image('nv21'))
