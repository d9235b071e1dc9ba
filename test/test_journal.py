from pathlib import Path
import re

import pytest

from mtl_perception.training.experts.journal import Journal

SETTINGS = {'scales': (0.8, 1.0), 'camera': None}
COLUMNS = {'depth': 'depth/000000.png', 'fx_px': 721.5}


def test_a_run_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    path = tmp_path / 'journal.jsonl'
    begun = Journal(path, SETTINGS)
    assert begun.columns('first.png') is None
    begun.add('first.png', COLUMNS)
    begun.add('second.png', {})
    # in the middle of a line
    path.write_bytes(path.read_bytes()[:-3])
    for _ in range(2):
        again = Journal(path, SETTINGS)
        assert again.columns('first.png') == COLUMNS
        assert again.columns('second.png') is None
    again.add('second.png', COLUMNS)
    assert Journal(path, SETTINGS).columns('second.png') == COLUMNS


def test_other_settings_are_refused_with_both(tmp_path: Path) -> None:
    Journal(tmp_path / 'journal.jsonl', SETTINGS).add('first.png', COLUMNS)
    words = f'{tmp_path} was annotated with camera None, scales [0.8, 1.0], not [500.0, 40.0], '
    with pytest.raises(
        ValueError, match=re.escape(words) + r'\[1\.0\]; give the same, or another'
    ):
        Journal(tmp_path / 'journal.jsonl', {'scales': [1.0], 'camera': [500.0, 40.0]})
    # nothing is lost
    assert Journal(tmp_path / 'journal.jsonl', SETTINGS).columns('first.png') == COLUMNS


def test_one_that_was_cut_off_in_its_first_line_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / 'journal.jsonl'
    path.write_text('{"scales": [0.')
    Journal(path, SETTINGS).add('first.png', COLUMNS)
    assert Journal(path, SETTINGS).columns('first.png') == COLUMNS
