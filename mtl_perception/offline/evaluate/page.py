"""A page of a scoring: the figures, the best and the worst pictures of each task."""

import base64
from importlib.resources import files
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import jinja2
import numpy as np
from numpy.typing import NDArray

from mtl_perception.engine import Engine

from .panels import draw_panels
from .score import ALL, ScoredPicture, Scoring

TITLES = {
    'segmentation': 'Segmentation',
    'depth': 'Depth',
    'depth_median_scaled': "Depth, each picture's median scaled to the truth's",
    'normals': 'Normals',
}
# of each task, the best and the worst
SHOWN = 3
# by which figure pictures are ranked, and whether more of it is better
RANKED_BY = {
    'segmentation': ('miou', True),
    'depth': ('abs_rel', False),
    'normals': ('mean_deg', False),
}
# width and height into which a picture of the page has to fit
THUMBNAIL = (480, 360)
JPEG_QUALITY = 80


class Shown(NamedTuple):
    """A picture of the page: its name, its own figures, and its panels as URIs by caption."""

    name: str
    source: str
    figures: dict[str, Any]
    panels: dict[str, str]


def write_page(path: Path, report: dict[str, Any], scoring: Scoring, engine: Engine) -> None:
    """Write the page, one HTML file with all its pictures inside.

    report holds the figures of scoring and what it is of; engine predicts the pictures shown once
    more.
    """
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters['figure'] = _figure
    template = environment.from_string((files(__package__) / 'page.html').read_text())
    colours = dict(zip(scoring.space.names, scoring.space.colours, strict=True))
    page = template.render(
        header={key: value for key, value in report.items() if not isinstance(value, dict)},
        sources={**report['sources'], ALL: report[ALL]},
        tasks=list(report[ALL]),
        titles=TITLES,
        colours={name: f'rgb{colour}' for name, colour in colours.items()},
        ranked_by=RANKED_BY,
        shown={task: _shown(task, scoring, engine) for task in RANKED_BY if task in report[ALL]},
        pictures=scoring.pictures,
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(page)


def best_and_worst(
    pictures: list[ScoredPicture], task: str
) -> tuple[list[ScoredPicture], list[ScoredPicture]]:
    """Choose pictures by their own figures: the best ones, best first, and the worst ones.

    Pictures without the figure are left out, and none is in both.
    """
    key, more_is_better = RANKED_BY[task]
    scored = [p for p in pictures if p.figures.get(task, {}).get(key) is not None]
    ranked = sorted(scored, key=lambda p: float(p.figures[task][key]), reverse=more_is_better)
    count = min(SHOWN, (len(ranked) + 1) // 2)
    return ranked[:count], ranked[count:][: -count - 1 : -1]


def _shown(task: str, scoring: Scoring, engine: Engine) -> dict[str, list[Shown]]:
    chosen = best_and_worst(scoring.pictures, task)
    return {
        title: [_draw(picture, task, scoring, engine) for picture in pictures]
        for title, pictures in zip(('best', 'worst'), chosen, strict=True)
    }


def _draw(scored: ScoredPicture, task: str, scoring: Scoring, engine: Engine) -> Shown:
    row, figures = scored
    picture = row.read_picture()
    comparison = scoring.compare(row, engine.predict(picture))
    near, far = engine.card.depth_range_m
    range_m = (near, min(far, scoring.max_depth_m))
    panels = draw_panels(task, picture, comparison, scoring.space, range_m)
    uris = {caption: _uri(panel) for caption, panel in panels.items()}
    return Shown(row.picture.name, row.source, figures[task], uris)


def _uri(picture: NDArray[np.uint8]) -> str:
    """Encode a picture, no larger than a thumbnail, as a data URI."""
    height, width = picture.shape[:2]
    scale = min(THUMBNAIL[0] / width, THUMBNAIL[1] / height, 1.0)
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    small = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    _, encoded = cv2.imencode('.jpg', small[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])
    return f'data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}'


def _figure(value: float | int | None) -> str:
    if value is None:
        return '-'
    return f'{value:.3f}' if isinstance(value, float) else str(value)
