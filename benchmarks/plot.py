"""The figures as pictures: SVG files that a page can show."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
from matplotlib import pyplot

from benchmarks.results import Finding

_OURS, _THEIRS = "#0b6e4f", "#8a8f98"


def write(folder: Path, findings: Sequence[Finding]) -> None:
    """Write ``wall.svg``, and ``scale.svg`` if that was measured."""
    mpl.rcParams.update({"svg.hashsalt": "mirror", "font.size": 9, "svg.fonttype": "none"})
    shown = [finding for finding in findings if len(finding.rows) > 1 and finding.name != "scale"]
    if shown:
        _bars(folder / "wall.svg", shown)
    if scale := [finding for finding in findings if finding.name == "scale"]:
        _scale(folder / "scale.svg", scale[0])


def _bars(path: Path, findings: Sequence[Finding]) -> None:
    heights = [len(finding.rows) for finding in findings]
    figure, axes = pyplot.subplots(
        len(findings), 1, figsize=(8, 0.42 * sum(heights) + 0.62 * len(findings)),
        gridspec_kw={"height_ratios": heights}, squeeze=False, layout="constrained",
    )  # fmt: skip
    for axis, finding in zip(axes[:, 0], findings, strict=True):
        rows = finding.rows[::-1]
        walls = [row.wall for row in rows]
        errors = [
            [row.wall - row.spread[0] for row in rows],
            [row.spread[1] - row.wall for row in rows],
        ]
        colours = [_OURS if row.tool.startswith("mirror") else _THEIRS for row in rows]
        bars = axis.barh([row.tool for row in rows], walls, xerr=errors, color=colours, height=0.6)
        axis.bar_label(bars, [f"{wall:.2f} s" for wall in walls], padding=6)
        axis.set_title(finding.title, loc="left", fontsize=9, fontweight="bold")
        axis.spines[["top", "right"]].set_visible(False)
        axis.margins(x=0.15)
    axes[-1, 0].set_xlabel("seconds of wall time: median, shortest and longest")
    figure.savefig(path, metadata={"Date": None, "Title": "Wall time by scenario and tool"})
    pyplot.close(figure)


def _scale(path: Path, finding: Finding) -> None:
    counts = [int(row.tool.replace(",", "").split()[0]) for row in finding.rows]
    figure, axis = pyplot.subplots(figsize=(6, 3.2), layout="constrained")
    axis.plot(counts, [row.wall for row in finding.rows], marker="o", color=_OURS)
    axis.set(xscale="log", yscale="log", xlabel="unchanged tags", ylabel="seconds")
    memory = axis.twinx()
    memory.plot(counts, [row.memory / 2**20 for row in finding.rows], marker="s", color="#b4521f")
    memory.set_ylabel("peak MiB (squares)", color="#b4521f")
    memory.set_ylim(bottom=0)
    axis.set_title(finding.title, loc="left", fontsize=9, fontweight="bold")
    figure.savefig(path, metadata={"Date": None, "Title": "Time and memory by number of tags"})
    pyplot.close(figure)
