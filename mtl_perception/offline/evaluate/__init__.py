"""The verb evaluate: what a model says of annotated pictures against what is true, in figures."""

from .protocols import OWN, Protocol, PROTOCOLS
from .run import add_arguments, evaluate, evaluate_rows, run, write_report
from .score import Scale, score, Scoring

__all__ = [
    'OWN',
    'PROTOCOLS',
    'Protocol',
    'Scale',
    'Scoring',
    'add_arguments',
    'evaluate',
    'evaluate_rows',
    'run',
    'score',
    'write_report',
]
