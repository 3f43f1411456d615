"""Smoothing of finished motions, with and without a body."""

from dataclasses import replace

import pytest
import torch

from anthropose.motion import Motion
from anthropose.reconstruction import smoothed
from tests.export.made_up import motion, stick_body

BODY = stick_body()


def noisy(with_body: bool) -> Motion:
    one = motion(BODY, torch.arange(60) / 30)
    noise = 0.02 * torch.randn(one.joints.shape, generator=torch.Generator().manual_seed(0))
    if with_body:
        return replace(one, translation=one.translation + noise[:, 0])
    return replace(one, joints=one.joints + noise, translation=one.translation + noise[:, 0], body=None, body_model="")


def jitter(points: torch.Tensor) -> float:
    return float(points.diff(n=2, dim=0).norm(dim=-1).mean())


@pytest.mark.parametrize("kind", ["one-euro", "gaussian"])
@pytest.mark.parametrize("with_body", [True, False])
def test_smoothing_takes_the_noise_out_of_what_there_is(kind: str, with_body: bool) -> None:
    one = noisy(with_body)
    smooth = smoothed(one, kind, BODY)
    assert jitter(smooth.translation) < 0.5 * jitter(one.translation)
    if not with_body:
        assert smooth.body is None
        assert jitter(smooth.joints) < 0.5 * jitter(one.joints)


def test_none_leaves_a_motion_as_it_is() -> None:
    one = noisy(False)
    assert smoothed(one, "none", BODY) is one
