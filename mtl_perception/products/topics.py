"""The topics of what is made of a frame, and which model can fill them."""

from collections.abc import Collection

LABELS = 'segmentation/labels'
CONFIDENCE = 'segmentation/confidence'
LABEL_COLOURS = 'segmentation/color'
OVERLAY = 'segmentation/overlay'
DEPTH = 'depth/image'
DEPTH_COLOURS = 'depth/color'
NORMALS = 'normals/image'
POINTS = 'points'
OBSTACLES = 'points/obstacles'
# those of PointCloud2, which need the intrinsics of the camera
CLOUDS = (POINTS, OBSTACLES)
# the CameraInfo that goes with the pictures of a topic, and the names of the classes
CAMERA_INFOS = {LABELS: 'segmentation/camera_info', DEPTH: 'depth/camera_info'}
LABEL_INFO = 'segmentation/label_info'

_TOPICS_OF_TASK = {
    'segmentation': (LABELS, CONFIDENCE, LABEL_COLOURS, OVERLAY),
    'depth': (DEPTH, DEPTH_COLOURS, *CLOUDS),
    'normals': (NORMALS,),
}
# of labels and confidence each costs little beside the other, and a threshold needs both
_SEGMENTATION = ('labels', 'confidence')
_FIELDS = {
    **dict.fromkeys(_TOPICS_OF_TASK['segmentation'], _SEGMENTATION),
    DEPTH: ('depth',),
    DEPTH_COLOURS: ('depth',),
    **dict.fromkeys(CLOUDS, (*_SEGMENTATION, 'depth')),
    NORMALS: ('normals',),
}
TOPICS = tuple(topic for topics in _TOPICS_OF_TASK.values() for topic in topics)


def topics_of(tasks: Collection[str]) -> tuple[str, ...]:
    """Give the topics that a model with these tasks can fill, in their usual order."""
    return tuple(
        topic for task, topics in _TOPICS_OF_TASK.items() if task in tasks for topic in topics
    )


def fields_of(topics: Collection[str]) -> frozenset[str]:
    """Give the fields of a Prediction that these topics are made of; those not of TOPICS: none."""
    return frozenset(field for topic in topics for field in _FIELDS.get(topic, ()))
