"""A node process, and a client of it in this process: what the tests of ros/ share."""

from collections.abc import Callable
import os
from pathlib import Path
import signal
import subprocess
import sys
import threading
from typing import Any, TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node

ROOT = Path(__file__).resolve().parents[1]
# one of its own for each run, so that runs beside each other do not meet
DOMAIN_ID = os.getpid() % 102
# only a broken node comes near it
TIMEOUT_S = 180.0

Result = TypeVar('Result')


def ros_environment(log_folder: Path) -> dict[str, str]:
    """Give what keeps traffic on this machine and checks every field of every message."""
    return {
        'ROS_DOMAIN_ID': str(DOMAIN_ID),
        'ROS_AUTOMATIC_DISCOVERY_RANGE': 'LOCALHOST',
        'ROS_LOG_DIR': str(log_folder),
        'ROS_PYTHON_CHECK_FIELDS': '1',
        # without it the outputs of a frame do not fit the shared memory, and come seconds late
        'FASTRTPS_DEFAULT_PROFILES_FILE': str(ROOT / 'config' / 'fastdds_images.xml'),
        'AMENT_PREFIX_PATH': os.environ.get('AMENT_PREFIX_PATH', sys.prefix),
    }


class Watched:
    """State that another thread changes, to be waited for."""

    def __init__(self) -> None:
        self.changed = threading.Condition()

    def wait_for(self, what: str, probe: Callable[[], Result | None]) -> Result:
        """Wait until probe gives something true, and give it."""
        found: list[Result] = []

        def holds() -> bool:
            result = probe()
            if result:
                found.append(result)
            return bool(result)

        with self.changed:
            if not self.changed.wait_for(holds, TIMEOUT_S):
                raise AssertionError(f'{what}: not within {TIMEOUT_S} s')
        return found[-1]


class NodeProcess(Watched):
    """The perception node in a process group of its own."""

    def __init__(self, log_folder: Path, namespace: str = '', **parameters: object) -> None:
        super().__init__()
        config = ROOT / 'config' / 'perception.yaml'
        logger = '.'.join(filter(None, [namespace, 'perception']))
        arguments = [f'{name.replace("__", ".")}:={v}' for name, v in parameters.items()]
        self.lines: list[str] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, '-m', 'mtl_perception.ros.node', '--ros-args'),
                *('--params-file', str(config)),
                *('--log-level', f'{logger}:=debug', '-r', f'__ns:=/{namespace}'),
                *(word for argument in arguments for word in ('-p', argument)),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | ros_environment(log_folder) | {'PYTHONPATH': _python_path()},
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def wait_for_line(self, *parts: str, after: int = 0) -> str:
        """Wait for a line of its log, after the first `after`, that has all parts."""

        try:
            return self.wait_for(f'a line with {parts}', lambda: self.line(*parts, after=after))
        except AssertionError as error:
            raise AssertionError('\n'.join([str(error), *self.lines])) from None

    def line(self, *parts: str, after: int = 0) -> str | None:
        """Give the first such line, None if there is none yet."""
        return next((x for x in self.lines[after:] if all(p in x for p in parts)), None)

    def end(self, signal_number: int = signal.SIGINT) -> int:
        """Signal the group; give the exit status once it has ended."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal_number)
        try:
            status = self.process.wait(TIMEOUT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, signal.SIGKILL)
            raise
        self._reader.join()
        return status

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self.changed:
                self.lines.append(line.rstrip())
                self.changed.notify_all()


class Client(Watched):
    """A node of this process; what it receives is kept by topic and can be waited for."""

    def __init__(self, namespace: str = '') -> None:
        super().__init__()
        self.context = rclpy.Context()
        rclpy.init(context=self.context, domain_id=DOMAIN_ID)
        self.node: Node = rclpy.create_node('client', context=self.context, namespace=namespace)
        self.received: dict[str, list[Any]] = {}
        self._services: dict[str, Any] = {}
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        # looks again at what the graph says, which has no event of its own in rclpy
        self.node.create_timer(0.05, self._notify)
        self._failure: Exception | None = None
        self._thread = threading.Thread(target=self._spin)
        self._thread.start()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except Exception as error:
            # that of a callback, after which nothing is received any more
            with self.changed:
                self._failure = error
                self.changed.notify_all()

    def wait_for(self, what: str, probe: Callable[[], Result | None]) -> Result:
        """Wait until probe gives something true, and give it; not after a callback has failed."""

        def served() -> Result | None:
            if self._failure and self.context.ok():
                raise AssertionError(f'{what}: a callback failed') from self._failure
            return probe()

        return super().wait_for(what, served)

    def subscribe(self, kind: type, topic: str) -> None:
        self.received[topic] = []

        def receive(message: Any) -> None:
            with self.changed:
                self.received[topic].append(message)
                self.changed.notify_all()

        self.node.create_subscription(kind, topic, receive, 10)

    def call(
        self, kind: type, name: str, harmless: dict[str, Any] | None = None, **request: Any
    ) -> Any:
        """Call a service and give its response.

        A server that has not discovered the client yet loses its response, and service_is_ready
        tells of the other direction only. A first request is therefore repeated until it is
        answered: `harmless`, or this one itself, which then must not mind being repeated.
        """
        if name not in self._services:
            self._services[name] = self.node.create_client(kind, name)
            self._introduce(self._services[name], kind.Request(**(harmless or request)))
        future = self._services[name].call_async(kind.Request(**request))
        self.wait_for(f'response of {name}', future.done)
        return future.result()

    def _introduce(self, client: Any, request: Any) -> None:
        self.wait_for(f'service {client.srv_name}', client.service_is_ready)
        futures: list[Any] = []
        self.repeat_until(
            f'response of {client.srv_name}',
            lambda: futures.append(client.call_async(request)),
            lambda: any(future.done() for future in futures),
        )

    def repeat_until(
        self, what: str, act: Callable[[], object], probe: Callable[[], object]
    ) -> None:
        """Act each second until probe holds.

        Two nodes discover each other one side at a time: what is sent in between by best effort,
        or asked of one that does not know yet that somebody listens, is lost.
        """
        for _ in range(int(TIMEOUT_S)):
            act()
            with self.changed:
                if self.changed.wait_for(probe, timeout=1.0):
                    return
        raise AssertionError(f'{what}: not within {TIMEOUT_S} s')

    def execute(self, work: Callable[[], object]) -> None:
        """Have the executor do what must not happen beside it, as destroying does."""
        task = self._executor.create_task(work)
        self.wait_for('executor', task.done)

    def close(self) -> None:
        self._executor.shutdown()
        self._thread.join()
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)

    def _notify(self) -> None:
        with self.changed:
            self.changed.notify_all()


def _python_path() -> str:
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get('PYTHONPATH')]))
