"""What is kept of a run, by the first of its processes."""

from collections.abc import Callable, Mapping, Sequence
import logging
from pathlib import Path
from typing import Any

from .events import Events
from .pictures import panels
from .run import Batch, Run

log = logging.getLogger(__name__)

# in steps
SAVE_EVERY = 100
DRAW_EVERY = 500


class Record:
    """What the first process writes: checkpoints, the log, and what TensorBoard shows."""

    def __init__(self, run: Run, folder: Path, validate: Callable[[], dict[str, Any]]) -> None:
        """Write of a run into a folder; validate() gives what the run reaches."""
        self.run = run
        self.first = run.step
        self.checkpoint = folder / 'checkpoint.pt'
        self.validate = validate
        folder.mkdir(parents=True, exist_ok=True)
        self.events = Events(folder / 'events')

    def losses(self, values: Mapping[str, float]) -> None:
        """Write the losses of a step, and what they were weighed and learnt with."""
        step = self.run.step
        log.info('step %d %s', step, {task: round(value, 4) for task, value in values.items()})
        self.events.scalars('loss', values, step)
        self.events.scalars('rate', self.run.rates(), step)
        self.events.scalars('weight', self.run.weighting.weights(), step)

    def step(self, batches: Sequence[Batch]) -> None:
        """Save, validate and draw, after the steps that are for it."""
        run = self.run
        done = run.step % run.recipe.validate_every == 0 or run.step == run.recipe.steps
        if done or (run.step - self.first) % SAVE_EVERY == 0:
            run.save(self.checkpoint)
        if done:
            self._validate()
        if done or run.step % DRAW_EVERY == 0 or run.step == 1:
            self.events.pictures(panels(run, batches), run.step)

    def _validate(self) -> None:
        step = self.run.step
        try:
            report = self.validate()
        except ValueError:  # a file that is broken costs its figures, not the run
            log.exception('step %d: no figures, training goes on', step)
            return
        log.info('step %d: %s', step, report)
        self.events.scalars('validation', report, step)
