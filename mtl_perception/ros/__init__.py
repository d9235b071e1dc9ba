"""The ROS 2 node; the only room that imports rclpy and messages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import signal

import rclpy
from rclpy.executors import SingleThreadedExecutor


@contextmanager
def ros_process(arguments: Sequence[str] | None = None) -> Iterator[SingleThreadedExecutor]:
    """Speak ROS 2 until the block ends, or Ctrl-C or SIGTERM end the context; clean up after it.

    Arguments are the command line's if None. Upon a signal a thread of rclpy ends the context:
    what rclpy raises of that leaves the block and goes no further.
    """
    # Python would raise KeyboardInterrupt as well, between any two instructions: within rclpy,
    # which then loses what it held, or where this process says its last
    signal.signal(signal.SIGINT, lambda number, frame: None)
    rclpy.init(args=arguments)
    executor = SingleThreadedExecutor()
    try:
        yield executor
    except Exception:
        # ExternalShutdownException between two callbacks, something else within one
        if rclpy.ok():
            raise
    finally:
        executor.shutdown()
        rclpy.try_shutdown()
