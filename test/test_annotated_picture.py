from typing import Any
from unittest.mock import sentinel

import pytest

from mtl_perception.recordings.annotations.annotated_picture import AnnotatedPicture, TEACHER


def annotated(**values: Any) -> AnnotatedPicture:
    return AnnotatedPicture(
        *(sentinel.picture, 'street', 'train', ''),
        **{'labels': sentinel.labels, 'depth': sentinel.depth, **values},
    )


@pytest.mark.parametrize(
    ('sources', 'left'),
    [
        ({'label_source': 'human', 'depth_source': 'lidar'}, {'labels', 'depth'}),
        ({'label_source': TEACHER, 'depth_source': 'lidar'}, {'depth'}),
        ({'label_source': 'human', 'depth_source': TEACHER}, {'labels'}),
        ({'label_source': TEACHER, 'depth_source': TEACHER}, set()),
    ],
)
def test_what_teachers_said_can_be_left_out(sources: dict[str, str], left: set[str]) -> None:
    picture = annotated(**sources).without_teachers()
    assert {name for name in ('labels', 'depth') if getattr(picture, name)} == left
    assert picture.source == 'street'
