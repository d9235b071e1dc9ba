"""What is made of one answered frame: fields of messages by topic, for the node and for bags."""

from mtl_perception.products.frame import products
from mtl_perception.products.obstacles import GROUND_AND_SKY, ObstacleFilter, UNLABELLED_CLASS
from mtl_perception.products.settings import DEPTH_ENCODINGS, ProductSettings
from mtl_perception.products.topics import (
    CAMERA_INFOS,
    CLOUDS,
    CONFIDENCE,
    DEPTH,
    DEPTH_COLOURS,
    fields_of,
    LABEL_COLOURS,
    LABEL_INFO,
    LABELS,
    NORMALS,
    OBSTACLES,
    OVERLAY,
    POINTS,
    TOPICS,
    topics_of,
)

__all__ = [
    'CAMERA_INFOS',
    'CLOUDS',
    'CONFIDENCE',
    'DEPTH',
    'DEPTH_COLOURS',
    'DEPTH_ENCODINGS',
    'GROUND_AND_SKY',
    'LABELS',
    'LABEL_COLOURS',
    'LABEL_INFO',
    'NORMALS',
    'OBSTACLES',
    'OVERLAY',
    'POINTS',
    'TOPICS',
    'UNLABELLED_CLASS',
    'ObstacleFilter',
    'ProductSettings',
    'fields_of',
    'products',
    'topics_of',
]
