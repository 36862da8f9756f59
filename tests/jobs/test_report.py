"""The report: one page that holds what the run holds, loads nothing, and reads well for machines and people."""

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.util import find_spec
from pathlib import Path

import pandas as pd
import pytest

from rfconv_cli.program import run_app
from rfconv_cli.run import open_run
from tests.conftest import FAST, sensor_frame

CHROMIUM = shutil.which("chromium")
AXE = find_spec("axe_core_python")
EVIL = ('<script>alert("x")</script>', "a&b' onload='x", "酒田_平均気温(℃)", "esc\x1b[31m", "=cmd()", "{{ 7 * 7 }}")


class Page(HTMLParser):
    """What a page is made of: its tags with their attributes, and its text without scripts and styles."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = [tag]

    def handle_data(self, data: str) -> None:
        if self._inside[-1:] not in (["script"], ["style"]):
            self.text += data

    def handle_endtag(self, tag: str) -> None:
        self._inside = []

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def learn(folder: Path, frame: pd.DataFrame, target: str, *flags: str) -> Path:
    frame.to_parquet(folder / "table.parquet")
    words = ["learn", str(folder / "table.parquet"), "--target", target, "--runs", str(folder / "runs"), "-q"]
    assert run_app([*words, "--no-plots", *FAST, *flags]) == 0
    return folder / "runs" / (folder / "runs" / "LATEST").read_text().strip()


def written(run: Path, out: Path) -> str:
    assert run_app(["report", "--run", str(run), "--out", str(out), "-q"]) == 0
    return out.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def html(learned_once: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    run = learned_once / "rfconv-runs" / (learned_once / "rfconv-runs" / "LATEST").read_text().strip()
    return written(run, tmp_path_factory.mktemp("report") / "report.html")


@pytest.fixture(scope="module")
def evil(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A run whose columns and classes are called what they should not be."""
    folder = tmp_path_factory.mktemp("evil")
    frame = sensor_frame()
    names = dict(zip(frame.columns[:6], EVIL, strict=True))
    frame = frame.rename(columns=names).drop(columns="load")
    frame["state"] = frame["state"].replace({"same": "<b>same</b>"})
    return written(learn(folder, frame, "state"), folder / "report.html")


def test_the_verdict_comes_first_then_the_scores_then_the_fields(html, learned):
    metrics = json.loads((learned / "metrics.json").read_text())
    text = Page(html).text
    places = [text.index(words) for words in (metrics["verdict"]["sentence"], "Scores on", "The fields", "Data and")]
    assert places == sorted(places)


def test_the_page_holds_the_numbers_of_the_run(html, learned):
    metrics = json.loads((learned / "metrics.json").read_text())
    run = json.loads((learned / "run.json").read_text())
    text = Page(html).text
    expected = [f"{metrics['test']['accuracy']:.3f}", run["id"], run["table"]["sha256"], run["versions"]["torch"]]
    expected += [f"{control['difference']['mean']:+.3f}" for control in metrics["controls"].values()]
    assert [one for one in expected if one not in text] == []


def test_every_field_is_a_row_with_its_members(html, learned):
    document = json.loads((learned / "fields.json").read_text())
    names = [column["name"] for column in document["columns"]]
    rows = re.findall(
        r"<tr><th scope=\"row\">(.*?)</tr>", html.partition('id="field-table"')[2].partition("</table>")[0]
    )
    assert len(rows) == len(document["fields"])
    first = document["fields"][0]["members"][1]
    assert f"{names[first['column']]} ({first['weight']:.2f})" in rows[0]


def test_every_picture_is_inside_with_a_text_for_those_who_do_not_see_it(html):
    pictures = Page(html).all("img")
    assert len(pictures) >= 7
    for picture in pictures:
        form, _, data = picture["src"].partition(";base64,")
        assert form in ("data:image/svg+xml", "data:image/png")
        assert len(base64.b64decode(data)) > 1000
        assert len(picture["alt"]) > 20
        assert int(picture["width"]) > 100 < int(picture["height"])


def test_nothing_is_loaded_and_no_script_runs_but_the_pages_own(html):
    page = Page(html)
    policy = next(meta["content"] for meta in page.all("meta") if "http-equiv" in meta)
    assert policy.startswith("default-src 'none'; img-src data:;")
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", html, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy
    assert "unsafe" not in policy
    loaded = [str(attributes[key]) for _, attributes in page.tags for key in ("src", "href") if key in attributes]
    assert all(source.startswith("data:image/") for source in loaded)
    assert not [name for _, attributes in page.tags for name in attributes if name.startswith("on") or name == "style"]


def test_names_are_text_and_nothing_else(evil):
    page = Page(evil)
    assert len(page.all("script")) == 1
    assert not page.all("b")
    for name in EVIL:
        assert name.replace("\x1b", "\N{REPLACEMENT CHARACTER}") in page.text
    assert "\x1b" not in evil
    assert "49" not in page.text.partition("{{ 7 * 7 }}")[2][:5]


def test_the_command_learns_the_same_run_again(html, learned, sensor_csv, tmp_path):
    import shlex

    command = re.search(r"<pre[^>]*aria-label=\"The command\">(.*?)</pre>", html, re.DOTALL)[1]
    words = shlex.split(command.replace("&#34;", '"').replace("&#39;", "'"))
    assert words[:2] == ["rfconv", "learn"]
    assert words[2] == sensor_csv.name
    again = tmp_path / "again"
    assert run_app(["learn", str(sensor_csv), *words[3:], "--runs", str(again), "-q", "--no-plots"]) == 0
    run = again / (again / "LATEST").read_text().strip()
    ours, before = (json.loads((folder / "metrics.json").read_text()) for folder in (run, learned))
    assert ours["test"] == before["test"]


def test_regression_has_its_own_scores_and_picture(tmp_path):
    frame = sensor_frame().drop(columns="state")
    page = Page(written(learn(tmp_path, frame, "load"), tmp_path / "r.html"))
    assert "R²" in page.text
    assert any("Predicted values" in picture["alt"] for picture in page.all("img"))
    assert not any("Confusion" in picture["alt"] for picture in page.all("img"))


def test_of_very_many_fields_the_page_stays_small(monkeypatch, learned):
    from rfconv_cli.jobs import report

    monkeypatch.setattr(report, "_MOST_FIELDS", 4)
    text = Page(report.report(open_run(learned))).text
    assert "more fields in fields.json" in text


def test_without_a_place_the_page_lies_in_the_current_folder_and_its_path_is_printed(learned, capsys):
    assert run_app(["report"]) == 0
    said = capsys.readouterr()
    assert said.out.strip() == f"rfconv-report-{learned.name}.html"
    assert Path(said.out.strip()).is_file()
    assert "wrote" in said.err


@pytest.mark.parametrize("name", ["metrics.json", "fields.json", "predictions-test.parquet"])
def test_a_damaged_run_writes_no_report(learned, capsys, name):
    (learned / name).write_text("{}")
    assert run_app(["report", "--out", "r.html"]) == 4
    assert name in capsys.readouterr().err
    assert not Path("r.html").exists()


def test_a_validator_finds_no_fault(html, evil, tmp_path):
    if shutil.which("tidy") is None:
        pytest.skip("tidy, an HTML validator, is not installed")
    for number, text in enumerate((html, evil)):
        path = tmp_path / f"{number}.html"
        path.write_text(text, encoding="utf-8")
        assert subprocess.run(["tidy", "-q", "-e", str(path)], capture_output=True, text=True).stderr == ""


@pytest.mark.skipif(CHROMIUM is None or AXE is None, reason="chromium or axe-core-python is not installed")
def test_axe_finds_no_barrier(html, evil, tmp_path):
    script = Path(next(iter(AXE.submodule_search_locations))) / "axe.min.js"
    for text in (html, evil):
        assert _violations(text, script.read_text(encoding="utf-8"), tmp_path) == []


@pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")
@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window_and_runs_its_script_alone(html, tmp_path, width):
    """Under its own policy: the headings of the field table become buttons, and nothing is wider than the window."""
    probe = (
        "document.title = JSON.stringify([document.documentElement.scrollWidth, "
        "document.querySelectorAll('#field-table thead button').length, "
        "Array.from(document.images).every(image => image.naturalWidth > 0)])"
    )
    digest = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
    text = html.replace("script-src '", f"script-src 'sha256-{digest}' '", 1)
    dom = _rendered(text.replace("</body>", f"<script>{probe}</script></body>"), tmp_path, width)
    wide, buttons, drawn = json.loads(re.search(r"<title>(.*?)</title>", dom)[1])
    assert wide <= max(width, 500)  # headless windows are 500 pixels wide at least
    assert buttons == 4
    assert drawn


def _violations(text: str, axe: str, folder: Path) -> list[str]:
    """What axe finds in the page. Its own script needs a page without a policy."""
    told = "axe.run().then(r => { document.title = 'AXE' + JSON.stringify(r.violations.map(v => v.id)) })"
    open_page = re.sub(r"<meta http-equiv=[^>]*>", "", text)
    dom = _rendered(open_page.replace("</body>", f"<script>{axe}</script><script>{told}</script></body>"), folder, 1280)
    return list(json.loads(re.search(r"<title>AXE(.*?)</title>", dom)[1]))


def _rendered(text: str, folder: Path, width: int) -> str:
    path = folder / "page.html"
    path.write_text(text, encoding="utf-8")
    words = ["--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={folder / 'profile'}", "--dump-dom"]
    words += ["--virtual-time-budget=20000", f"--window-size={width},2000", path.as_uri()]
    done = subprocess.run(
        [str(CHROMIUM), *words], capture_output=True, text=True, timeout=120, env={**os.environ, "HOME": str(folder)}
    )
    return done.stdout
