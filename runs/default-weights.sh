#!/usr/bin/env bash
# The weights that come with the package, from the motion capture alone: MOCAP="capture/cmu capture/reactidle" runs/default-weights.sh
# Parallel-Branch with coupled branches first; TCMR and GLoT begin with its encoder of keypoints, as the published ones
# begin with SPIN's features. About three hours on two cores. Each goes on where it was interrupted.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${MOCAP:?name the folders of motion capture}"
train() { anthropose train "$1" "$2" --mocap $MOCAP --out "out/$1-$2" --precision bfloat16 "${@:3}"; }
ENCODER=out/parallel-branch-mocap-coupled/parallel-branch-mocap-coupled.safetensors
train parallel-branch mocap-coupled
train rie mocap
train tcmr mocap --start "$ENCODER"
train glot mocap --start "$ENCODER"
for system in parallel-branch:mocap-coupled rie:mocap tcmr:mocap glot:mocap; do
  method=${system%:*} preset=${system#*:}
  python runs/ship.py "out/$method-$preset/$method-$preset.safetensors" "free-$method"
done
