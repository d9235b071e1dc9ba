"""What stands and moves in rendered scenes: nothing in another, all on the ground, well built."""

from collections import Counter
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
import pytest
import rendered

from mtl_perception.label_space import label_space
from mtl_perception.rendering.drive import with_room
from mtl_perception.rendering.opengl.mesh import Mesh
from mtl_perception.rendering.opengl.textures.layers import Layer
from mtl_perception.rendering.opengl.views import Moment, Part
from mtl_perception.rendering.ranges import Ranges
from mtl_perception.rendering.scene.layout import draw_scene, OPTICAL, Scene
from mtl_perception.rendering.scene.roadside.chunks import Chunks
from mtl_perception.rendering.scene.shapes import furniture
from mtl_perception.rendering.scene.shapes.vehicles import vehicle
from mtl_perception.rendering.scene.shapes.vehicles.bodywork import HEADLAMP
from mtl_perception.rendering.scene.shapes.vehicles.livery import (
    flat,
    LIFT_M,
    rectangles,
    round_side,
    WHITE,
)
from mtl_perception.rendering.scene.shapes.vehicles.silhouettes import SILHOUETTES


class Built(NamedTuple):
    """Where along a street a bridge is, and how far its abutments are from the middle."""

    s: float
    half_width_m: float


IDS = {name: index for index, name in enumerate(label_space('road8').names)}


@pytest.fixture(scope='module')
def scenes() -> list[tuple[Scene, list[Built]]]:
    """Scenes, with the bridges and abutments that stand in them."""
    put, made = Chunks.put, []

    def noted(self: Chunks, s: float, t: float, mesh: Mesh, turn: float = 0.0) -> None:
        width = float(np.ptp(mesh.vertices['position'][:, 1]))
        # nothing else is that wide and stands in the middle of the street
        if t == 0.0 and width > 30:
            made[-1].append(Built(s, (width - 30) / 2))
        put(self, s, t, mesh, turn)

    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Chunks, 'put', noted)
        for seed in range(36):
            made.append([])
            drawn.append(draw_scene(np.random.default_rng((seed, 0)), Ranges()))
    return list(zip(drawn, made, strict=True))


@pytest.fixture(scope='module')
def jams() -> list[Scene]:
    ranges = replace(Ranges(), queues=1.0)
    return [draw_scene(np.random.default_rng((seed, 0)), ranges) for seed in range(4)]


def test_no_two_are_in_one_place_and_none_is_around_the_camera(
    scenes: list[tuple[Scene, list[Built]]], jams: list[Scene]
) -> None:
    times_s, counts = (0.0, 1.0, 2.0), Counter()
    for number, scene in enumerate([*(scene for scene, _ in scenes[:16]), *jams]):
        drawn = rendered.Path.drawn(np.random.default_rng(number), Ranges())
        path = replace(drawn, start_m=30.0, speed_mps=5.0)
        scene = with_room(scene, path, times_s)
        for time_s in times_s:
            spans = []
            for mover in scene.movers:
                points = mover.part.mesh.vertices['position'][:, :2]
                c, s = np.cos(mover.turn), np.sin(mover.turn)
                along, across = np.array([[c, -s], [s, c]]) @ points.T
                along += mover.s + mover.speed_mps * time_s
                across += mover.t
                # mirrors may pass each other
                mirror = 0.25 if np.ptp(across) > 1 else 0.0
                spans.append(
                    (along.min(), along.max(), across.min() + mirror, across.max() - mirror)
                )
                counts['parked' if not mover.speed_mps else 'moving'] += 1
                counts['long'] += mover.length > 12
                counts['thin'] += mover.width < 1
            own = path.start_m + path.speed_mps * time_s
            spans.append((own - 2.0, own + 2.0, scene.lane_t - 0.7, scene.lane_t + 0.7))
            start, stop, right, left = np.array(spans).T
            apart_along = np.maximum(start, start[:, None]) - np.minimum(stop, stop[:, None])
            apart_across = np.maximum(right, right[:, None]) - np.minimum(left, left[:, None])
            apart = np.maximum(apart_along, apart_across)
            np.fill_diagonal(apart, 1)
            assert apart.min() > 0, number
    assert min(counts.values()) > 10


def test_what_is_parked_stands_on_the_ground_with_all_wheels(
    scenes: list[tuple[Scene, list[Built]]],
) -> None:
    on_sidewalks = 0
    for scene, _ in scenes:
        for mover in scene.movers:
            if not mover.speed_mps and mover.length > 3:
                on_sidewalks += mover.height > 0
                for side in (-0.75, 0.75):
                    ground = scene.street.ground_height(mover.s, mover.t + side)
                    assert mover.height == pytest.approx(ground, abs=0.03)
    assert on_sidewalks > 5


def test_wheels_stand_on_slopes(scenes: list[tuple[Scene, list[Built]]]) -> None:
    on_slopes = 0
    for scene, _ in scenes:
        poses = [pose for _, pose in scene.parts()[-len(scene.movers) :]]
        for mover, pose in zip(scene.movers, poses, strict=True):
            if mover.length < 3 or not -20 < mover.s < 200:
                continue
            axle = 0.35 * mover.length
            on_slopes += abs(scene.street.slope(mover.s)) * axle > 0.05
            for end in (axle, -axle):
                x, y, z, _ = pose @ [end, 0, 0, 1]
                ahead = end * np.cos(mover.turn)
                ground = scene.street.world(mover.s + ahead, mover.t, mover.height)
                # a hilltop is not flat under what is long
                loose = 0.03 if mover.length < 8 else 0.1
                assert z == pytest.approx(ground[2], abs=loose)
                assert np.hypot(x - ground[0], y - ground[1]) < 0.8
    assert on_slopes > 10


def test_no_abutment_stands_in_a_side_road_or_within_what_is_built(
    scenes: list[tuple[Scene, list[Built]]],
) -> None:
    bridges = [(scene.street, bridge) for scene, built in scenes for bridge in built]
    assert len(bridges) > 1
    for street, bridge in bridges:
        for side in (1, -1):
            assert street.edge(side) < bridge.half_width_m
            assert all(street.free(bridge.s + d, side) for d in (-6.9, 0.0, 6.9))


def test_cars_face_outwards_and_carry_their_lamps_on_the_body() -> None:
    for kind, shape in SILHOUETTES.items():
        for seed in range(20):
            mesh = vehicle(np.random.default_rng(seed), kind)
            vertices = mesh.vertices
            tint = vertices['tint'][:, :3].astype(float)
            lamps = np.all(np.abs(tint - 255 * np.array(HEADLAMP.tint)) < 2, axis=1)
            size = np.ptp(vertices['position'], axis=0)
            # the bonnet's height at its front edge, with the spread of sizes
            bonnet = max(z for x, z in shape.top if x > 0.42) * 1.06 * shape.size[2]
            assert 0 < vertices['position'][lamps, 2].max() < bonnet + 0.03, kind
            aside = vertices['position'][:, 1]
            outwards = (vertices['normal'][:, 1] * np.sign(aside))[np.abs(aside) > 0.4 * size[1]]
            assert np.mean(outwards[np.abs(outwards) > 0.7] > 0) > 0.9, kind


@pytest.mark.parametrize('distance', [10.0, 15.0])
def test_what_is_seen_of_a_wire_fence_is_what_is_true_of_it(distance: float) -> None:
    studio = rendered.studio()
    line = np.array([[distance, -4.0, 0.0], [distance, 4.0, 0.0]])
    mesh = furniture.fence(np.random.default_rng(0), line, 1.8)
    assert (mesh.vertices['surface'][:, 0] == Layer.WIRE).any()
    light = draw_scene(np.random.default_rng(0), Ranges()).light
    pose = np.eye(4)
    pose[2, 3] = 1.0
    moment = Moment([(Part(mesh), np.eye(4))], pose @ OPTICAL)
    without = Moment([], pose @ OPTICAL)
    shown = studio.renderer.picture([moment] * 4, light).astype(int)
    seen = np.abs(shown - studio.renderer.picture([without] * 4, light)).max(2) > 12
    true = studio.renderer.truth(moment).labels == IDS['object']
    # wires thinner than a pixel are seen more often than they are hit
    assert seen[true].mean() > 0.95
    assert true.sum() > 0.2 * seen.sum() > 200


def test_lorries_have_the_size_of_lorries_and_are_painted_on_the_outside() -> None:
    for seed in range(60):
        points = vehicle(np.random.default_rng(seed), 'lorry').vertices['position']
        length, width, height = np.ptp(points, axis=0)
        assert 5 < length < 17.5
        assert 2 < width < 3.3
        assert 2.2 < height < 4.5
    half, radius, axis = 1.25, 1.1, 2.4
    for side in (1, -1):
        face = flat((side, side * half, 1.0), (-side, 0, 0), (2.0, 2.0))
        np.testing.assert_allclose(face.place(np.array([0.5, 1.0])), [side / 2, side * 1.27, 2.0])
        drum = round_side(-4.0, 4.0, axis, radius, side)
        # right of it is ahead on the right side, and behind on the left
        low, right, top = drum.place(np.array([[1.0, 0.0], [2.0, 0.0], [1.0, drum.height]]))
        np.testing.assert_allclose(right - low, [-side, 0, 0], atol=1e-9)
        for place in (low, top):
            assert np.hypot(place[1], place[2] - axis) == pytest.approx(radius + LIFT_M)
            assert place[1] * side > 0
        assert low[2] < axis < top[2]
        painted = face.patches(rectangles(np.array([[0, 0, 1, 1]])), WHITE)
        assert (painted.vertices['normal'] @ [0, side, 0] > 0.99).all()


def test_in_an_alley_something_stands_near_on_both_sides() -> None:
    studio = rendered.studio()

    def nearest(alleys: float) -> NDArray[np.float64]:
        """Measure how near things stand at the left and the right edge, median of six scenes."""
        found = []
        for seed in range(6):
            rng = np.random.default_rng(seed)
            scene = draw_scene(rng, replace(Ranges(), alleys=alleys))
            assert (scene.street.kind == 'alley') == (alleys == 1.0)
            path = replace(rendered.Path.drawn(rng, Ranges()), start_m=20.0)
            truth = studio.frame(with_room(scene, path, [0.0]), path, 0.0, rng).truth
            ground = np.isin(truth.labels, [IDS[name] for name in ('road', 'sidewalk')])
            eighth = truth.depth.shape[1] // 8
            edges = np.s_[:, :eighth], np.s_[:, -eighth:]
            found.append([np.percentile(truth.depth[e][~ground[e]], 25) for e in edges])
        return np.asarray(np.median(found, axis=0))

    alley, other = nearest(1.0), nearest(0.0)
    # to the left lies the other lane
    assert (alley < (7.0, 5.0)).all()
    assert (other > (7.0, 5.0)).all()
