"""The rerun viewer as a process: a window, or a picture of one where there is no screen."""

import os
from pathlib import Path
import shutil
import signal
import socket
import subprocess
import sys
from tempfile import TemporaryFile
from typing import IO

# drawn by software on a busy machine it takes its time
_TIMEOUT_S = 300.0
_LOCAL = '127.0.0.1'
# a viewer that was closed or told to end; its script hands on -2 as 254
_CLOSED = {0, *(n % 256 for s in (signal.SIGINT, signal.SIGTERM) for n in (-s, 128 + s))}


def find_viewer() -> str:
    """Find the program `rerun`. Raises FileNotFoundError if it is not installed."""
    beside = Path(sys.executable).with_name('rerun')
    found = str(beside) if beside.is_file() else shutil.which('rerun')
    if found is None:
        raise FileNotFoundError(
            'the program rerun is not installed; pip install rerun-sdk, or this package with its '
            'extra [viewer]'
        )
    return found


def take_screenshot(recording: Path, picture: Path, size: tuple[int, int]) -> None:
    """Draw an .rrd file into a PNG without a screen; size is width and height of the window.

    Raises OSError, with what the viewer said, if it draws none, TimeoutError if it hangs.
    """
    picture.parent.mkdir(parents=True, exist_ok=True)
    picture.unlink(missing_ok=True)
    words = [
        *(find_viewer(), '--headless', '--bind', _LOCAL, '--port', str(_free_port())),
        *('--screenshot-to', str(picture.resolve()), '--window-size', f'{size[0]}x{size[1]}'),
        str(recording),
    ]
    # its notices would cover the picture
    environment = os.environ | {'RUST_LOG': 'error'}
    with TemporaryFile() as log:
        viewer = subprocess.Popen(
            words, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        try:
            viewer.wait(_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            raise TimeoutError(
                f'the viewer drew no {picture} in {_TIMEOUT_S:g} s. It said: {_said(log)}'
            ) from None
        finally:
            # rerun is a script that starts the program proper
            if viewer.poll() is None:
                os.killpg(viewer.pid, signal.SIGKILL)
        said = _said(log)
    if not picture.is_file():
        raise OSError(
            f'the viewer drew no {picture}; it needs a GPU or the software renderer of the '
            f'Debian package mesa-vulkan-drivers. It said: {said}'
        )


def open_window(recording: Path) -> None:
    """Show an .rrd file until the window is closed. Raises OSError as check_closed does."""
    port = str(_free_port())
    words = [find_viewer(), '--bind', _LOCAL, '--port', port, str(recording)]
    check_closed(subprocess.run(words, check=False).returncode)


def open_live() -> tuple['subprocess.Popen[bytes]', str]:
    """Open an empty window; give its process and the address where it listens."""
    port = str(_free_port())
    words = [find_viewer(), '--bind', _LOCAL, '--port', port, '--hide-welcome-screen']
    return subprocess.Popen(words), f'rerun+http://{_LOCAL}:{port}/proxy'


def check_closed(status: int) -> None:
    """Check how a window ended. Raises OSError unless it was closed."""
    if status % 256 not in _CLOSED:
        raise OSError(
            f'the viewer ended with status {status}, and said why above; without a screen give '
            '--screenshot or --save'
        )


def _said(log: IO[bytes]) -> str:
    log.seek(0)
    return log.read().decode(errors='replace').strip()[-500:]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((_LOCAL, 0))
        return int(probe.getsockname()[1])
