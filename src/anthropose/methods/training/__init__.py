"""What the methods' trainings share: from a preset and data to a `Job` for the loop.

`video` makes the job of a video method, `sets` and `captures` are the data it learns from, `start` is where it begins,
`weights` what becomes of the best. RIE and DynaBOA have jobs of their own, of the same parts.
"""

from anthropose.methods.training.setting import Setting, seed_of, seeded
from anthropose.methods.training.small import LONG, mocap_small
from anthropose.methods.training.video import Learning, video_job
from anthropose.methods.training.weights import publisher

__all__ = ["LONG", "Learning", "Setting", "mocap_small", "publisher", "seed_of", "seeded", "video_job"]
