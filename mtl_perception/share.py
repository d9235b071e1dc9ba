"""Where the package's own files lie: weights, configuration, launch files."""

from pathlib import Path
import sysconfig

PACKAGE = 'mtl_perception'


def share_folders() -> list[Path]:
    """List the source tree, colcon's share folder and pip's, as far as they exist."""
    package = Path(__file__).resolve().parent
    prefixes = [*package.parents, Path(sysconfig.get_path('data'))]
    shares = dict.fromkeys(prefix / 'share' / PACKAGE for prefix in prefixes)
    return [
        folder
        for folder in (package.parent, *shares)
        # site-packages, which holds an installed package, has none of these files
        if (folder / 'package.xml').is_file()
    ]


def find_shared(name: str) -> Path:
    """Find a file of the package, as `config/perception.yaml`; FileNotFoundError if absent."""
    for folder in share_folders():
        if (folder / name).exists():
            return folder / name
    places = ', '.join(map(str, share_folders())) or 'no share folder'
    raise FileNotFoundError(f'{name} is not in {places}; install {PACKAGE} again')
