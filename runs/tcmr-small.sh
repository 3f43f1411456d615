#!/usr/bin/env bash
# A small TCMR on made-up motion: PA-MPJPE 134 mm after the first epoch, 85 mm at the end (mean pose: 122 mm).
# 3 minutes on one core of a busy machine. MOCAP="capture/cmu" takes recorded motion instead.
set -euo pipefail
cd "$(dirname "$0")/.."
MOCAP=${MOCAP:-out/made-up-motion}
[ "$MOCAP" != out/made-up-motion ] || [ -e "$MOCAP" ] || python -m anthropose.synthetic.captures "$MOCAP"
anthropose train tcmr mocap-small --mocap $MOCAP --out out/tcmr-small "$@"
