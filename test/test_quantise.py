from dataclasses import replace
from pathlib import Path

from made_index import make_index
from made_weights import make_picture, make_weights
import numpy as np
import pytest

from mtl_perception.backends import create_backend
from mtl_perception.engine import Engine
from mtl_perception.offline.__main__ import main
from mtl_perception.offline.quantise import acceptable, pick_evenly
from mtl_perception.recordings.dataset_index import read_index

SIZE = (64, 96)


@pytest.mark.parametrize(
    ('after', 'accepted'),
    [
        ({'miou': 0.7, 'abs_rel': 0.2}, True),
        ({'miou': 0.691, 'abs_rel': 0.2039}, True),
        ({'miou': 0.689, 'abs_rel': 0.2}, False),
        ({'miou': 0.75, 'abs_rel': 0.2041}, False),
    ],
)
def test_a_point_of_miou_or_two_percent_of_abs_rel_is_too_much(
    after: dict[str, float], accepted: bool
) -> None:
    assert acceptable({'miou': 0.7, 'abs_rel': 0.2}, after) == accepted


def test_a_model_of_one_task_is_judged_by_that() -> None:
    assert acceptable({'miou': 0.7}, {'miou': 0.695})
    assert not acceptable({'abs_rel': 0.2}, {'abs_rel': 0.3})


def test_pictures_are_picked_evenly_from_all_sources(tmp_path: Path) -> None:
    picture = make_picture(8, 8)
    rows = [{'picture': picture, 'source': source} for source in ('many',) * 9 + ('few',) * 2]
    picked = pick_evenly(read_index(make_index(tmp_path, rows)), 6)
    assert sorted(row.source for row in picked) == ['few'] * 2 + ['many'] * 4
    again = pick_evenly(read_index(tmp_path / 'index.csv'), 6)
    assert [row.picture_path for row in again] == [row.picture_path for row in picked]


def test_weights_run_in_int8_once_quantised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Judged by what the float network says of the pictures: int8 must say nearly the same."""
    pytest.importorskip('nncf')
    monkeypatch.setenv('MTL_PERCEPTION_CACHE', str(tmp_path / 'cache'))
    # as strict as it is on real pictures, an untrained network would keep no layer in int8
    monkeypatch.setattr('mtl_perception.offline.quantise.MAX_MIOU_LOSS', 0.5)
    monkeypatch.setattr('mtl_perception.offline.quantise.MAX_ABS_REL_GROWTH', 5.0)
    weights = make_weights(tmp_path / 'w.safetensors', {'segmentation': 8, 'depth': 1})
    exact = Engine(weights, 'cpu', 'torch', 'fp32')
    pictures = [make_picture(*SIZE, seed) for seed in range(6)]
    rows = []
    for number, picture in enumerate(pictures):
        said = exact.predict(picture)
        depth = np.where(np.isfinite(said.depth), said.depth, np.nan)
        split = 'val' if number < 2 else 'train'
        rows.append({'picture': picture, 'labels': said.labels, 'depth': depth, 'split': split})
    index = make_index(tmp_path / 'data', rows)
    assert main(['quantise', str(index), '--weights', str(weights), '--pictures', '4']) == 0
    assert f'wrote {weights.with_suffix(".int8.xml")}' in capsys.readouterr().out
    engine = Engine(weights, 'cpu', 'openvino', 'int8')
    assert engine.backend == 'openvino int8'
    # of another size than it was calibrated on
    assert engine.predict(make_picture(93, 157)).labels.shape == (93, 157)
    stale = replace(engine.source, sha256='0' * 64)
    with pytest.raises(ValueError, match=r'was made of weights of sha256 .*, not 0+; make it'):
        create_backend('openvino', 'cpu', 'int8').compile(stale, (1, *SIZE))
