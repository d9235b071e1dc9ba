from collections.abc import Callable
from functools import partial
import math

import pytest
import torch
from torch import Tensor

from mtl_perception.training.augmentation import RandomView, Targets
from mtl_perception.training.recipe import Framing

HEIGHT, WIDTH = 96, 240
CROP = (48, 80)


def make_scene() -> tuple[Tensor, Targets]:
    """Draw a picture whose red is 20 x the class, whose green and blue are row and column.

    The classes are squares of 16 pixels; depth is 1 m and the class, unknown for class 9.
    """
    rows = torch.arange(HEIGHT)[:, None].expand(HEIGHT, WIDTH)
    columns = torch.arange(WIDTH).expand(HEIGHT, WIDTH)
    classes = ((rows // 16) * 3 + columns // 16) % 10
    picture = torch.stack([classes * 20, rows, columns]).to(torch.uint8)
    depth_m = (classes + 1.0).where(classes < 9, torch.nan)
    return picture, {'segmentation': 1 << classes, 'depth': depth_m}


def plain_view(
    zooms: tuple[float, float] = (0.7, 1.5),
    principal_row: float | None = None,
    crop: tuple[int, int] = CROP,
) -> Callable[[Tensor, Targets], tuple[Tensor, Targets]]:
    """Leave the colours alone, since they say what a pixel is."""
    view = RandomView()
    view.recolour = lambda picture: picture
    return partial(view, framing=Framing(crop, zooms), principal_row=principal_row)


def zoom_of(picture: Tensor) -> tuple[float, bool]:
    """Measure the zoom by the steps of blue along the middle row, and whether it is flipped."""
    row = picture[2, picture.shape[1] // 2, 4:-4].double()
    step = (row[-1] - row[0]) / (len(row) - 1)
    return float(1 / step.abs()), bool(step < 0)


@pytest.mark.parametrize('seed', range(12))
def test_picture_labels_and_depth_move_together(seed: int) -> None:
    torch.manual_seed(seed)
    picture, targets = plain_view()(*make_scene())
    assert picture.shape == (3, *CROP)
    assert {task: tuple(x.shape) for task, x in targets.items()} == dict.fromkeys(targets, CROP)
    assert picture.dtype == torch.uint8
    assert targets['segmentation'].dtype == torch.int64
    classes = (picture[0] / 20).round().long()
    # where no other class was blended in
    pure = (picture[0].int() - classes * 20).abs() <= 1
    agree = (targets['segmentation'] == 1 << classes)[pure].float().mean()
    assert agree > 0.95
    # a target of row and column tells where each pixel came from
    zoom, _ = zoom_of(picture)
    depth_m = (targets['depth'] * zoom).nan_to_num(10)
    assert ((depth_m - classes - 1).abs() < 0.3)[pure].float().mean() > 0.95


@pytest.mark.parametrize('zoom', [0.86, 1.3, 1.7, 2.4])
def test_targets_lie_on_the_picture_to_a_fraction_of_a_pixel(zoom: float) -> None:
    picture, _ = make_scene()
    offsets = []
    for seed in range(10):
        torch.manual_seed(seed)
        view, targets = plain_view((zoom, zoom))(picture, {'place': picture[1:].float()})
        # away from the rims, beyond which a picture is not known
        off = (targets['place'] - view[1:].float())[:, 4:-4, 4:-4]
        offsets.append(off.mean((1, 2)) * zoom)
    assert torch.stack(offsets).mean(0).abs().max() < 0.1


def test_depth_is_divided_by_the_zoom() -> None:
    """An enlarged picture is one of a longer focal length, in which things seem nearer."""
    zooms = []
    for seed in range(12):
        torch.manual_seed(seed)
        picture, targets = plain_view()(*make_scene())
        zoom, _ = zoom_of(picture)
        original = torch.log2(targets['segmentation'].float()) + 1
        known = targets['depth'] > 0
        ratio = (original / targets['depth'])[known]
        torch.testing.assert_close(ratio, torch.full_like(ratio, ratio[0]))
        assert float(ratio[0]) == pytest.approx(zoom, rel=0.03)
        zooms.append(zoom)
    assert min(zooms) < 1 < max(zooms)
    assert min(zooms) > 0.68
    assert max(zooms) < 1.55


def test_half_of_the_views_are_flipped_and_all_places_are_drawn() -> None:
    flips, places = [], set()
    for seed in range(60):
        torch.manual_seed(seed)
        picture, _ = plain_view()(*make_scene())
        flips.append(zoom_of(picture)[1])
        places.add((int(picture[1].min()) // 8, int(picture[2].min()) // 8))
    assert 15 < sum(flips) < 45
    assert len(places) > 30


@pytest.mark.parametrize('zoom', [0.8, 1.0, 1.7, 3.0])
def test_the_horizon_stays_where_a_longer_lens_has_it(zoom: float) -> None:
    """Give or take the tilt and what the crop leaves of the picture's height."""
    horizon, tops = 40.0, []
    for seed in range(40):
        torch.manual_seed(seed)
        picture, _ = plain_view((zoom, zoom), horizon)(*make_scene())
        rows = picture[1].double().mean(1)
        # the row of the view in which the principal row is
        tops.append(float((rows[1:-1] - horizon).abs().argmin()) + 1)
    tilt = RandomView.TILT * CROP[0] + 1.5
    whole = [horizon - (HEIGHT - CROP[0]), horizon]
    assert min(tops) > whole[0] - tilt
    assert max(tops) < whole[1] + tilt
    # and all of that is drawn, where the picture is high enough
    if zoom >= 1:
        assert max(tops) - min(tops) > 0.5 * (min(whole[1], CROP[0]) - max(whole[0], 0))


@pytest.mark.parametrize('zoom', [1.0, 1.25, 1.6])
def test_wide_views_keep_to_the_columns_of_a_longer_lens(zoom: float) -> None:
    """The middle of the picture stays in the middle, give or take the tilt."""
    crop, middle = (CROP[0], 200), WIDTH / 2
    places = []
    for seed in range(40):
        torch.manual_seed(seed)
        picture, _ = plain_view((zoom, zoom), 40.0, crop)(*make_scene())
        places.append(float((picture[2, CROP[0] // 2].double() - middle).abs().argmin()))
    # and what a pixel more or less of the window makes
    slack = RandomView.TILT * crop[1] + (WIDTH - crop[1]) / 2 + 3 * zoom
    assert max(abs(place - crop[1] / 2) for place in places) < slack
    assert max(places) - min(places) > slack / 2


def test_unknown_depth_stays_unknown() -> None:
    torch.manual_seed(0)
    _, targets = plain_view()(*make_scene())
    assert torch.equal(targets['depth'].isnan(), targets['segmentation'] == 1 << 9)
    assert targets['depth'].isnan().any()


def test_sets_of_far_apart_classes_survive() -> None:
    """Bit sets are numbers far beyond what float32 holds exactly."""
    picture, targets = make_scene()
    several = (1 << 39) | 1
    targets['segmentation'] = torch.full_like(targets['segmentation'], several)
    torch.manual_seed(1)
    _, moved = plain_view()(picture, targets)
    assert moved['segmentation'].unique().tolist() == [several]


@pytest.mark.parametrize('size', [(30, 200), (90, 40), (17, 23)], ids='{0[0]}x{0[1]}'.format)
def test_a_small_picture_is_enlarged_to_the_crop(size: tuple[int, int]) -> None:
    height, width = size
    picture, targets = make_scene()
    picture = picture[:, :height, :width]
    targets = {task: x[:height, :width] for task, x in targets.items()}
    for seed in range(5):
        torch.manual_seed(seed)
        view, moved = plain_view()(picture, targets)
        assert view.shape == (3, *CROP)
        # not stretched: rows and columns have one zoom
        down = view[1, 4:-4, 40].double()
        rows_zoom = (len(down) - 1) / float(down[-1] - down[0])
        assert rows_zoom == pytest.approx(zoom_of(view)[0], rel=0.12)
        assert moved['depth'].shape == CROP


def test_views_are_blurred_in_place_by_up_to_as_much_as_is_said() -> None:
    edge = torch.zeros(3, HEIGHT, WIDTH, dtype=torch.uint8)
    edge[:, :, WIDTH // 2 :] = 255
    framing, view, widths = Framing((HEIGHT, WIDTH), (1.0, 1.0), 2.0), RandomView(), []
    view.recolour = lambda picture: picture
    for seed in range(40):
        torch.manual_seed(seed)
        shown, targets = view(edge, {'depth': edge[0].float() + 1}, framing)
        torch.manual_seed(seed)
        _, sharp = view(edge, {'depth': edge[0].float() + 1}, Framing((HEIGHT, WIDTH), (1.0, 1.0)))
        assert torch.equal(targets['depth'], sharp['depth'])
        # half way up the flank of a Gaussian's integral the slope is 1 / (deviation sqrt(2 pi))
        line = shown[0, HEIGHT // 2].double()
        assert abs(float(line.mean()) - 127.5) < 1
        widths.append(255 / float(line.diff().abs().max()) / math.sqrt(2 * math.pi))
    assert max(widths) < 2.1
    assert max(widths) > 1.7
    assert min(widths) < 0.6


def test_colours_change_but_not_the_labels() -> None:
    drawn: list[tuple[Tensor, Targets]] = []
    for view in (plain_view(), partial(RandomView(), framing=Framing(CROP, (0.7, 1.5)))):
        torch.manual_seed(3)
        drawn.append(view(*make_scene()))
    (plain, plain_targets), (coloured, coloured_targets) = drawn
    assert not torch.equal(plain, coloured)
    assert torch.equal(plain_targets['segmentation'], coloured_targets['segmentation'])
