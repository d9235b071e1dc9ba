"""What experts have written so far, so that a run that was cut off goes on where it was."""

from collections.abc import Mapping
import json
from pathlib import Path
from typing import Any

from mtl_perception.recordings.dataset_index import check_settings


class Journal:
    """A file of JSON lines: the settings, then the columns that each picture was given."""

    def __init__(self, path: Path, settings: Mapping[str, Any]) -> None:
        """Go on with the file of a run with the same settings, or begin one.

        Raises ValueError if it was begun with others.
        """
        self._path = path
        content = path.read_text() if path.is_file() else ''
        # the last line of a run that was cut off may be torn
        lines = content[: content.rfind('\n') + 1].splitlines() or [json.dumps(settings)]
        path.write_text('\n'.join(lines) + '\n')
        # as it was read
        begun, wanted = json.loads(lines[0]), json.loads(json.dumps(settings))
        check_settings(path.parent, 'annotated', begun, wanted)
        self._columns: dict[str, dict[str, Any]] = dict(map(json.loads, lines[1:]))

    def columns(self, picture: str) -> dict[str, Any] | None:
        """Give what a picture was given, None if it was not there yet."""
        return self._columns.get(picture)

    def add(self, picture: str, columns: dict[str, Any]) -> None:
        """Write down what a picture was given, once its files are written."""
        self._columns[picture] = columns
        with self._path.open('a') as file:
            file.write(json.dumps([picture, columns]) + '\n')
