"""How the free body is made: `python -m anthropose.body.free OUT.npz`, a maintainers' command that needs anny.

The steps, a file each: `source` takes a crowd of adults from anny, `posing` puts it into SMPL's rest pose, `shape`
finds its principal components, `weights` and `points` make skinning weights, joints and regressors, `bake` puts all
of it into one file.
"""
