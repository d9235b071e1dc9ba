from pathlib import Path

import numpy as np
import pytest
import yaml

from mtl_perception.label_space import label_space, LABEL_SPACES, LabelSpace, UNLABELLED

SPACES = pytest.mark.parametrize('space', LABEL_SPACES.values(), ids=lambda space: space.name)


def bits(*classes: int) -> int:
    return sum(1 << k for k in classes)


def test_road8_continues_the_six_classes_of_the_paper() -> None:
    six = label_space('kitti6').names
    assert six == ('sky', 'building', 'road', 'sidewalk', 'vegetation', 'car')
    eight = label_space('road8').names
    assert eight[:5] == six[:5]
    assert eight[5:] == ('vehicle', 'person', 'object')


@SPACES
def test_every_class_has_a_name_and_a_colour_of_its_own(space: LabelSpace) -> None:
    assert len(set(space.names)) == len(space.names) == len(space.colours)
    assert len(set(space.colours)) == len(space.colours)
    assert len(space.names) <= UNLABELLED


@SPACES
def test_mappings_lead_to_classes_and_keep_names(space: LabelSpace) -> None:
    for target, mapping in space.mappings.items():
        names = label_space(target).names
        assert mapping.keys() <= set(range(len(space.names)))
        assert all(0 <= k < len(names) for target_ids in mapping.values() for k in target_ids)
        for name in set(space.names) & set(names):
            assert mapping[space.names.index(name)] == (names.index(name),), name


@SPACES
def test_the_palette_holds_the_colours_and_black(space: LabelSpace) -> None:
    palette = space.palette()
    assert palette.shape == (256, 3)
    assert palette.dtype == np.uint8
    assert [tuple(colour) for colour in palette[: len(space.colours)]] == list(space.colours)
    assert not palette[len(space.colours) :].any()


def test_the_many_colours_of_nyud_are_the_pascal_voc_map() -> None:
    """The first six entries of the map in the VOC development kit."""
    expected = ((0, 0, 0), (128, 0, 0), (0, 128, 0), (128, 128, 0), (0, 0, 128), (128, 0, 128))
    assert label_space('nyud40').colours[:6] == expected


def test_ids_are_found_by_name() -> None:
    assert label_space('cityscapes19').id_of('sky') == 10
    assert label_space('nyud40').id_of('sky') is None


@SPACES
def test_a_space_allows_itself_exactly(space: LabelSpace) -> None:
    allowed = space.allowed_classes(space.name)
    assert allowed.dtype == np.int64
    count = len(space.names)
    assert allowed.tolist() == [bits(k) for k in range(count)] + [0] * (256 - count)


def test_a_union_allows_each_of_its_classes() -> None:
    allowed = label_space('idd_lite7').allowed_classes('road8')
    # drivable, non-drivable (sidewalk or grass), far objects (building or vegetation), sky
    assert allowed[[0, 1, 5, 6]].tolist() == [bits(2), bits(3, 4), bits(1, 4), bits(0)]
    assert allowed[7:].max() == 0


def test_an_id_without_a_mapping_is_unlabelled() -> None:
    source = label_space('camvid11')
    allowed = source.allowed_classes('kitti6')
    assert allowed[source.id_of('pedestrian')] == 0
    assert allowed[source.id_of('car')] == bits(5)
    assert allowed[UNLABELLED] == 0


def test_unknown_spaces_are_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match=r"'road9' is unknown; choose of road8, kitti6, citysc"):
        label_space('road9')
    with pytest.raises(ValueError, match=r"'nyud40' has no mapping to 'road8'; .* to none"):
        label_space('nyud40').allowed_classes('road8')
    with pytest.raises(ValueError, match=r"to 'nyud40'; it maps to kitti6, road8"):
        label_space('camvid11').allowed_classes('nyud40')


def test_the_spaces_are_those_of_the_data(data_folder: Path) -> None:
    theirs = yaml.safe_load((data_folder / 'label_spaces.yaml').read_text())
    for name, space in theirs.items():
        ours = label_space(name)
        assert list(ours.names) == space['names']
        assert [list(colour) for colour in ours.colours] == space['colours']
        for target in ('kitti6', 'road8'):
            if f'to_{target}' in space:
                mapping = {
                    k: v if isinstance(v, list) else [v] for k, v in space[f'to_{target}'].items()
                }
                assert {k: list(v) for k, v in ours.mappings[target].items()} == mapping


class TestSpacesSideBySide:
    def test_the_joint_space_of_the_paper_has_46_classes_in_two_parts(self) -> None:
        space = label_space('nyud40+kitti6')
        assert space.names[:40] == label_space('nyud40').names
        assert space.names[40:] == label_space('kitti6').names
        assert space.parts() == (('nyud40', 0, 40), ('kitti6', 40, 46))
        assert label_space('road8').parts() == (('road8', 0, 8),)

    def test_what_maps_to_a_part_maps_to_it_there(self) -> None:
        for name, start in (('nyud40', 0), ('kitti6', 40)):
            own = label_space(name).allowed_classes(name)
            assert label_space(name).allowed_classes('nyud40+kitti6').tolist() == [
                x << start for x in own.tolist()
            ]
        camvid = label_space('camvid11').allowed_classes('nyud40+kitti6')
        assert camvid[label_space('camvid11').id_of('car')] == bits(45)
        assert camvid[label_space('camvid11').id_of('pedestrian')] == 0

    def test_spaces_know_what_they_map_to(self) -> None:
        assert label_space('cityscapes19').maps_to('nyud40+kitti6')
        assert label_space('cityscapes19').maps_to('cityscapes19')
        assert not label_space('cityscapes19').maps_to('nyud40')
        assert not label_space('nyud40').maps_to('road8')
