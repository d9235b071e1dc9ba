from pathlib import Path

import numpy as np
import pytest
import yaml

from mtl_perception.label_space import (
    label_space,
    LABEL_SPACES,
    LabelSpace,
    only_class,
    UNLABELLED,
)

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
    # as the makers of Cityscapes and IDD have it
    alike = {'polegroup', 'fallback_background'}
    own = [k for k, name in enumerate(space.names) if name not in alike and k not in space.ignored]
    assert len({space.colours[k] for k in own}) == len(own)
    assert len(space.names) <= UNLABELLED


@SPACES
def test_mappings_lead_to_classes_and_keep_names(space: LabelSpace) -> None:
    apart = {target: m for target, m in space.mappings.items() if not label_space(target).joined}
    for target, mapping in apart.items():
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
    expected = [0 if k in space.ignored else bits(k) for k in range(count)]
    assert allowed.tolist() == expected + [0] * (256 - count)


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
    with pytest.raises(ValueError, match=r"'nyud40' has no mapping to 'road8'; .* to nyud40"):
        label_space('nyud40').allowed_classes('road8')
    with pytest.raises(ValueError, match=r"to 'nyud40'; it maps to kitti6, road8, nyud40.kitti6"):
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


def names_of(source: str, target: str, class_name: str) -> set[str]:
    """Give the classes of a target space that a class may be."""
    space, allowed = label_space(source), label_space(source).allowed_classes(target)
    bit_set = allowed[space.names.index(class_name)]
    return {name for k, name in enumerate(label_space(target).names) if bit_set >> k & 1}


def test_raw_ids_of_cityscapes_are_its_training_classes() -> None:
    """The ids with a trainId in the official table, and a few of its others."""
    table = label_space('cityscapes34').allowed_classes('cityscapes19')
    ids = [7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33]
    assert table[ids].tolist() == [bits(k) for k in range(19)]
    assert np.count_nonzero(table) == 19
    # what the 19 classes lead to is what their ids lead to
    for target in ('kitti6', 'road8'):
        raw = label_space('cityscapes34').allowed_classes(target)
        assert (
            raw[ids].tolist() == label_space('cityscapes19').allowed_classes(target)[:19].tolist()
        )
    assert not label_space('cityscapes34').allowed_classes('kitti6')[[9, 14, 15, 29]].any()
    assert names_of('cityscapes34', 'road8', 'parking') == {'road', 'sidewalk'}
    assert names_of('cityscapes34', 'road8', 'ego_vehicle') == set()


def test_painted_classes_of_camvid_are_segnets_eleven() -> None:
    assert label_space('camvid31').id_of('void') is None
    mapped = {
        name: names_of('camvid31', 'camvid11', name) for name in label_space('camvid31').names
    }
    members = {
        *(('archway', 'building'), ('wall', 'building'), ('traffic_cone', 'pole')),
        *(('lane_markings_not_driving', 'road'), ('road_shoulder', 'pavement')),
        *(('traffic_light', 'sign_symbol'), ('train', 'car'), ('child', 'pedestrian')),
        ('motorcycle_scooter', 'bicyclist'),
    }
    assert all(mapped[name] == {target} for name, target in members)
    assert all(len(targets) == 1 for targets in mapped.values())
    assert names_of('camvid31', 'road8', 'motorcycle_scooter') == {'vehicle', 'person'}


def test_ids_of_idd_are_those_of_level_3() -> None:
    """The column level3Id of the official table, id by id; void is 255 there."""
    level3 = [0, 1, 1, 2, 3, 3, 4, 4, 5, 6, 7, 8, 9, 10, 11, 12, 12, 12, 12, 13, 14, 15, 16, 17]
    level3 += [18, 19, 20, 20, 21, 22, 23, 23, 24, 25, 25]
    table = label_space('idd40').allowed_classes('idd26')
    assert table[:40].tolist() == [bits(k) for k in level3] + [0] * 5
    assert names_of('idd26', 'road8', 'non_drivable_fallback') == {'sidewalk', 'vegetation'}
    assert names_of('idd40', 'road8', 'fallback_background') == {'building', 'vegetation'}
    assert names_of('idd26', 'cityscapes19', 'autorickshaw') == set()


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


def test_certain_labels_are_those_of_one_bit() -> None:
    allowed = np.array([[1 << 0, 1 << 5, 1 << 45, 0, 0b110]])
    assert only_class(allowed).tolist() == [[0, 5, 45, 255, 255]]
