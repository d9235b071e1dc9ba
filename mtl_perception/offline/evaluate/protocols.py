"""What is counted and how it is averaged: our own way, and that of arXiv 1809.04766.

The authors publish their measures in DrSleep/DenseTorch (`densetorch/engine/metrics.py`) and run
them on whole pictures, without a crop and without scaling by the median. Theirs, and taken over
by `kitti6` and `nyud40`:

- One confusion matrix over all pictures. Truth outside the classes does not count; the mean is
  over the classes that truth *or* predictions have, so one that is only predicted counts 0.
- Depth errors are averaged over the pixels of all pictures together; ours are means over
  pictures, as is usual for KITTI (arXiv 1406.2283). Angles are averaged over pixels in both.

Ours, since their files do not say: truth counts up to 80 m on KITTI (the cap of arXiv 1406.2283)
and 10 m on NYUDv2 (its sensor's range), and predictions are clipped to that; depth is taken to
the focal length of the picture's camera. A model of other classes has its labels translated, and
what has no place among the protocol's classes, as `person` on KITTI-6, is wrong. Which pictures
are scored is up to the index: theirs are the 654 test pictures of NYUDv2, and 46 of KITTI.
"""

from dataclasses import dataclass

# of arXiv 1406.2283
MAX_DEPTH_M = 80.0


@dataclass(frozen=True)
class Protocol:
    """How predictions are scored.

    `label_space` names the classes (None: the model's own); depth counts up to `max_depth_m`;
    `pooled` averages depth errors over all pixels instead of over pictures, and takes the mean
    IoU over classes that are only predicted as well.
    """

    label_space: str | None = None
    max_depth_m: float = MAX_DEPTH_M
    pooled: bool = False


OWN = Protocol()
PROTOCOLS = {
    'kitti6': Protocol('kitti6', MAX_DEPTH_M, pooled=True),
    'nyud40': Protocol('nyud40', 10.0, pooled=True),
}
