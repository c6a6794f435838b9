"""Pictures, by gnuplot."""

import math
import re
import subprocess
import sys

from . import suite
from .pools import TITLES
from .results import machine_of, median

HAS_FUTURES = {"filch", "java", "python"}
DARK, GREY = "#1f2328", "#57606a"


def draw(results, directory, terminal="svg"):
    """Tasks per second, submitted and collected: a bar for each contender and number of workers,
    those with a future for each task first."""
    rates = {}
    for group, contender, rows in results.rows("futures"):
        if group[-1] == "warm" and contender in TITLES and group[0] in (1, 2):
            rates.setdefault(contender, {})[group[0]] = 1e9 / median(rows, "task_ns")
    if not rates:
        return
    all_rates = [rate for of in rates.values() for rate in of.values()]
    left = 10 ** math.floor(math.log10(min(all_rates))) / 2
    bars, labels, tics, y = {1: [], 2: []}, [], [], 0.0
    for title, is_member in (("A future for each task, the submitter outside of the pool", True),
                             ("No future for each task", False)):
        members = [name for name in rates if (name in HAS_FUTURES) == is_member]
        if not members:
            continue
        labels.append(f'set label "{{/=13:Italic {title}}}" at graph 0.004, first {y:g} tc rgb "{GREY}"')
        for name in sorted(members, key=lambda name: -max(rates[name].values())):
            y -= 1
            tics.append(f'"{{{"/:Bold " if name == "filch" else ""}{TITLES[name]}}}" {y:g}')
            for workers, rate in sorted(rates[name].items()):
                at = y + (0.19 if workers == 1 else -0.19)
                bars[workers].append(f'{left:g} {at:g} {left:g} {rate:.0f} {at - .17:g} '
                                     f'{at + .17:g} "{short_rate(rate)}"')
        y -= 1.1
    bottom, height = y + 0.5, 46
    head = results.head
    data = "\n".join(f"$workers{n} << EOD\n" + "\n".join(bars[n]) + "\nEOD" for n in bars)
    footer = [
        f"Median of {head['rounds']} interleaved rounds, warm pool; logarithmic scale.",
        f"{machine_of(head)}, {head['date']}.",
        "GLib, rayon: results in an array and a countdown. oneTBB, OpenMP: the submitter is one of the",
        "workers, one wait for all; OpenMP with one worker runs each task where it is created.",
    ]
    notes = "\n".join(f'set label "{line}" at screen 0.02, screen {0.115 - 0.031 * i:g} font ",12" '
                      f'tc rgb "{GREY}"' for i, line in enumerate(footer))
    script = f"""
        set terminal {terminal} size 860,{int(175 + height * -bottom)} font "Helvetica,14" enhanced background "#ffffff"
        set output "{directory / ('futures.' + terminal.replace('cairo', ''))}"
        {data}
        set label "{{/:Bold Tasks per second}}" at screen 0.02, screen 0.965 font ",18" tc rgb "{DARK}"
        set label "submitted one by one by one thread, then collected" at screen 0.02, screen 0.925 tc rgb "{DARK}"
        {chr(10).join(labels)}
        {notes}
        set lmargin at screen 0.23
        set rmargin at screen 0.97
        set tmargin at screen 0.89
        set bmargin at screen 0.205
        set logscale x
        set xrange [{left:g}:{max(all_rates) * 3:g}]
        set yrange [{bottom:g}:0.6]
        set xtics out nomirror textcolor rgb "{GREY}" ("10 k" 1e4, "100 k" 1e5, "1 M" 1e6, "10 M" 1e7, "100 M" 1e8)
        set ytics scale 0 textcolor rgb "{DARK}" ({", ".join(tics)})
        set border 1 lc rgb "#8c959f"
        set grid xtics lc rgb "#d0d7de" lt 1 lw 1
        set key at screen 0.97, screen 0.95 right center horizontal reverse Left samplen 1.2 textcolor rgb "{DARK}"
        set style fill solid noborder
        plot $workers1 using 1:2:3:4:5:6 with boxxyerror lc rgb "#0b6e99" title "1 worker", \\
             $workers2 using 1:2:3:4:5:6 with boxxyerror lc rgb "#e08e2b" title "2 workers", \\
             $workers1 using 4:2:7 with labels left offset 0.4,0 tc rgb "{DARK}" font ",12" notitle, \\
             $workers2 using 4:2:7 with labels left offset 0.4,0 tc rgb "{DARK}" font ",12" notitle
    """
    directory.mkdir(parents=True, exist_ok=True)
    try:
        subprocess.run(["gnuplot"], input=re.sub(r"(?m)^ +", "", script), text=True, check=True)
    except FileNotFoundError:
        sys.exit("bench/report: gnuplot is not installed (bench/run --install)")


def short_rate(rate):
    for unit, name in ((1e6, "M"), (1e3, "k")):
        if rate >= unit:
            return f"{rate / unit:.3g} {name}"
    return f"{rate:.3g}"
