#!/usr/bin/env bash
# The weights that come with the package, from the motion capture alone: MOCAP="capture/cmu capture/reactidle" runs/default-weights.sh
# Parallel-Branch with coupled branches learns from 30 frames a second first, then from 10. About two hours and a quarter on a
# core of its own, RIE a quarter of an hour; each goes on where it was interrupted. The file that is shipped spent the first 20
# of its epochs on keypoints with guessed errors, and the first step ended at the 94th of 150 epochs that it was meant to have.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${MOCAP:?name the folders of motion capture}"
FAST=out/parallel-branch-30-frames
anthropose train parallel-branch mocap-coupled --mocap $MOCAP --out $FAST --precision bfloat16 \
  --epochs 114 --set schedule.epochs=150 mocap.rate=30.0 network.network.rate=30.0
anthropose train parallel-branch mocap-coupled --mocap $MOCAP --out out/parallel-branch-mocap-coupled --precision bfloat16 \
  --start $FAST/parallel-branch-mocap-coupled.safetensors --epochs 100 --set schedule.epochs=100 schedule.highest=3e-4
anthropose train rie mocap --mocap $MOCAP --out out/rie-mocap
python runs/ship.py out/parallel-branch-mocap-coupled/parallel-branch-mocap-coupled.safetensors free-parallel-branch
python runs/ship.py out/rie-mocap/rie-mocap.safetensors free-rie
