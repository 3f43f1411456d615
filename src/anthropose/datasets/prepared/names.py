"""How the folders of prepared sets are called, and which of them take the place of published files."""

from dataclasses import dataclass


@dataclass(frozen=True)
class SetName:
    """A set as `anthropose prepare` makes it."""

    release: str
    subset: str
    crop_scale: float | None = None
    """By how much boxes are widened for the features, where that is not the release's own scale."""
    occluded: bool = False
    """Whether things are pasted over the people before their features are made."""

    @property
    def folder(self) -> str:
        """NAME-SUBSET, and what of the features is not as usual; mpii3d-test does not become mpii3d-test-test."""
        plain = self.release if self.release.endswith(f"-{self.subset}") else f"{self.release}-{self.subset}"
        crops = "" if self.crop_scale is None else f"-crop{self.crop_scale}"
        return plain + crops + ("-occ" if self.occluded else "")

    @property
    def command(self) -> str:
        """What makes it."""
        crops = "" if self.crop_scale is None else f" --crop-scale {self.crop_scale}"
        things = " --occluders VOC2012" if self.occluded else ""
        features = "" if self.release == "amass" else " --features spin"
        return f"anthropose prepare {self.release} ROOT --subset {self.subset}{features}{crops}{things}"


_H36M, _TIGHT = SetName("h36m", "train"), SetName("h36m-tight", "test")
_MPII3D_OCCLUDED, _H36M_OCCLUDED = (SetName(release, "train", occluded=True) for release in ("mpii3d", "h36m"))
STAND_INS: dict[str, SetName] = {
    "insta_train_db.h5": SetName("insta", "train"),
    "posetrack_train_db.pt": SetName("posetrack", "train"),
    "posetrack_train_occ_db.pt": SetName("posetrack", "train", occluded=True),
    "amass_db.pt": SetName("amass", "train"),
    "3dpw_train_db.pt": SetName("3dpw", "train"),
    "3dpw_train_occ_db.pt": SetName("3dpw", "train", occluded=True),
    "3dpw_val_db.pt": SetName("3dpw", "val"),
    "3dpw_test_db.pt": SetName("3dpw", "test"),
    "3dpw_test_all_db.pt": SetName("3dpw-whole", "test"),
    "mpii3d_train_db.pt": SetName("mpii3d", "train", crop_scale=1.3),
    "mpii3d_train_scale12_db.pt": SetName("mpii3d", "train"),
    "mpii3d_train_scale12_occ_db.pt": _MPII3D_OCCLUDED,
    "mpii3d_train_scale12_new_occ_db.pt": _MPII3D_OCCLUDED,
    "mpii3d_train_scale1_db.pt": SetName("mpii3d", "train", crop_scale=1.0),
    "mpii3d_val_db.pt": SetName("mpii3d-test", "test", crop_scale=1.3),
    "mpii3d_val_scale12_db.pt": SetName("mpii3d-test", "test"),
    "h36m_train_db.pt": _H36M,
    "h36m_train_25fps_db.pt": _H36M,
    "h36m_train_25fps_nosmpl_db.pt": _H36M,
    "h36m_train_25fps_occ_db.pt": _H36M_OCCLUDED,
    "h36m_train_25fps_occ_nosmpl_db.pt": _H36M_OCCLUDED,
    "h36m_train_25fps_tight_db.pt": SetName("h36m-tight", "train"),
    "h36m_test_25fps_db.pt": SetName("h36m", "test"),
    "h36m_test_25fps_nosmpl_db.pt": SetName("h36m", "test"),
    "h36m_test_front_25fps_tight_db.pt": _TIGHT,
    "h36m_test_front_25fps_tight_nosmpl_db.pt": _TIGHT,
    "h36m_train.npz": _H36M,
}
"""The set that is made as a published file was, for every file that a published training or evaluation asks for (specs
tcmr 4.2, glot 4.1, vibe_base 9, parallel_branch 7). `nosmpl` files of the training part are read for their bodies by
Parallel-Branch's code, so they are those of `h36m-train` too. VIBE's crops of MPI-INF-3DHP are 1.3 wide."""
ARCHIVES = {
    "data_3d_h36m.npz": "anthropose prepare h36m-lifting ROOT",
    "data_2d_h36m_gt.npz": "anthropose prepare h36m-lifting ROOT",
}
"""What makes files of VideoPose3D's under their own names."""
