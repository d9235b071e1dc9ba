"""Compiled artefacts on disk: found again by what they were made of, never trusted blindly."""

import contextlib
import functools
import hashlib
import logging
import os
from pathlib import Path
import re
import tempfile
import uuid

from mtl_perception import network

log = logging.getLogger(__name__)
# one artefact takes some 10 MB
KEPT_ARTEFACTS = 32
_DIGEST_BYTES = hashlib.sha256().digest_size
# an artefact, and what one is called until it is whole
_OURS = re.compile(r'[0-9a-f]{64}|\.writing-[0-9a-f]{32}')


def cache_folder() -> Path:
    """Give the folder: MTL_PERCEPTION_CACHE, else mtl_perception in the user's cache folder.

    Who has no home has it among the temporary files.
    """
    given = os.environ.get('MTL_PERCEPTION_CACHE')
    if given:
        return Path(given)
    base = os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache')
    # nobody's, where there is no home
    return Path(tempfile.gettempdir() if base.startswith('~') else base) / 'mtl_perception'


def artefact_key(*ingredients: object) -> str:
    """Name an artefact after all that it is made of, and the code that defines the network."""
    text = '\n'.join(map(repr, (*ingredients, _code_digest())))
    return hashlib.sha256(text.encode()).hexdigest()


def load_artefact(key: str) -> bytes | None:
    """Read an artefact; None if there is none, or it is torn."""
    path = cache_folder() / key
    try:
        stored = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        log.warning('cannot read the cache, compiling anew: %s', error)
        return None
    digest, content = stored[:_DIGEST_BYTES], stored[_DIGEST_BYTES:]
    if hashlib.sha256(content).digest() != digest:
        log.warning('%s is torn; compiling anew', path)
        return None
    with contextlib.suppress(OSError):
        # a folder that is only read keeps the times of its writer
        os.utime(path)
    return content


def store_artefact(key: str, content: bytes) -> None:
    """Write an artefact, whole or not at all; only warn if that cannot be done.

    The artefacts that were not used for longest make way; files of other names are left alone.
    """
    folder = cache_folder()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / key, hashlib.sha256(content).digest() + content)
        ours = [path for path in folder.iterdir() if _OURS.fullmatch(path.name) and path.is_file()]
        for old in sorted(ours, key=_last_use)[:-KEPT_ARTEFACTS]:
            old.unlink(missing_ok=True)
    except OSError as error:
        log.warning(
            'cannot keep what was compiled, the next start compiles again: %s; '
            'make the folder writable, or set MTL_PERCEPTION_CACHE',
            error,
        )


def _write(path: Path, content: bytes) -> None:
    # what tempfile makes, only its owner may read
    temporary = path.with_name(f'.writing-{uuid.uuid4().hex}')
    try:
        temporary.write_bytes(content)
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        # another process made way meanwhile
        return 0.0


@functools.cache
def _code_digest() -> str:
    """Tell this definition of the network from others of the same weights."""
    rooms = (Path(network.__file__).parent, Path(__file__).parent)
    files = sorted(file for room in rooms for file in room.glob('*.py'))
    return hashlib.sha256(b''.join(file.read_bytes() for file in files)).hexdigest()
