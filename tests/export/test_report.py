"""The report: whole, by itself, honest about what is missing; what it looks like was looked at, not tested."""

import base64
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch

from anthropose.body.model import BodyModel
from anthropose.errors import UserError
from anthropose.export import report
from anthropose.export.measures import measure
from anthropose.export.plots import timeline
from anthropose.export.report import write_report
from anthropose.motion import Motion
from tests.export.made_up import motion, stick_body

SETTINGS = {
    "source": "clips/a walk & <talk>.mp4",
    "method": "made-up",
    "focal": None,
    "persons": (0, 1),
    "smooth": False,
}
GAPPY = torch.cat([torch.arange(20), torch.arange(40, 70)]) / 30


FILM = bytes(range(256)) * 40


@pytest.fixture(scope="module")
def body() -> BodyModel:
    return stick_body()


@pytest.fixture(scope="module")
def motions(body: BodyModel) -> list[Motion]:
    return [motion(body, GAPPY, person=1), motion(body, person=0)]


@pytest.fixture(scope="module")
def page(motions: list[Motion], body: BodyModel, tmp_path_factory: pytest.TempPathFactory) -> "Page":
    """A page about two people with all that a page can have, made once."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "overlay.mp4").write_bytes(FILM)
    timings = {"detect": 12.34, "overlay": 1.0}
    write_report(folder / "report.html", motions, body, SETTINGS, folder / "overlay.mp4", timings)
    return Page(folder / "report.html")


class Page(HTMLParser):
    """The page's tags, checked to be closed in order, and its visible words."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.text, self.open, self.attributes, self.words = path.read_text(encoding="utf-8"), [], [], ""
        self.feed(self.text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]
        if tag not in ("meta", "link", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.attributes += [(tag, name, value or "") for name, value in attrs]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self.open):
            self.words += " " + data


def cells(page: Page) -> list[list[str]]:
    """The rows of the table of people."""
    body = re.search(r"<tbody>(.*?)</tbody>", page.text, re.DOTALL)
    assert body
    rows = re.findall(r"<tr>(.*?)</tr>", body[1], re.DOTALL)
    return [[re.sub("<.*?>", "", cell) for cell in re.findall(r"<td>(.*?)</td>", row, re.DOTALL)] for row in rows]


def test_the_page_loads_nothing_from_anywhere(page: Page) -> None:
    links = [v for _, name, v in page.attributes if name in ("src", "href", "srcset", "data", "action", "xlink:href")]
    assert links
    assert all(link.startswith(("data:", "#")) for link in links)
    assert "@import" not in page.text
    assert set(re.findall(r"url\((.)", page.text)) <= {"#"}


def test_the_overlay_is_inside_the_page(page: Page) -> None:
    (source,) = [v for tag, name, v in page.attributes if (tag, name) == ("video", "src")]
    assert base64.b64decode(source.removeprefix("data:video/mp4;base64,")) == FILM


def test_a_large_overlay_is_linked_by_its_place_beside_the_page(
    motions: list[Motion], body: BodyModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "EMBEDDED", 1000)
    film = tmp_path / "film # one" / "overlay.mp4"
    film.parent.mkdir()
    film.write_bytes(b"0" * 2000)
    write_report(tmp_path / "report.html", motions, body, SETTINGS, film)
    page = Page(tmp_path / "report.html")
    assert ("video", "src", "film%20%23%20one/overlay.mp4") in page.attributes
    assert "too large to be part of this page" in page.words


def test_people_are_summed_up_in_a_table_in_the_order_of_their_numbers(page: Page, body: BodyModel) -> None:
    first, second = cells(page)
    assert first[:4] == ["0", "60", "2.0", "0"]
    assert second[:4] == ["1", "50", "1.7", "1"]
    stature = float(body.template[:, 1].max() - body.template[:, 1].min())
    assert first[5] == f"{stature:.2f}"


def test_titles_and_settings_are_shown_as_they_are_and_never_as_markup(page: Page) -> None:
    assert "<talk>" not in page.text
    assert "a walk & <talk>.mp4" in page.words
    for shown in ("not set", "0, 1", "12.3 s", "13.3 s", "made-up", "stick", torch.__version__):
        assert shown in page.words


def test_every_plot_has_a_unit_and_every_person_a_colour_for_light_and_dark(page: Page) -> None:
    for unit in ("[m]", "[m/s]", "[degrees]", "[m/s²]", "time in the video [s]", "away from the camera [m]"):
        assert unit in page.words
    for person in (0, 1):
        assert page.text.count(f"--person-{person}: color-mix") == 2
        assert f"stroke: var(--person-{person})" in page.text
    assert page.text.count("prefers-color-scheme: dark") == 1
    assert not re.search(r"#0[01b]0[0-9a-f]{3}", page.text), "a stand-in colour was left in a plot"


def test_a_line_breaks_where_the_person_is_not_seen(body: BodyModel) -> None:
    whole, gappy = motion(body, torch.arange(70) / 30), motion(body, GAPPY)
    strokes = [_strokes(timeline(one, measure(one, body, -1.0), 70 / 30)) for one in (whole, gappy)]
    assert [line.count("M") for line in strokes] == [1, 2]


def _strokes(svg: str) -> str:
    """The path of the first line in the person's colour."""
    tree = ElementTree.fromstring(svg)
    paths = (p for p in tree.iter("{http://www.w3.org/2000/svg}path") if "--person" in p.get("style", ""))
    return next(paths).get("d", "")


def test_plots_are_well_formed_and_fit_the_page(body: BodyModel) -> None:
    one = motion(body)
    tree = ElementTree.fromstring(timeline(one, measure(one, body, -1.0), 2.0))
    assert "viewBox" in tree.attrib
    assert "width" not in tree.attrib
    assert tree.get("aria-label") == "person 0 over time"


def test_no_people_make_a_page_that_says_so(body: BodyModel, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", [], body, SETTINGS)
    page = Page(tmp_path / "report.html")
    assert "No people were found" in page.words
    assert "<svg" not in page.text


def test_joints_without_a_body_and_a_single_frame_are_reported_as_well(body: BodyModel, tmp_path: Path) -> None:
    joints_only = replace(motion(body, person=2), body=None, body_model="", method="rie")
    write_report(tmp_path / "report.html", [joints_only, motion(body, torch.tensor([0.5]))], body, SETTINGS)
    rows = cells(Page(tmp_path / "report.html"))
    assert rows[1][5] == "&ndash;"
    assert rows[0][1] == "1"
    write_report(tmp_path / "report.html", [joints_only], None, SETTINGS)
    assert len(cells(Page(tmp_path / "report.html"))) == 1


def test_a_long_video_makes_no_huge_page_and_counts_in_minutes(body: BodyModel, tmp_path: Path) -> None:
    write_report(tmp_path / "report.html", [motion(body, torch.arange(6000) / 30, velocity=(0, 0, 0))], body, SETTINGS)
    page = Page(tmp_path / "report.html")
    assert "time in the video [min:s]" in page.words
    assert "3 min 20 s" in page.words
    assert len(page.text) < 3_000_000


def test_numbers_that_are_not_finite_are_refused(body: BodyModel, tmp_path: Path) -> None:
    bad = motion(body)
    bad.joints[5, 3, 0] = float("nan")
    with pytest.raises(UserError, match="joints of 1 frames, the first of them 5, are not finite"):
        write_report(tmp_path / "report.html", [bad], body, SETTINGS)
    assert list(tmp_path.iterdir()) == []


def test_an_overlay_that_is_not_there_is_named(motions: list[Motion], body: BodyModel, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"gone\.mp4: the overlay for the report cannot be read"):
        write_report(tmp_path / "report.html", motions, body, SETTINGS, tmp_path / "gone.mp4")


def test_a_folder_in_the_way_of_the_page_is_named(motions: list[Motion], body: BodyModel, tmp_path: Path) -> None:
    (tmp_path / "report.html").mkdir()
    with pytest.raises(UserError, match=r"report\.html: a file or folder of another kind is in the way"):
        write_report(tmp_path / "report.html", motions, body, SETTINGS)
    assert [p.name for p in tmp_path.iterdir()] == ["report.html"]
