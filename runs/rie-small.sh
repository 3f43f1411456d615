#!/usr/bin/env bash
# A small RIE on made-up motion: PA-MPJPE 118 mm after the first epoch, 68 mm at the end (mean pose: 110 mm).
# 3 minutes on one core of a busy machine. MOCAP="capture/cmu" takes recorded motion instead.
set -euo pipefail
cd "$(dirname "$0")/.."
MOCAP=${MOCAP:-out/made-up-motion}
[ "$MOCAP" != out/made-up-motion ] || [ -e "$MOCAP" ] || python -m anthropose.synthetic.captures "$MOCAP"
anthropose train rie mocap-small --mocap $MOCAP --out out/rie-small "$@"
