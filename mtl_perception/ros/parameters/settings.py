"""What parameters mean to the products of a frame."""

from mtl_perception.geometry import focal_factor, Intrinsics
from mtl_perception.label_space import LabelSpace
from mtl_perception.products import ObstacleFilter, ProductSettings
from mtl_perception.ros.parameters.values import Parameters


def depth_factor(
    parameters: Parameters, intrinsics: Intrinsics | None, training_f_px: float | None
) -> float:
    """Give what depth is multiplied by: the focal correction times the user's scale."""
    factor = parameters.depth_scale
    if parameters.focal_correction and intrinsics is not None:
        factor *= focal_factor(intrinsics.fx_px, training_f_px)
    return factor


def product_settings(parameters: Parameters, space: LabelSpace, factor: float) -> ProductSettings:
    """Say how products look, with depth multiplied by a factor."""
    return ProductSettings(
        label_space=space,
        confidence_threshold=parameters.confidence_threshold,
        depth_encoding=parameters.depth_encoding,
        depth_factor=factor,
        depth_colour_range_m=(parameters.depth_color_near_m, parameters.depth_color_far_m),
        overlay_opacity=parameters.overlay_opacity,
        obstacles=ObstacleFilter(
            excluded_classes=parameters.obstacles_excluded_classes,
            min_confidence=parameters.obstacles_min_confidence,
            range_m=(parameters.obstacles_min_range_m, parameters.obstacles_max_range_m),
            height_m=(parameters.obstacles_min_height_m, parameters.obstacles_max_height_m),
            camera_height_m=parameters.camera_height_m,
            camera_pitch_deg=parameters.camera_pitch_deg,
        ),
    )
