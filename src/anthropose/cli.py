"""The command line. Everything heavy is imported inside the commands, so that `--help` answers at once."""

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from tyro.conf import OmitArgPrefixes, Positional, arg

from anthropose.errors import UserError
from anthropose.live.options import Live
from anthropose.render.options import Pictures, Recorded
from anthropose.settings import ExportOptions, Outputs, Settings
from anthropose.train.options import Changes, Options, Sources

Out = Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")]
Motions = Annotated[tuple[Path, ...], Positional, arg(metavar="MOTION ...", help_behavior_hint="")]
BodyName = Annotated[str, arg(metavar="NAME", help_behavior_hint="")]


def run(
    source: Annotated[str, Positional, arg(metavar="SOURCE")],
    /,
    settings: OmitArgPrefixes[Settings] = Settings(),  # noqa: B008 - frozen
    outputs: OmitArgPrefixes[Outputs] = Outputs(),  # noqa: B008 - frozen
    live: OmitArgPrefixes[Live] = Live(),  # noqa: B008 - frozen
    out: Out = None,
    restart: bool = False,
) -> None:
    """Find the people in a video, reconstruct them in 3D, and write pictures and files.

    Writes out/NAME/: overlay.mp4, person-NN.npz, person-NN.bvh, scene.glb and report.html. Interrupt it at any time and
    run the same command again: finished stages are kept.

    Args:
        source: A video file, a folder of images, or camera:0.
        settings: What is reconstructed, and how.
        outputs: Which files are written.
        live: Whether it is a live session, and where that is shown.
        out: Folder for the results; out/NAME when not given, and with --live nothing is written then.
        restart: Forget the stages that an earlier run finished.
    """
    from anthropose.display import Display, print_summary
    from anthropose.outputs import forget_stages, left_out
    from anthropose.outputs import run as run_job

    if live.live:
        from anthropose.live.command import run_live

        print("\n".join(run_live(source, settings, outputs, live, out, restart)))
        return
    if live.adapt:
        raise UserError("--adapt is for live sessions (--live); a file is adapted to with --method dynaboa")
    folder = out or Path("out") / _name_of(source)
    if restart:
        forget_stages(folder)
    if source.startswith("camera:"):
        from anthropose.capture import record_camera
        from anthropose.export.formats import formats_named
        from anthropose.reconstruction import method_for

        method_for(settings)  # What it lacks is told before the recording, not after.
        formats_named(outputs.export)
        with Display() as display:
            source = str(record_camera(source, settings.seconds or 10.0, folder / "camera.mp4", display))
        settings = replace(settings, seconds=None)
    with Display() as display:
        motions = run_job(source, folder, settings, outputs, display)
    print_summary(motions, folder, display.seconds)
    for line in left_out(motions, outputs):
        print(line)


def demo(out: Path = Path("out/demo"), seconds: float = 6.0, seed: int = 0) -> None:
    """Make a clip whose truth is known, recover the people from it, and print how far off they are.

    The clip goes through the same pipeline as any video.

    Args:
        out: Folder for the clip and the results.
        seconds: Length of the clip.
        seed: Another number gives another scene.
    """
    from anthropose.demo import demo as run_demo
    from anthropose.display import Display

    with Display() as display:
        lines = run_demo(out, seconds, seed, display)
    print("\n".join(lines))


def render(
    motions: Motions = (),
    /,
    pictures: OmitArgPrefixes[Pictures] = Pictures(),  # noqa: B008 - frozen
    recorded: OmitArgPrefixes[Recorded] = Recorded(),  # noqa: B008 - frozen
    *,
    video: Annotated[Path | None, arg(metavar="PATH", help_behavior_hint="")] = None,
    truth: Annotated[tuple[Path, ...], arg(metavar="MOTION ...", help_behavior_hint="")] = (),
    out: Annotated[Path, arg(metavar="FILE")] = Path("render.mp4"),
    fps: Annotated[float | None, arg(metavar="RATE", help_behavior_hint="")] = None,
    body: BodyName = "",
) -> None:
    """Draw motions over the video that they were made from, or beside it, as a film or a contact sheet.

    Args:
        motions: Motion files (person-NN.npz), all of the same video.
        pictures: What is drawn, of which frames, and how large.
        recorded: A sequence of Human3.6M or HumanEva-I in place of motion files.
        video: The video; without it, people are drawn on grey.
        truth: Motion files of the truth, for the panel of that name.
        out: The file to write: .mp4 or .gif for a film, .png or .jpg for a contact sheet.
        fps: Frames per second of a folder of images (30 when not given).
        body: Body model to draw; the one that each motion was made with when not given.
    """
    from functools import partial

    from anthropose.body.files import load_body
    from anthropose.display import Display
    from anthropose.render.film import ending_of, write_film
    from anthropose.video import open_video

    ending_of(out)  # A wrong ending is told before anything is read.
    opened = None if video is None else open_video(video, fps)
    with Display() as display:
        if recorded.data is None:
            loaded, true = _load_motions(motions), _load_motions(truth) if truth else []
        else:
            loaded, true = _lift(recorded, motions + truth, partial(display, "reconstruct"))
        names = [body or motion.body_model for motion in loaded if motion.body is not None]
        write_film(
            opened, loaded, out, pictures,
            body=load_body(names[0]) if names else None, truth=true, progress=partial(display, "draw"),
        )  # fmt: skip
    print(out)


def export(
    files: Annotated[tuple[Path, ...], Positional, arg(metavar="MOTION ... OUT", help_behavior_hint="")] = (),
    /,
    options: OmitArgPrefixes[ExportOptions] = ExportOptions(),  # noqa: B008 - frozen
    *,
    out: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    body: BodyName = "",
    list: bool = False,
) -> None:
    """Write motions in the format of another program, chosen by the ending of the file to write.

    Args:
        files: Motion files (person-NN.npz), then the file to write, unless --out names it.
        options: What the format is told.
        out: The file to write, in place of the last of the files.
        body: Body model; the one that each motion was made with when not given.
        list: List the formats.
    """
    from anthropose.body.files import load_body
    from anthropose.export.formats import export as write
    from anthropose.export.formats import format_of, formats_table

    if list:
        print(formats_table())
        return
    if out is None and len(files) < 2:
        raise UserError(
            "anthropose export MOTION ... OUT: say which motions and the file to write, such as scene.glb; "
            "`anthropose export --list` tells all formats"
        )
    motions, target = (files[:-1], files[-1]) if out is None else (files, out)
    format_of(target)  # A wrong ending is told before the motions are read.
    loaded = _load_motions(motions)
    write(
        loaded, load_body(body or next((one.body_model for one in loaded if one.body_model), "free")), target, options
    )
    print(target)


def body(
    action: Positional[Literal["list", "add"]] = "list",
    file: Annotated[Path | None, Positional, arg(metavar="FILE", help_behavior_hint="")] = None,
    name: BodyName = "",
) -> None:
    """List the body models at hand, or bring in a licensed SMPL file.

    Args:
        action: list or add.
        file: For add: SMPL_NEUTRAL.pkl or another SMPL .pkl or .npz file.
        name: For add: the name to know it by; the file's own when not given.
    """
    from anthropose.body.files import body_table, install_body

    if action == "list":
        print(body_table())
    elif file is None:
        raise UserError(
            "anthropose body add FILE: say which file, such as SMPL_NEUTRAL.pkl from https://smpl.is.tue.mpg.de"
        )
    else:
        print(install_body(file, name or None))


def weights(
    action: Positional[Literal["list", "add"]] = "list",
    file: Annotated[Path | None, Positional, arg(metavar="FILE", help_behavior_hint="")] = None,
    name: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    system: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
) -> None:
    """List the networks' weights at hand, or take in a published checkpoint.

    Args:
        action: list or add.
        file: For add: a checkpoint as its authors published it, such as tcmr_demo_model.pth.tar.
        name: For add: the name to know it by; the file's own when not given.
        system: For add: the method to take it for; told by the file itself when not given.
    """
    from anthropose.methods.base import known_systems
    from anthropose.nn.checkpoints import install_weights, weights_table

    if action == "list":
        print(weights_table(known_systems()))
    elif file is None:
        raise UserError(
            "anthropose weights add FILE: say which file; `anthropose weights` tells what each method needs"
        )
    else:
        print("\n".join(install_weights(file, known_systems(), name, system)[1]))


def prepare(
    name: Annotated[str, Positional, arg(metavar="NAME", help_behavior_hint="")] = "",
    root: Annotated[Path | None, Positional, arg(metavar="ROOT", help_behavior_hint="")] = None,
    /,
    *,
    out: Path = Path("data"),
    subset: Annotated[Literal["train", "val", "test"] | None, arg(help_behavior_hint="")] = None,
    features: Annotated[str, arg(metavar="WEIGHTS", help_behavior_hint="")] = "",
    crop_scale: Annotated[float | None, arg(metavar="SCALE", help_behavior_hint="")] = None,
    half: bool = False,
    occluders: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None,
    body: BodyName = "",
    male: BodyName = "",
    female: BodyName = "",
    gendered: bool = False,
    device: Literal["auto", "cpu", "cuda"] = "auto",
    precision: Literal["float32", "bfloat16", "float16"] = "float32",
) -> None:
    """Make the project's own database of a data set as its makers publish it.

    Writes DIR/NAME-SUBSET, and prints what was missing or odd and what was left out. Interrupt it at any time and run
    the same command again: finished sequences are kept.

    Args:
        name: The data set, such as 3dpw; all that are known are listed when not given.
        root: Its folder; how that should look is printed when not given.
        out: Gets a folder for each set and subset.
        subset: Which part of the set; its first one when not given.
        features: Image features are made with these weights of SPIN's: a name that `anthropose weights` lists, a file,
            or spin for the installed ones. Sets are prepared without features when not given.
        crop_scale: By how much the people's boxes are widened for the features, in place of the set's own scale.
        half: Store the features in 16 bits, in half the space.
        occluders: Pascal VOC 2012, whose objects are pasted over the people before their features are made.
        body: SMPL's neutral body, which some labels are made of; the installed one when not given.
        male: SMPL's male body, the same.
        female: SMPL's female body, the same.
        gendered: Make such labels of the body of each person's gender, which the published tools do not.
        device: Where the features are made.
        precision: Of the products in them.
    """
    from anthropose.preparing import Bodies, layout_of, prepare_release, releases_table

    if not name:
        print(releases_table())
        return
    if root is None:
        print(layout_of(name))
        return
    from anthropose.display import Display

    bodies = Bodies(body, male, female, gendered)
    with Display() as display:
        report = prepare_release(
            name, root, out, subset or "", features, bodies, crop_scale, half, occluders, device, precision, display
        )
    print(report)


def evaluate(
    method: Annotated[str, Positional, arg(metavar="METHOD")],
    preset: Annotated[str, Positional, arg(metavar="PRESET", help_behavior_hint="")] = "",
    /,
    *,
    data: Annotated[Path, arg(metavar="PATH")],
    sets: Annotated[
        tuple[Literal["3dpw", "mpii3d", "h36m", "humaneva"], ...], arg(name="set", help_behavior_hint="")
    ] = (),
    weights: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    protocol: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    only: Annotated[str, arg(metavar="TEXT", help_behavior_hint="")] = "",
    keypoints: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    filter_share: Annotated[float | None, arg(name="filter", metavar="SHARE", help_behavior_hint="")] = None,
    exemplars: Annotated[Path | None, arg(metavar="FILE", help_behavior_hint="")] = None,
    pictures: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None,
    body: BodyName = "",
    male: BodyName = "",
    female: BodyName = "",
    device: Literal["auto", "cpu", "cuda"] = "auto",
    out: Out = None,
) -> None:
    """Print a method's errors on test sets beside the figures that its paper reports.

    Writes results.json and results.csv into out/evaluate/METHOD-PRESET-SET/; `anthropose score --compare` takes two of
    them.

    Args:
        method: tcmr, glot, vibe, parallel-branch, rie, smplify, dynaboa, or package.module:Class of your own.
        preset: The published training that the weights are the result of, such as table1-3dpw: chooses the lines of the
            paper, and the weights where none are named.
        data: A prepared set (`anthropose prepare`), a published database such as 3dpw_test_db.pt, VideoPose3D's
            data_3d_h36m.npz, or a folder with some of them.
        sets: The test sets; those that the preset stands for, or all that are there, when not given.
        weights: An installed name or a file.
        protocol: static, clamp, tcmr, glot, vibe, for lifters rooted, or published: the method's own with all its
            oddities. The right way when not given.
        only: Only sequences with this in their names.
        keypoints: What lifters see of data_2d_h36m_NAME.npz; that of the preset, or gt, when not given. For dynaboa on
            3DPW openpose, or projections of the true body when not given.
        filter_share: Smooth the rotations first; published with 0.3.
        exemplars: For dynaboa: labelled pictures that `anthropose exemplars` wrote.
        pictures: For dynaboa: the release's folder, where a prepared set's pictures are.
        body: The neutral body; the installed one with neutral in its name, or the free one, when not given.
        male: The body of men in the labels; the neutral one, as published, when not given.
        female: That of women.
        device: Where networks run.
        out: Folder for the results; out/evaluate/METHOD-PRESET-SET when not given.
    """
    from anthropose.display import Display
    from anthropose.evaluate.command import Options, evaluate_method
    from anthropose.evaluate.results import write_results
    from anthropose.evaluate.show import show
    from anthropose.nn.compute import Compute

    options = Options(
        weights,
        sets,
        protocol,
        body,
        _by_gender(male, female),
        filter_share,
        only,
        keypoints,
        exemplars,
        pictures,
        compute=Compute(device),
    )
    with Display() as display:
        found = evaluate_method(method, preset, data, options, display)
    for results in found:
        show(results)
        test_set = results.about["test_set"]
        name = "-".join(part for part in (method.replace(":", "."), preset, test_set) if part)
        folder = Path("out/evaluate") / name if out is None else out / test_set if len(found) > 1 else out
        print("\n".join(str(path) for path in write_results(results, folder)))


def exemplars(
    data: Annotated[Path, Positional, arg(metavar="DATA")],
    /,
    *,
    out: Annotated[Path, arg(metavar="FILE")] = Path("exemplars.npz"),
    count: int = 256,
    pictures: Annotated[Path | None, arg(metavar="DIR", help_behavior_hint="")] = None,
    weights: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    body: BodyName = "",
    rates: Annotated[tuple[float, ...], arg(name="rate", metavar="RATE ...")] = (30.0,),
    seed: int = 22,
) -> None:
    """Make a file of labelled examples for dynaboa, which remembers by them what bodies are like.

    Args:
        data: Motion capture, a prepared set (`anthropose prepare`), or published files, with bodies as labels.
        out: The file.
        count: How many.
        pictures: The folder of the release that the set's pictures are in: crops for a BaseModel are made, and not
            windows of keypoints.
        weights: That BaseModel's; the installed ones when not given.
        body: The body of the labels; the free one when not given.
        rates: Frames per second of windows from motion capture, so many of each.
        seed: Of the draws from motion capture.
    """
    from anthropose.evaluate.exemplar_sets import ExemplarOptions, make_exemplars

    print(make_exemplars(data, out, ExemplarOptions(count, weights, pictures, body or "free", rates, seed)))


def score(
    files: Annotated[tuple[Path, ...], Positional, arg(metavar="MOTION ... TRUTH", help_behavior_hint="")] = (),
    /,
    *,
    compare: Annotated[tuple[Path, Path] | None, arg(metavar="A.json B.json", help_behavior_hint="")] = None,
    protocol: Annotated[Literal["", "ps", "boa"], arg(help_behavior_hint="")] = "",
    joints: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    person: Annotated[str, arg(metavar="N", help_behavior_hint="")] = "",
    sequence: Annotated[str, arg(metavar="NAME", help_behavior_hint="")] = "",
    match: Literal["frames", "seconds"] = "frames",
    offset: int = 0,
    unit: Literal["m", "mm"] = "m",
    body: BodyName = "",
    male: BodyName = "",
    female: BodyName = "",
    out: Out = None,
) -> None:
    """Print the errors of motions in files, ours or other tools', against the truth; or how two results differ.

    Args:
        files: Motions, then the truth. A motion file, an .npz with poses and betas (AMASS) or with joints and
            joint_names, a .pkl of VIBE, TCMR or GLoT; as truth also a prepared set or a published database.
        compare: Two results.json of the same sequences: the differences, and whether they can be chance.
        protocol: ps is DynaBOA's on 3DPW, boa that of BOA; both need --male and --female.
        joints: The set of joints to compare, such as lsp-14; the first that both can give when not given.
        person: Of files that hold several people.
        sequence: Of a truth that holds several, where the motion's name does not tell.
        match: seconds for videos of different rates.
        offset: Added to the motions' frame numbers.
        unit: Of joints in files that do not say.
        body: The neutral body, for motions that do not say theirs.
        male: The body of true men.
        female: That of true women.
        out: Folder for results.json and results.csv; none are written when not given.
    """
    from anthropose.evaluate.results import compare as difference
    from anthropose.evaluate.results import read_results, write_results
    from anthropose.evaluate.score import ScoreOptions
    from anthropose.evaluate.score import score as compute
    from anthropose.evaluate.show import show, show_differences

    if compare is not None:
        if files:
            raise UserError("--compare takes the two results files and no motions")
        first, second = (read_results(path) for path in compare)
        show_differences(difference(first, second), str(compare[0]), str(compare[1]))
        return
    if len(files) < 2:
        raise UserError(
            "anthropose score MOTION ... TRUTH: say which motions and which truth, or --compare A.json B.json"
        )
    options = ScoreOptions(protocol, joints, body, _by_gender(male, female), person, sequence, match, offset, unit)
    results = compute(files[:-1], files[-1], options)
    show(results)
    if out is not None:
        print("\n".join(str(path) for path in write_results(results, out)))


def train(
    method: Annotated[str, Positional, arg(metavar="METHOD", help_behavior_hint="")] = "",
    preset: Annotated[str, Positional, arg(metavar="PRESET", help_behavior_hint="")] = "",
    /,
    sources: OmitArgPrefixes[Sources] = Sources(),  # noqa: B008 - frozen
    changes: OmitArgPrefixes[Changes] = Changes(),  # noqa: B008 - frozen
    options: OmitArgPrefixes[Options] = Options(),  # noqa: B008 - frozen
    out: Out = None,
    list: bool = False,
) -> None:
    """Train a method as published, or otherwise, and write the best weights, which --weights of `anthropose run` takes.

    Interrupt it at any time and run the same command again: it goes on where it stopped.

    Args:
        method: rie, tcmr, vibe, glot, parallel-branch or dynaboa.
        preset: Which training; --list tells them.
        sources: What is learned from, and begun with.
        changes: What of the preset is otherwise.
        options: Where and how it runs.
        out: The run's folder; out/METHOD-PRESET when not given.
        list: List all trainings, and the published figures that they stand for.
    """
    from anthropose.train.command import list_trainings, train_preset

    if list:
        print(list_trainings())
    elif not method or not preset:
        raise UserError("anthropose train METHOD PRESET: say which; `anthropose train --list` tells all trainings")
    else:
        print(train_preset(method, preset, out, sources, changes, options))


def doctor() -> None:
    """Tell what works on this machine, and what to do about what does not."""
    from anthropose.doctor import examine

    print(examine())


COMMANDS: dict[str, Callable[..., Any]] = {
    "demo": demo,
    "run": run,
    "render": render,
    "export": export,
    "body": body,
    "weights": weights,
    "train": train,
    "prepare": prepare,
    "evaluate": evaluate,
    "exemplars": exemplars,
    "score": score,
    "doctor": doctor,
}


def main() -> None:
    """Runs the command line. Exit codes: 0 fine, 2 a user's mistake, 1 ours, 130 interrupted."""
    try:
        tyro.extras.subcommand_cli_from_dict(
            COMMANDS, prog="anthropose", description="3D human pose and shape over time, from ordinary video."
        )
    except UserError as error:
        print(f"anthropose: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt as interrupt:
        line = str(interrupt) or "interrupted; what is finished is kept, run the same command again to go on"
        print(f"anthropose: {line}", file=sys.stderr)
        sys.stderr.flush()
        os._exit(130)  # Threads of the detector and of the decoder would hold an ordinary exit back for seconds.
    except BrokenPipeError:
        os._exit(0)


def _name_of(source: str) -> str:
    """The folder's name for a source: the file's without its ending, camera-0 for camera:0."""
    if source.startswith("camera:"):
        return source.replace(":", "-")
    return re.sub(r"[^\w.\-]+", "_", Path(source.rstrip("/")).stem) or "video"


def _load_motions(paths: tuple[Path, ...]) -> list:
    from anthropose.motion import Motion

    if not paths:
        raise UserError("no motion file was given; `anthropose run VIDEO` writes them as out/NAME/person-NN.npz")
    return [Motion.load(path) for path in paths]


def _lift(recorded: Recorded, motions: tuple[Path, ...], progress: Callable[[float], None]) -> tuple[list, list]:
    """Prediction and truth of a recorded sequence; what is predicted is saved where that is wanted."""
    from anthropose.evaluate.lifted import Wanted, check_joints_ending, lifted_sequence

    if motions:
        raise UserError("--data takes the place of motion files; give one or the other")
    if recorded.save_joints is not None:
        check_joints_ending(recorded.save_joints)
    assert recorded.data is not None
    wanted = Wanted(
        recorded.subject, recorded.action, recorded.camera, recorded.keypoints, recorded.weights, recorded.flip
    )
    lifted = lifted_sequence(recorded.data, wanted, progress)
    if recorded.save_joints is not None:
        lifted.save_joints(recorded.save_joints)
    return [lifted.predicted], [lifted.truth]


def _by_gender(male: str, female: str) -> dict[Any, str]:
    return {gender: name for gender, name in (("male", male), ("female", female)) if name}
