#!/usr/bin/env bash
# The weights that come with the package, from the motion capture alone: MOCAP="capture/cmu capture/reactidle" runs/default-weights.sh
# Parallel-Branch with coupled branches learns from 30 frames a second first, then from 10, then with twice the widths. About
# four hours on a core of its own, RIE another; each step goes on where it was interrupted. The first 20 epochs of the file that
# is shipped were on keypoints with guessed errors, and its first step ended at the 94th of 150 epochs that it was meant to have.
# RIE's third stage was meant to have 130 epochs and ended at the 89th, when it had stopped to improve.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${MOCAP:?name the folders of motion capture}"
FAST=out/parallel-branch-30-frames
SMALL=out/parallel-branch-mocap-coupled
WIDE=out/parallel-branch-mocap-wide
anthropose train parallel-branch mocap-coupled --mocap $MOCAP --out $FAST --precision bfloat16 \
  --epochs 114 --set schedule.epochs=150 mocap.rate=30.0 network.network.rate=30.0
anthropose train parallel-branch mocap-coupled --mocap $MOCAP --out $SMALL --precision bfloat16 \
  --start $FAST/parallel-branch-mocap-coupled.safetensors --epochs 100 --set schedule.epochs=100 schedule.highest=3e-4
mkdir -p $WIDE
python runs/grow.py $SMALL/parallel-branch-mocap-coupled.safetensors $WIDE/grown.safetensors
anthropose train parallel-branch mocap-wide --mocap $MOCAP --out $WIDE --precision bfloat16 --start $WIDE/grown.safetensors
anthropose train rie mocap --mocap $MOCAP --out out/rie-mocap --precision bfloat16
python runs/ship.py $WIDE/parallel-branch-mocap-wide.safetensors free-parallel-branch
python runs/ship.py out/rie-mocap/rie-mocap.safetensors free-rie
