"""What the tables have in common: the lines of bench/run, their statistics, Markdown."""

import json
import re
import statistics


def read(paths):
    """All measurements, each with the `head` of its file; and what failed."""
    rows, failed, head = [], [], None
    for path in paths:
        for line in path.read_text().splitlines():
            row = json.loads(line)
            if "machine" in row:
                head = row
            elif "failed" in row:
                failed.append(f"{row['contender']} {row['workload']}")
            else:
                row["head"] = head
                rows.append(row)
    return rows, failed


def head_of(rows):
    """That of the file, with as many rounds as there are: fewer than planned if it was stopped."""
    if not rows:
        return None
    return {**rows[0]["head"], "rounds": max(row.get("round", 0) for row in rows)}


def median(rows, name):
    return statistics.median(row[name] for row in rows)


def best(rows, name):
    return min(row[name] for row in rows)


def mib(rows):
    return f"{median(rows, 'peak_kb') / 1024:.1f}"


def number(value):
    """Four digits or so, whatever the magnitude."""
    return f"{value:.0f}" if value >= 1000 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def print_table(title, head, lines, level="###"):
    if not lines:
        return
    print(f"\n{level} {title}\n")
    for line in [head, ["---"] * len(head)] + lines:
        print("|", " | ".join(map(str, line)), "|")


def print_machine(head):
    print(f"{head['machine']}, {head['cores']} cores{' (virtual)' if head['virtual'] else ''}, "
          f"{head['kernel']}; {head['date']}, revision {head['revision']}; {head['rounds']} rounds, "
          f"contenders in turn.")
    if head.get("sizes") != "full":
        print(f"\nSizes: {head.get('sizes')}. Too small to be quoted.")


def machine_of(head):
    return (f"{re.sub(r' [0-9]+-Core Processor', '', head['machine'])}"
            f"{' (virtual)' if head['virtual'] else ''}, {head['cores']} cores, "
            f"{head['kernel'].split('-')[0]}")
