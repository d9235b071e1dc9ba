"""int8 by NNCF: calibrated on pictures, with the layers that hurt left in float."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import nncf
import numpy as np
from numpy.typing import NDArray

# what is quantised: between convolutions, sums and pools stay as exact as they are
_QUANTISED = frozenset({'Convolution', 'GroupConvolution', 'Constant', 'Parameter'})
# of those that hurt, so many are found by what they do to so many pictures
_RANKING_PICTURES = 24

Row = TypeVar('Row')


def quantise(
    model: Any,
    calibration: Sequence[Row],
    check: Sequence[Row],
    batch_of: Callable[[Row], NDArray[np.uint8]],
    metric: Callable[[Any, Iterable[Row]], float],
    max_drop: float,
) -> Any:
    """Quantise the convolutions of an openvino.Model but the heads.

    Ranges come from the rows to calibrate, of which batch_of gives the model's input. While the
    metric of a compiled model on the rows to check falls by more than max_drop, the convolution
    that hurts most goes back to float.
    """
    return nncf.quantize_with_accuracy_control(
        model,
        calibration_dataset=nncf.Dataset(calibration, batch_of),
        validation_dataset=nncf.Dataset(check, batch_of),
        validation_fn=lambda compiled, rows: (metric(compiled, rows), None),
        max_drop=max_drop,
        drop_type=nncf.DropType.ABSOLUTE,
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(calibration),
        ignored_scope=_left_in_float(model),
        # halving the weights' range is for CPUs without VNNI, where int8 does not pay anyway
        advanced_quantization_parameters=nncf.AdvancedQuantizationParameters(
            overflow_fix=nncf.OverflowFix.DISABLE
        ),
        advanced_accuracy_restorer_parameters=nncf.AdvancedAccuracyRestorerParameters(
            ranking_subset_size=min(_RANKING_PICTURES, len(check))
        ),
    )


def _left_in_float(model: Any) -> nncf.IgnoredScope:
    """Leave all but convolutions, and of these the last ones, the heads.

    Heads of a few channels cost little, and what they lose nothing behind them makes good.
    """
    nodes = model.get_ordered_ops()
    types = {node.get_type_name() for node in nodes} - _QUANTISED
    last = [n for n in nodes if n.get_type_name() == 'Convolution' and not _leads_to_another(n)]
    names = [node.get_friendly_name() for node in last]
    return nncf.IgnoredScope(types=sorted(types), names=names, validate=False)


def _leads_to_another(convolution: Any) -> bool:
    waiting, seen = [convolution], set()
    while waiting:
        node = waiting.pop()
        for entry in (entry for o in node.outputs() for entry in o.get_target_inputs()):
            consumer = entry.get_node()
            if consumer.get_type_name() == 'Convolution':
                return True
            if consumer.get_friendly_name() not in seen:
                seen.add(consumer.get_friendly_name())
                waiting.append(consumer)
    return False
