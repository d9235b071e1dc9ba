"""A small index of annotated pictures, written as the real ones are."""

import csv
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from mtl_perception.recordings.dataset_index import COLUMNS, encode_normals


def make_index(folder: Path, rows: list[dict[str, Any]]) -> Path:
    """Write index.csv.

    A row gives arrays (picture RGB, labels, depth in metres, unit normals) and columns.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / 'index.csv').open('w', newline='') as file:
        writer = csv.DictWriter(file, (*COLUMNS, 'normals'), restval='')
        writer.writeheader()
        for number, row in enumerate(rows):
            writer.writerow(_write_row(folder, number, dict(row)))
    return folder / 'index.csv'


def _write_row(folder: Path, number: int, row: dict[str, Any]) -> dict[str, Any]:
    arrays = {'image': row.pop('picture')[..., ::-1]}
    if 'labels' in row:
        arrays['labels'] = row['labels']
        row = {'label_space': 'road8', 'label_source': 'human', **row}
    if 'depth' in row:
        # NaN and 0 are both "unknown"
        arrays['depth'] = np.nan_to_num(row['depth'] * 256).round().astype(np.uint16)
    if 'normals' in row:
        arrays['normals'] = encode_normals(row['normals'])
    for column, array in arrays.items():
        row[column] = f'{column}_{number}.png'
        cv2.imwrite(str(folder / row[column]), array)
    return {'split': 'train', 'source': 'made', 'licence': 'Apache-2.0', **row}
