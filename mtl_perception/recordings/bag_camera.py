"""The camera in a bag: its pictures, and the CameraInfo of each."""

from bisect import bisect_right
import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mtl_perception.geometry import Intrinsics
from mtl_perception.messages import decode_message, nanoseconds
from mtl_perception.messages.camera_infos import infos_of_pictures, lack_of_info

from .bags import BagReader, RawMessage

log = logging.getLogger(__name__)

_IMAGE, _COMPRESSED = 'sensor_msgs/msg/Image', 'sensor_msgs/msg/CompressedImage'
_CAMERA_INFO = 'sensor_msgs/msg/CameraInfo'


class BagCamera:
    """The pictures of one topic of an open bag.

    `topic` is its name, `compressed` whether it is of CompressedImage, `info_topic` where the
    CameraInfo is, None if nowhere.
    """

    def __init__(
        self, reader: BagReader, image: str | None = None, camera_info: str | None = None
    ) -> None:
        """Find the topics, and read all of CameraInfo; what cannot be a camera's is left out.

        image None stands for the only topic of pictures; camera_info None for the topic
        camera_info beside it, as image_transport has it, if there is one. Raises ValueError if
        the bag has no such topics.
        """
        self._reader = reader
        self.topic = self._choose('--image', image, (_IMAGE, _COMPRESSED))
        self.compressed = reader.topics[self.topic].type == _COMPRESSED
        beside = camera_info_beside(self.topic)
        if camera_info is not None or beside in self._topics((_CAMERA_INFO,)):
            camera_info = self._choose('--camera-info', camera_info or beside, (_CAMERA_INFO,))
        else:
            log.warning(
                'bag %s has no %s: no points, and no focal correction but by --f-px; name '
                'another topic by --camera-info',
                *(reader.path, beside),
            )
        self.info_topic = camera_info
        self._infos: dict[tuple[int, int], list[tuple[int, Any]]] = {}
        self._sizes_told: set[tuple[int, int]] = set()
        if camera_info:
            self._read_infos(camera_info)

    def decode(self, message: RawMessage) -> tuple[Any, NDArray[np.uint8]]:
        """Give the header and the picture (H, W, 3) RGB of a message of the topic.

        Raises ValueError if it cannot be decoded.
        """
        image = self._reader.parse(message)
        return image.header, decode_message(image)

    def info(self, header: Any, width: int, height: int) -> Any:
        """Give the CameraInfo of a picture: of its size, the last one up to its time.

        Before the first it is the first; None, with one warning, if none has this size.
        """
        size = width, height
        if self.info_topic and size not in self._sizes_told:
            self._sizes_told.add(size)
            self._tell_lack(size)
        known = self._infos.get(size)
        if not known:
            return None
        following = bisect_right(known, nanoseconds(header.stamp), key=lambda pair: pair[0])
        return known[max(0, following - 1)][1]

    def _read_infos(self, topic: str) -> None:
        """Keep all infos by their size, as the node does."""
        refused: list[ValueError] = []
        for message in self._reader.messages({topic}):
            try:
                for info in infos_of_pictures(self._reader.parse(message)):
                    self._keep(info)
            except ValueError as error:
                refused.append(error)
        if refused:
            log.warning('%s: %d left out, the first: %s', topic, len(refused), refused[0])
        for known in self._infos.values():
            known.sort(key=lambda pair: pair[0])

    def _keep(self, info: Any) -> None:
        intrinsics_of(info)
        known = self._infos.setdefault((info.width, info.height), [])
        known.append((nanoseconds(info.header.stamp), info))

    def _tell_lack(self, size: tuple[int, int]) -> None:
        """Say what keeps pictures of a size from being placed in space, if anything does."""
        calibrated = {
            known: any(intrinsics_of(info) is not None for _, info in infos)
            for known, infos in self._infos.items()
        }
        if lack := lack_of_info(size, calibrated):
            log.warning(
                '%s: %s; no points, and no focal correction but by --f-px', self.info_topic, lack
            )

    def _topics(self, types: tuple[str, ...]) -> list[str]:
        return sorted(name for name, t in self._reader.topics.items() if t.type in types)

    def _choose(self, option: str, wanted: str | None, types: tuple[str, ...]) -> str:
        topics = self._topics(types)
        if wanted in topics or (wanted is None and len(topics) == 1):
            return wanted or topics[0]
        kinds = ' or '.join(name.rpartition('/')[2] for name in types)
        raise ValueError(
            f'bag {self._reader.path} has {", ".join(topics) or "no topic"} of {kinds}; '
            f'name one of these by {option}{f", not {wanted}" if wanted else ""}'
        )


def camera_info_beside(image: str) -> str:
    """Name the CameraInfo of a topic of pictures as image_transport does."""
    return image.removesuffix('/compressed').rpartition('/')[0] + '/camera_info'


def intrinsics_of(info: Any) -> Intrinsics | None:
    """Read the intrinsics of a CameraInfo; None if there is none, or it is uncalibrated.

    Raises ValueError if its values cannot be a camera's.
    """
    if info is None:
        return None
    return Intrinsics.from_camera_info(info.k, info.p, info.width, info.height)
