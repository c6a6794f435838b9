"""Pictures, by gnuplot."""

import math
import re
import subprocess
import sys

from . import suite
from .pools import TITLES
from .results import machine_of, median

HAS_FUTURES = {"filch", "java", "python"}
DARK, GREY, FIRST, SECOND = "#1f2328", "#57606a", "#0b6e99", "#e08e2b"
# Colour and gnuplot's number of the point, for pictures with all contenders.
MARKS = {"filch": (FIRST, 7), "filch_clang": (FIRST, 6), "tbb": ("#b5442e", 5), "libgomp": ("#6b8e23", 9),
         "libomp": ("#6b8e23", 8), "rayon": (SECOND, 13), "java": ("#7b5ea7", 11)}


def draw(of_pools, of_suite, directory, terminal="svg"):
    """All pictures for which there are measurements."""
    directory.mkdir(parents=True, exist_ok=True)
    draw_futures(of_pools, directory, terminal)
    draw_overhead(of_suite, directory, terminal)
    draw_speedup(of_suite, directory, terminal)
    draw_grain(of_suite, directory, terminal)


def draw_futures(results, directory, terminal):
    """Tasks per second, submitted and collected: a bar for each contender and number of workers,
    those with a future for each task first."""
    rates = {}
    for group, contender, rows in results.rows("futures"):
        if group[-1] == "warm" and contender in TITLES and group[0] in (1, 2):
            rates.setdefault(contender, {})[group[0]] = 1e9 / median(rows, "task_ns")
    if not rates:
        return
    groups = []
    for title, is_member in (("A future for each task, the submitter outside of the pool", True),
                             ("No future for each task", False)):
        members = sorted((name for name in rates if (name in HAS_FUTURES) == is_member),
                         key=lambda name: -max(rates[name].values()))
        groups.append((title, [(TITLES[name], rates[name]) for name in members]))
    xtics = ((1e4, "10 k"), (1e5, "100 k"), (1e6, "1 M"), (1e7, "10 M"), (1e8, "100 M"))
    draw_bars("futures", groups, {1: "1 worker", 2: "2 workers"}, short_rate, xtics, directory, terminal,
              "Tasks per second", "submitted one by one by one thread, then collected", [
                  f"Median of {results.head['rounds']} interleaved rounds, warm pool; logarithmic scale.",
                  f"{machine_of(results.head)}, {results.head['date']}.",
                  "GLib, rayon: results in an array and a countdown. oneTBB, OpenMP: the submitter is one of the",
                  "workers, one wait for all; OpenMP with one worker runs each task where it is created."])


def draw_overhead(results, directory, terminal):
    """What a spawn costs in fib and in skynet: a bar for each contender."""
    applications = ("fib", "skynet")
    costs = {}
    for contender in MARKS:
        for workload in applications:
            cost = suite.spawn_ns(results, workload, contender)
            if cost is not None:
                costs.setdefault(contender, {})[workload] = max(cost, 0.1)
    if not costs:
        return
    members = sorted(costs, key=lambda name: min(costs[name].values()))
    xtics = ((0.1, "0.1"), (1, "1"), (10, "10"), (100, "100"), (1000, "1000"))
    draw_bars("overhead", [("", [(suite.TITLES[name], costs[name]) for name in members])],
              {name: results.title(name) for name in applications}, lambda cost: f"{cost:.3g}", xtics,
              directory, terminal, "Nanoseconds per spawn",
              "beyond a plain call; one worker", [
                  f"Best of {results.head['rounds']} interleaved rounds; logarithmic scale. Shorter is better.",
                  f"{machine_of(results.head)}, {results.head['date']}."])


def draw_bars(name, groups, series, label_of, xtics, directory, terminal, title, subtitle, notes):
    """Horizontal bars on a logarithmic scale. groups: (title, [(label, {key of a series: value})]);
    series, at most two: their titles by key."""
    values = [value for _, members in groups for _, of in members for value in of.values()]
    left = 10 ** math.floor(math.log10(min(values))) / 2
    bars, labels, tics = {key: [] for key in series}, [], []
    y = 0.0 if groups[0][0] else 0.6  # the first line is that of the title
    for group_title, members in groups:
        if not members:
            continue
        labels.append(f'set label "{{/=13:Italic {group_title}}}" at graph 0.004, first {y:g} tc rgb "{GREY}"')
        for label, of in members:
            y -= 1
            tics.append(f'"{{{"/:Bold " if label.startswith("filch") else ""}{label}}}" {y:g}')
            for key, value in of.items():
                at = y + (0.19 if key == next(iter(series)) else -0.19)
                bars[key].append(f'{left:g} {at:g} {left:g} {value:g} {at - .17:g} {at + .17:g} '
                                 f'"{label_of(value)}"')
        y -= 1.1
    colours = dict(zip(series, (FIRST, SECOND)))
    keys = [key for key in series if bars[key]]
    data = "\n".join(f"$series{i} << EOD\n" + "\n".join(bars[key]) + "\nEOD" for i, key in enumerate(keys))
    plots = [f'$series{i} using 1:2:3:4:5:6 with boxxyerror lc rgb "{colours[key]}" title "{series[key]}"'
             for i, key in enumerate(keys)]
    plots += [f'$series{i} using 4:2:7 with labels left offset 0.4,0 tc rgb "{DARK}" font ",12" notitle'
              for i in range(len(keys))]
    plot(name, int(175 + 46 * (-y - 0.5)), directory, terminal, title, subtitle, notes, f"""
        {data}
        {chr(10).join(labels)}
        set lmargin at screen 0.23
        set logscale x
        set xrange [{left:g}:{max(values) * 3:g}]
        set yrange [{y + 0.5:g}:0.6]
        set xtics out nomirror textcolor rgb "{GREY}" ({", ".join(f'"{text}" {at:g}' for at, text in xtics)})
        set ytics scale 0 textcolor rgb "{DARK}" ({", ".join(tics)})
        set grid xtics lc rgb "#d0d7de" lt 1 lw 1
        set key at screen 0.97, screen 0.95 right center horizontal reverse Left samplen 1.2 textcolor rgb "{DARK}"
        set style fill solid noborder
        plot {", ".join(plots)}
    """)


def draw_speedup(results, directory, terminal):
    """A row for each application, a point for each contender: how much faster than serial with two
    workers."""
    workloads = [name for name in suite.NAMES if results.rows(name, "serial")]
    points = {name: [] for name in MARKS}
    for y, workload in enumerate(reversed(workloads)):
        for contender in MARKS:
            ratio = results.ratio(suite.best_s, workload, contender, 2)
            if ratio:
                points[contender].append((1 / ratio, y))
    if not any(points.values()):
        return
    left = min(x for found in points.values() for x, _ in found) / 1.5
    tics = ", ".join(f'"{results.title(name)}" {y}' for y, name in enumerate(reversed(workloads)))
    plot("speedup", 210 + 34 * len(workloads), directory, terminal, "Speed-up with two workers",
         "over the serial program of the same compiler", [
             f"Best of {results.head['rounds']} interleaved rounds; logarithmic scale. Further right is better.",
             f"{machine_of(results.head)}, {results.head['date']}."], f"""
        {series_data(points)}
        set lmargin at screen 0.23
        set rmargin at screen 0.72
        set logscale x
        set xrange [{left:g}:3]
        set yrange [-0.6:{len(workloads) - 0.4}]
        set xtics out nomirror textcolor rgb "{GREY}" ("1/1000" 0.001, "1/100" 0.01, "1/10" 0.1, "1/2" 0.5, "1" 1, "2" 2)
        set ytics scale 0 textcolor rgb "{DARK}" ({tics})
        set grid xtics ytics lc rgb "#d0d7de" lt 1 lw 1
        {POINT_KEY}
        plot {", ".join(f"${name} with points {style_of(name)}" for name in points if points[name])}
    """)


def draw_grain(results, directory, terminal):
    """A line for each contender: leaves per second with two workers, of what two cores could do without
    any overhead, by the length of a leaf."""
    lengths = suite.grain_lengths(results)
    points = {name: [(ns, rate * ns * 1e-9 / 2) for steps, ns in lengths
                     if (rate := suite.grain_rate(results, name, steps))] for name in MARKS}
    if not any(points.values()):
        return
    head = results.head
    plot("grain", 480, directory, terminal, "Throughput by the length of a task",
         "two workers; 1 is twice the serial program", [
             f"Medians of up to {head['rounds']} interleaved rounds; binary recursion down to single tasks.",
             f"{machine_of(head)}, {head['date']}."], f"""
        {series_data(points)}
        set lmargin at screen 0.07
        set rmargin at screen 0.72
        set logscale x
        set xrange [{lengths[0][1] / 1.2:g}:{lengths[-1][1] * 1.2:g}]
        set yrange [0:1.1]
        set xtics out nomirror textcolor rgb "{GREY}" ("10 ns" 10, "100 ns" 100, "1 us" 1000, "10 us" 1e4, "100 us" 1e5)
        set ytics scale 0 textcolor rgb "{DARK}" 0.2
        set grid xtics ytics lc rgb "#d0d7de" lt 1 lw 1
        {POINT_KEY}
        plot {", ".join(f"${name} with linespoints lw 2 {style_of(name)}" for name in points if points[name])}
    """)


POINT_KEY = f'set key at screen 0.74, graph 1 left top vertical reverse Left samplen 1.2 textcolor rgb "{DARK}"'


def series_data(points):
    return "\n".join(f"${name} << EOD\n" + "\n".join(f"{x:g} {y:g}" for x, y in found) + "\nEOD"
                     for name, found in points.items() if found)


def style_of(name):
    colour, point = MARKS[name]
    return f'pt {point} ps 1.2 lc rgb "{colour}" title "{suite.TITLES[name]}"'


def plot(name, height, directory, terminal, title, subtitle, notes, body):
    """Runs gnuplot; what all pictures share, around `body`. The last lines are the notes."""
    lines = "\n".join(f'set label "{line}" at screen 0.02, screen {(17 * (len(notes) - i) - 3) / height:g} '
                      f'font ",12" tc rgb "{GREY}"' for i, line in enumerate(notes))
    script = f"""
        set terminal {terminal} size 860,{height} font "Helvetica,14" enhanced background "#ffffff"
        set output "{directory / (name + '.' + terminal.replace('cairo', ''))}"
        set label "{{/:Bold {title}}}" at screen 0.02, screen {1 - 20 / height:g} font ",18" tc rgb "{DARK}"
        set label "{subtitle}" at screen 0.02, screen {1 - 42 / height:g} tc rgb "{DARK}"
        {lines}
        set rmargin at screen 0.97
        set tmargin at screen {1 - 62 / height:g}
        set bmargin at screen {(17 * len(notes) + 45) / height:g}
        set border 1 lc rgb "#8c959f"
        {body}
    """
    script = re.sub(r"\^(\d+)", r"^{\1}", re.sub(r"(?m)^ +", "", script))
    try:
        subprocess.run(["gnuplot"], input=script, text=True, check=True)
    except FileNotFoundError:
        sys.exit("bench/report: gnuplot is not installed (bench/run --install)")


def short_rate(rate):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if rate >= unit:
            return f"{rate / unit:.3g} {name}"
    return f"{rate:.3g}"
