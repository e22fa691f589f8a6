"""Draws how long the compiler takes, as a chart of bars: an SVG file, and a PNG file
made of it."""

import collections
import html
import os
import shutil
import subprocess

import engines
import guest
from figures import ratio, seconds
from machines import Native, Qemu

NAME = "compile-time"
TITLE = "gcc compiles zlib"
SUBTITLE = "on one core; median of the wall time, less is better"
NATIVE = "native"
CONVERTER = "rsvg-convert"

# `ours`: whether it is FAUmachine.
Bar = collections.namedtuple("Bar", ("label", "seconds", "ratio", "ours"))

# CHARACTER_PX: the mean width of one, CAPITAL_PX: the height of a large one.
FONT_PX, TITLE_PX, CHARACTER_PX, CAPITAL_PX = 14, 17, 8.2, 10
BAR_PX, STEP_PX, TOP_PX, MARGIN_PX, GAP_PX = 20, 30, 66, 16, 8
WIDTH_PX, TITLE_Y_PX, SUBTITLE_Y_PX = 720, 28, 48
ZOOM = 2
STYLE = f"""\
text {{ font: {FONT_PX}px "DejaVu Sans", Verdana, sans-serif; fill: #1f2328 }}
.title {{ font-size: {TITLE_PX}px; font-weight: bold }}
.paper {{ fill: #ffffff }}
.ours {{ fill: #1f6fc4 }}
.others {{ fill: #8b949e }}
@media (prefers-color-scheme: dark) {{
text {{ fill: #e6edf3 }}
.paper {{ fill: #0d1117 }}
.ours {{ fill: #4c9be8 }}
.others {{ fill: #6e7681 }}
}}"""


def label(engine):
    """How a reader who has seen no command line calls it."""
    if engine.backend:
        return f"{engine.name}, {engine.backend}"
    return {engines.JIT: "JIT", engines.DIRECT: "direct execution"}.get(
        engine.name, engine.name)


def choose(ours):
    """Those of these engines that are drawn, in the order of the chart: direct execution
    by each back end, or by the one that it takes by itself; the JIT; auto."""
    order = (engines.DIRECT, engines.JIT, engines.AUTO)
    drawn = [engine for engine in ours if not engine.clock and engine.name in order]
    if any(engine.backend for engine in drawn):
        drawn = [engine for engine in drawn
                 if engine.backend or engine.name != engines.DIRECT]
    return sorted(drawn, key=lambda engine: order.index(engine.name))


def bars(results, ours):
    """`ours`: engines with the names of their machines. Without native times there are
    none, as all are compared with those."""
    native = results.median(Native.name, guest.COMPILE)
    wanted = [(NATIVE, Native.name, False),
              *((label(engine), ours[engine], True) for engine in choose(ours)),
              ("QEMU TCG", Qemu.name, False)]
    times = [(text, results.median(name, guest.COMPILE), is_ours)
             for text, name, is_ours in wanted]
    return [Bar(text, time, time / native, is_ours)
            for text, time, is_ours in times if native and time]


def value(row):
    """What is written beside a bar."""
    return f"{seconds(row.seconds)} s" + \
        (f", {ratio(row.ratio)} times native" if row.label != NATIVE else "")


def in_words(drawn):
    """For who does not see the chart."""
    return f"{TITLE}, {SUBTITLE}: " + \
        "; ".join(f"{row.label} {value(row)}" for row in drawn)


def svg(drawn):
    """The text of the SVG file."""
    left = MARGIN_PX + CHARACTER_PX * max(len(row.label) for row in drawn) + GAP_PX
    room = WIDTH_PX - left - GAP_PX - MARGIN_PX - \
        CHARACTER_PX * max(len(value(row)) for row in drawn)
    longest = max(row.seconds for row in drawn)
    height = TOP_PX + STEP_PX * len(drawn) + MARGIN_PX - (STEP_PX - BAR_PX)
    lines = ['<svg xmlns="http://www.w3.org/2000/svg" role="img"'
             f' width="{WIDTH_PX}" height="{height}" viewBox="0 0 {WIDTH_PX} {height}">',
             f"<title>{html.escape(in_words(drawn))}</title>",
             f"<style>\n{STYLE}\n</style>",
             f'<rect class="paper" width="{WIDTH_PX}" height="{height}"/>',
             f'<text class="title" x="{MARGIN_PX}" y="{TITLE_Y_PX}">{TITLE}</text>',
             f'<text x="{MARGIN_PX}" y="{SUBTITLE_Y_PX}">{SUBTITLE}</text>']
    for i, row in enumerate(drawn):
        top, width = TOP_PX + i * STEP_PX, room * row.seconds / longest
        base = top + (BAR_PX + CAPITAL_PX) / 2
        lines += [
            f'<text x="{left - GAP_PX:.1f}" y="{base:.1f}" text-anchor="end">'
            f"{html.escape(row.label)}</text>",
            f'<rect class="{"ours" if row.ours else "others"}" x="{left:.1f}" y="{top}"'
            f' width="{width:.1f}" height="{BAR_PX}"/>',
            f'<text x="{left + width + GAP_PX:.1f}" y="{base:.1f}">{value(row)}</text>']
    return "\n".join([*lines, "</svg>"]) + "\n"


def write(folder, drawn):
    """Returns the files that it could write."""
    if not drawn:
        return []
    vector, pixels = (os.path.join(folder, f"{NAME}.{kind}") for kind in ("svg", "png"))
    with open(vector, "w", encoding="utf-8") as file:
        file.write(svg(drawn))
    if not shutil.which(CONVERTER):
        print(f"{CONVERTER} is not there: {pixels} is not drawn")
        return [vector]
    subprocess.run([CONVERTER, "--zoom", str(ZOOM), "--output", pixels, vector],
                   check=True)
    return [vector, pixels]
