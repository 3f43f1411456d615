"""Parity checks of RIE, and of VideoPose3D's conventions that it stands on (rie spec)."""

from tests.parity.rie.data import (
    check_camera,
    check_cameras,
    check_coco_to_h36m,
    check_custom_clip,
    check_generators,
    check_humaneva_camera,
    check_schedule,
)
from tests.parity.rie.network import (
    check_dense,
    check_encoding,
    check_ext,
    check_stage,
    check_temporal_block,
    check_train,
    check_transition,
    check_tta,
)
from tests.parity.rie.protocol import check_eval_protocol, check_metrics

KINDS = {
    "rie_stage": check_stage,
    "rie_ext": check_ext,
    "rie_temporal_block": check_temporal_block,
    "rie_fcblock": check_dense,
    "rie_relative_encoding": check_encoding,
    "rie_stage_transition": check_transition,
    "rie_train": check_train,
    "rie_tta": check_tta,
    "rie_metrics": check_metrics,
    "rie_camera": check_camera,
    "rie_cameras": check_cameras,
    "rie_humaneva_camera": check_humaneva_camera,
    "rie_generators": check_generators,
    "rie_schedule_subset": check_schedule,
    "rie_eval_protocol": check_eval_protocol,
    "rie_custom_clip": check_custom_clip,
    "rie_coco_to_h36m": check_coco_to_h36m,
}
