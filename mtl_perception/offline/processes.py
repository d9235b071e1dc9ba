"""Processes that speak ROS 2, started from rooms that do not."""

from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
import logging
import os
from pathlib import Path
import random
import re
import shutil
import signal
import subprocess
import sys
import time

from mtl_perception.share import find_shared

_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20.0
_PAGE_MB = os.sysconf('SC_PAGE_SIZE') / 2**20
_TICKS_HZ = os.sysconf('SC_CLK_TCK')


def fresh_folder(folder: Path, names: Collection[str], source: Path | None = None) -> None:
    """Make a verb's output folder, and remove the names that it writes there, nothing else.

    Raises NotADirectoryError if it is a file, ValueError if the source of the verb would go too.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f'{folder} is no folder; give another --output')
    written = [folder / name for name in names]
    if source and any(source.resolve().is_relative_to(path.resolve()) for path in written):
        raise ValueError(f'{source} lies where the output goes; give another --output')
    folder.mkdir(parents=True, exist_ok=True)
    for path in written:
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def ros_environment(folder: Path) -> dict[str, str]:
    """Keep the traffic on this machine, in a domain of its own, through large shared memory.

    Logs go into `folder`/log.
    """
    # not the caller's domain, where a robot may live, nor the default one
    return os.environ | {
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_DOMAIN_ID': str(random.randrange(1, 102)),
        'ROS_LOG_DIR': str((folder / 'log').resolve()),
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(find_shared('config/fastdds_images.xml')),
        'MALLOC_MMAP_THRESHOLD_': '67108864',
        'MALLOC_TRIM_THRESHOLD_': '268435456',
        'PYTHONUNBUFFERED': '1',
    }


class LoggedProcess(subprocess.Popen[bytes]):
    """A module of Python with its words, in a session of its own; `log` is what it says."""

    def __init__(self, arguments: Sequence[str], environment: dict[str, str], log: Path) -> None:
        """Start it."""
        self.module, self.log = arguments[0], log
        with log.open('wb') as file:
            super().__init__(
                [sys.executable, '-m', *arguments],
                env=environment,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def check(self) -> None:
        """Raise ValueError, with the end of its log, if it has ended or cannot configure."""
        status = self.poll()
        if status is not None:
            raise ValueError(f'{self.module} ended with status {status}: {log_end(self.log)}')
        # of a line that is complete
        if re.search(r'cannot configure: .*\n', self.log.read_text(errors='replace')):
            raise ValueError(f'{self.module} does not start: {log_end(self.log)}')


@contextmanager
def running(
    arguments: Sequence[str], environment: dict[str, str], log: Path
) -> Iterator[LoggedProcess]:
    """Run a module of Python; end it by SIGINT, as Ctrl-C would, and wait for it."""
    process = LoggedProcess(arguments, environment, log)
    try:
        yield process
    finally:
        _end(process)


def wait_for_text(log: Path, text: str, *processes: LoggedProcess) -> None:
    """Wait until a process has logged a text.

    Raises ValueError as soon as one of the processes fails, see its check, and TimeoutError with
    the end of the log.
    """
    end = time.monotonic() + _START_TIMEOUT_S
    while text not in log.read_text(errors='replace'):
        for process in processes:
            process.check()
        if time.monotonic() > end:
            raise TimeoutError(
                f"{log} does not say '{text}' after {_START_TIMEOUT_S:g} s: {log_end(log)}"
            )
        time.sleep(0.1)


def log_end(log: Path, lines: int = 8) -> str:
    """Give the last lines of a log, for an error to repeat."""
    return ' | '.join(log.read_text(errors='replace').splitlines()[-lines:])


def resident_mb(pid: int) -> float:
    """Read the resident memory of a process as Linux counts it; 0 once it is gone."""
    try:
        pages = Path(f'/proc/{pid}/statm').read_text().split()[1]
    except FileNotFoundError:
        return 0.0
    return round(int(pages) * _PAGE_MB, 2)


def cpu_s(pid: int) -> float:
    """Give the seconds that a process has computed, on all cores together."""
    # its name may have spaces; user and system time are the 12th and 13th field behind it
    behind = Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    return (int(behind[11]) + int(behind[12])) / _TICKS_HZ


def _end(process: LoggedProcess) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGINT)
    try:
        process.wait(_STOP_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        logging.getLogger(__name__).warning(
            'killed what did not end within %.0f s: %s', _STOP_TIMEOUT_S, process.args
        )
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
