import subprocess
import sys

import anthropose


def test_public_names_are_these_and_can_be_had() -> None:
    assert anthropose.__all__ == [
        *("SKELETONS", "BodyPose", "Camera", "Motion", "Outputs", "Settings", "Skeleton", "Track", "UserError"),
        *("load_body", "open_video", "pick", "reconstruct", "run"),
    ]
    for name in set(anthropose.__all__) - {"SKELETONS"}:
        assert getattr(anthropose, name).__module__.startswith("anthropose."), name
    assert "smpl-24" in anthropose.SKELETONS


def test_public_functions_stay_functions_when_their_modules_are_imported_first() -> None:
    program = (
        "import anthropose.reconstruction, anthropose.outputs, anthropose as ap;"
        "assert callable(ap.reconstruct) and callable(ap.run)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_importing_the_package_alone_is_light() -> None:
    program = (
        "import sys, anthropose, anthropose.cli; assert not {'torch', 'mediapipe', 'av', 'cv2'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
