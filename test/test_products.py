from dataclasses import replace

from made_engine import depth_of, labels_of, MadeEngine
import numpy as np
import pytest

from mtl_perception.engine import Prediction
from mtl_perception.geometry import Intrinsics, RayTable
from mtl_perception.label_space import label_space
from mtl_perception.messages import CloudFields, ImageFields
from mtl_perception.products import (
    CONFIDENCE,
    DEPTH,
    DEPTH_COLOURS,
    fields_of,
    LABEL_COLOURS,
    LABELS,
    NORMALS,
    OBSTACLES,
    OVERLAY,
    POINTS,
    products,
    ProductSettings,
    TOPICS,
    topics_of,
)

HEIGHT, WIDTH = 6, 10
PICTURE = np.random.default_rng(0).integers(0, 256, (HEIGHT, WIDTH, 3), np.uint8)
PREDICTION = MadeEngine().predict(PICTURE)
SETTINGS = ProductSettings(label_space('road8'))
INTRINSICS = Intrinsics(8.0, 8.0, 4.5, 2.5, WIDTH, HEIGHT)


def image(topic: str, settings: ProductSettings = SETTINGS, dtype: type = np.uint8) -> np.ndarray:
    fields = products(PICTURE, PREDICTION, {topic}, None, settings)[topic]
    assert isinstance(fields, ImageFields)
    array = fields.data.view(dtype).reshape(fields.height, fields.width, -1)
    return array[..., 0] if array.shape[2] == 1 else array


def points(stride: int, settings: ProductSettings = SETTINGS) -> np.ndarray:
    rays = RayTable(INTRINSICS, stride)
    fields = products(PICTURE, PREDICTION, {POINTS}, rays, settings)[POINTS]
    assert isinstance(fields, CloudFields)
    names = [field.name for field in fields.fields]
    formats = ['<f4', '<f4', '<f4', '<u4', 'u1', 'u1']
    offsets = [field.offset for field in fields.fields]
    layout = {
        'names': names,
        'formats': formats,
        'offsets': offsets,
        'itemsize': fields.point_step,
    }
    return fields.data.view(np.dtype(layout)).reshape(fields.height, fields.width)


def test_maps_are_given_as_they_are() -> None:
    assert np.array_equal(image(LABELS), labels_of(PICTURE))
    assert np.array_equal(image(CONFIDENCE), PICTURE[..., 1])
    assert np.array_equal(image(DEPTH, dtype=np.float32), depth_of(PICTURE), equal_nan=True)


def test_colours_are_those_of_the_label_space() -> None:
    palette = label_space('road8').palette()[labels_of(PICTURE)]
    assert np.array_equal(image(LABEL_COLOURS), palette)
    assert np.array_equal(image(OVERLAY, replace(SETTINGS, overlay_opacity=1.0)), palette)
    assert np.array_equal(image(OVERLAY, replace(SETTINGS, overlay_opacity=0.0)), PICTURE)


def test_depth_is_scaled_in_every_product() -> None:
    doubled = replace(SETTINGS, depth_factor=2.0)
    assert np.array_equal(image(DEPTH, doubled, np.float32), 2 * depth_of(PICTURE), equal_nan=True)
    millimetres = image(DEPTH, replace(doubled, depth_encoding='16UC1'), np.uint16)
    assert millimetres[:, 0].tolist() == [0, 0, 12000, 14000, 16000, 18000]
    assert np.array_equal(
        image(DEPTH_COLOURS, replace(doubled, depth_colour_range_m=(2.0, 40.0))),
        image(DEPTH_COLOURS, replace(SETTINGS, depth_colour_range_m=(1.0, 20.0))),
    )
    assert np.nanmax(points(1, doubled)['z']) == 2 * np.nanmax(points(1)['z'])


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_points_carry_what_belongs_to_their_pixel(stride: int) -> None:
    cloud = points(stride)
    taken = np.s_[::stride, ::stride]
    assert np.array_equal(cloud['label'], labels_of(PICTURE)[taken])
    assert np.array_equal(cloud['confidence'], PICTURE[..., 1][taken])
    red, green, blue = (PICTURE[taken].astype(np.uint32)[..., channel] for channel in range(3))
    assert np.array_equal(cloud['rgb'], red << 16 | green << 8 | blue)
    rows, columns = np.mgrid[:HEIGHT:stride, :WIDTH:stride]
    depth = depth_of(PICTURE)[taken]
    seen = np.isfinite(depth)
    assert not np.isfinite(cloud['z'][~seen]).any()
    assert cloud['x'][seen] == pytest.approx((depth * (columns - 4.5) / 8)[seen])
    assert cloud['y'][seen] == pytest.approx((depth * (rows - 2.5) / 8)[seen])


def test_only_what_is_wanted_and_can_be_made_is_made() -> None:
    assert products(PICTURE, PREDICTION, set(), None, SETTINGS) == {}
    made = products(PICTURE, PREDICTION, TOPICS, None, SETTINGS)
    assert set(made) == set(TOPICS) - {NORMALS, POINTS, OBSTACLES}
    blind = MadeEngine({'depth': 1})
    made = products(PICTURE, blind.predict(PICTURE), TOPICS, RayTable(INTRINSICS), SETTINGS)
    assert set(made) == {DEPTH, DEPTH_COLOURS, POINTS, OBSTACLES}
    normals = np.zeros((HEIGHT, WIDTH, 3), np.float32)
    made = products(PICTURE, replace(PREDICTION, normals=normals), {NORMALS}, None, SETTINGS)
    assert [fields.width for fields in made.values()] == [WIDTH]


def test_nothing_else_is_computed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subscriber of labels does not pay for the colours, the cloud or a copy of the depth."""

    def fail(*_: object) -> None:
        raise AssertionError('computed though nobody wants it')

    for name in ('colour_labels', 'overlay_labels', 'colour_depth', 'encode_cloud'):
        monkeypatch.setattr(f'mtl_perception.products.frame.{name}', fail)
    products(PICTURE, PREDICTION, {LABELS, DEPTH}, RayTable(INTRINSICS), SETTINGS)
    with pytest.raises(AssertionError, match='nobody'):
        products(PICTURE, PREDICTION, {OVERLAY}, None, SETTINGS)


def test_topics_are_those_of_the_tasks() -> None:
    assert topics_of({'segmentation'}) == (LABELS, CONFIDENCE, LABEL_COLOURS, OVERLAY)
    assert topics_of({'depth', 'normals'}) == (DEPTH, DEPTH_COLOURS, POINTS, OBSTACLES, NORMALS)
    assert topics_of({'segmentation', 'depth', 'normals'}) == TOPICS


def test_wrong_names_are_refused() -> None:
    with pytest.raises(ValueError, match='no product is named segmentation/lables; choose of'):
        products(PICTURE, PREDICTION, {'segmentation/lables'}, None, SETTINGS)
    with pytest.raises(ValueError, match="'16UC2' is unknown; choose of 32FC1, 16UC1"):
        ProductSettings(label_space('road8'), depth_encoding='16UC2')


def test_topics_say_what_they_are_made_of() -> None:
    assert fields_of({LABELS, OVERLAY}) == {'labels', 'confidence'}
    assert fields_of({DEPTH}) == {'depth'}
    assert fields_of({POINTS}) == {'labels', 'confidence', 'depth'}
    assert fields_of({'depth/camera_info'}) == set()
    # with these fields alone nothing is missing
    for topic in TOPICS:
        part = {f: v if f in fields_of({topic}) else None for f, v in vars(PREDICTION).items()}
        made = products(PICTURE, Prediction(**part), {topic}, RayTable(INTRINSICS), SETTINGS)
        assert set(made) == ({topic} if topic != NORMALS else set())


def test_a_picture_larger_than_its_prediction_is_reduced() -> None:
    large = PICTURE.repeat(2, axis=0).repeat(2, axis=1)
    wanted = {OVERLAY, POINTS}
    found = products(large, PREDICTION, wanted, RayTable(INTRINSICS), SETTINGS)
    expected = products(PICTURE, PREDICTION, wanted, RayTable(INTRINSICS), SETTINGS)
    for topic in wanted:
        assert np.array_equal(found[topic].data, expected[topic].data)


def test_labels_of_less_confidence_are_unlabelled_everywhere() -> None:
    settings = replace(SETTINGS, confidence_threshold=0.5)
    expected = np.where(PICTURE[..., 1] < 127.5, 255, labels_of(PICTURE))
    assert np.array_equal(image(LABELS, settings), expected)
    assert np.array_equal(points(1, settings)['label'], expected)
    assert np.array_equal(image(CONFIDENCE, settings), PICTURE[..., 1])


def test_points_are_computed_once_for_both_clouds() -> None:
    calls: list[object] = []

    class Counting(RayTable):
        def points(self, depth_m: np.ndarray) -> np.ndarray:
            calls.append(depth_m)
            return super().points(depth_m)

    made = products(PICTURE, PREDICTION, {POINTS, OBSTACLES}, Counting(INTRINSICS), SETTINGS)
    assert made.keys() == {POINTS, OBSTACLES}
    assert len(calls) == 1
