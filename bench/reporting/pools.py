"""The tables of the pools. Ratios are to the baseline's median in the same row group (workload, workers,
submitters, placement, pass); of processes, to the baseline of processes where there is one."""

import copy

from .results import best, head_of, machine_of, median, mib, number, print_machine, print_table

TITLES = {"filch": "filch", "tbb": "oneTBB", "libgomp": "OpenMP (libgomp)",
          "libomp": "OpenMP (libomp)", "rayon": "rayon", "java": "Java ForkJoinPool",
          "glib": "GLib", "python": "Python"}
PROCESSES = {"baseline_process", "filch_process", "python_process", "loky", "mpi4py"}
ROUNDTRIPS = {"round trip on one core": dict(place="same"),
              "round trip across cores": dict(place="cross", spin_s=-1, pause_s=0),
              "round trip across cores, after 1 ms": dict(place="cross", pause_s=0.001)}


class Results:
    """The measurements of pools by workload, group and contender."""

    def __init__(self, rows):
        self.contenders, self.groups = {}, {}
        self.head = head_of(rows)
        for row in rows:
            if row["workload"] != "storm_futex":
                self.contenders.setdefault(row["contender"], row)
            self.groups.setdefault(row["workload"], {}).setdefault(group_of(row), {}) \
                .setdefault(row["contender"], []).append(row)
        first = ["baseline", "baseline_process", "filch", "filch_process"]
        names = sorted(self.contenders, key=lambda name: (first + [name]).index(name))
        self.contenders = {name: self.contenders[name] for name in names}

    def rows(self, workload):
        """(group, contender, its measurements) in the order of the contenders."""
        for group in sorted(self.groups.get(workload, {})):
            of_group = self.groups[workload][group]
            for contender in self.contenders:
                if contender in of_group:
                    yield group, contender, of_group[contender]

    def part(self, is_wanted):
        """The same of some contenders."""
        part = copy.copy(self)
        part.contenders = {name: row for name, row in self.contenders.items() if is_wanted(name)}
        return part

    def ratio(self, workload, group, contender, name, inverse=False):
        of_group = self.groups[workload][group]
        base = of_group.get("baseline_process" if contender in PROCESSES else "baseline") or \
            of_group.get("baseline")
        if base is None or not median(base, name):
            return ""
        quotient = median(self.groups[workload][group][contender], name) / median(base, name)
        return f"{1 / quotient if inverse else quotient:.2f}"


def group_of(row):
    """What has to be equal for rows to be compared: sorts as the tables do."""
    places = {"free": 0, "same": 1, "cross": 2}
    return (row["workers"], row.get("submitters", 1), row.get("spin_s", 0), row.get("work_s", 0),
            places[row.get("place", "free")], row.get("pause_s", 0), row.get("pass", ""))


def print_head(results):
    print_machine(results.head)
    print("\n| contender | version | built with | note |\n| --- | --- | --- | --- |")
    for name, row in results.contenders.items():
        print(f"| {name} | {row['version']} | {row['flags']} | {row['note']} |")


def print_tables(results, level="###"):
    r = results

    def table(title, head, lines):
        print_table(title, head, lines, level)

    table("Futures: all submitted by one outside thread, then all collected",
          ["workers", "pass", "contender", "tasks", "median s", "best s", "ns per task", "best ns",
           "of which submit", "million tasks/s", "x baseline", "peak MiB"],
          [[g[0], g[-1], c, rows[0]["size"], f"{median(rows, 'seconds'):.4f}",
            f"{best(rows, 'seconds'):.4f}", number(median(rows, "task_ns")),
            number(best(rows, "task_ns")), number(median(rows, "submit_ns")),
            number(1000 / median(rows, "task_ns")), r.ratio("futures", g, c, "task_ns"), mib(rows)]
           for g, c, rows in r.rows("futures")])
    table("Several submitters: each submits its tasks and collects them, all at the same time; warm",
          ["workers", "submitters", "contender", "tasks of each", "ns per task", "best ns",
           "million tasks/s", "peak MiB"],
          [[g[0], g[1], c, rows[0]["size"], number(median(rows, "task_ns")),
            number(best(rows, "task_ns")), number(1000 / median(rows, "task_ns")), mib(rows)]
           for g, c, rows in r.rows("submitters") if g[-1] == "warm"])
    for workload, title in (
            ("map", "Map of trivial items: each result handed to the caller in input order"),
            ("loop", "Parallel loop over trivial items, from array to array")):
        table(title, ["workers", "pass", "contender", "items", "ns per item", "best ns",
                      "x serial loop", "peak MiB"],
              [[g[0], g[-1], c, rows[0]["size"], number(median(rows, "item_ns")),
                number(best(rows, "item_ns")), r.ratio(workload, g, c, "item_ns"), mib(rows)]
               for g, c, rows in r.rows(workload)])
    table("Memory per pending task with 48 bytes of argument and result",
          ["contender", "tasks", "bytes per task", "best", "peak MiB"],
          [[c, rows[0]["size"], number(median(rows, "task_bytes")), number(best(rows, "task_bytes")),
            mib(rows)] for g, c, rows in r.rows("memory")])
    table("Round trip: one task at a time, submit to result, one worker",
          ["placement", "contender", "trips", "median ns", "best median", "90 %", "99 %",
           "x baseline", "peak MiB"],
          [[placement(rows[0]), c, rows[0]["size"], f"{median(rows, 'p50_ns'):.0f}",
            f"{best(rows, 'p50_ns'):.0f}", f"{median(rows, 'p90_ns'):.0f}",
            f"{median(rows, 'p99_ns'):.0f}", r.ratio("roundtrip", g, c, "p50_ns"), mib(rows)]
           for g, c, rows in r.rows("roundtrip")])
    table("Wake-up storm: a task for each worker, all of whom are asleep",
          ["workers", "task", "contender", "bursts", "median us", "best median", "90 %",
           "x baseline", "context switches", "futex calls", "CPU us"],
          [[g[0], f"{g[3] * 1e6:.0f} us" if g[3] else "empty", c, rows[0]["size"],
            number(median(rows, "p50_ns") / 1000), number(best(rows, "p50_ns") / 1000),
            number(median(rows, "p90_ns") / 1000), r.ratio("storm", g, c, "p50_ns"),
            number(median(rows, "switches")) if "switches" in rows[0] else "",
            futex_calls(r, g, c) if not g[3] else "",
            number(median(rows, "cpu_us")) if "cpu_us" in rows[0] else ""]
           for g, c, rows in r.rows("storm")])
    table("An idle pool, used once",
          ["contender", "workers", "CPU seconds per minute", "wake-ups per minute", "peak MiB"],
          [[c, g[0], f"{median(rows, 'cpu_s_per_min'):.4f}",
            f"{median(rows, 'wakeups_per_min'):.1f}", mib(rows)]
           for g, c, rows in r.rows("idle")])


def print_process_tables(results, level):
    """Those of the workloads that tell processes from threads."""
    r = results
    for workload, title in (("argument", "A task with a large argument, copied on its way"),
                            ("argument_shared", "A task with a large argument in shared memory")):
        print_table(title, ["pass", "contender", "MiB", "median ms", "best ms", "x baseline", "peak MiB"],
                    [[g[-1], c, rows[0]["bytes"] >> 20, number(median(rows, "seconds") * 1e3),
                      number(best(rows, "seconds") * 1e3), r.ratio(workload, g, c, "seconds"), mib(rows)]
                     for g, c, rows in r.rows(workload)], level)
    lines = []
    for g, c, rows in r.rows("heal"):
        whole = [row for row in rows if "p50_ns" in row]
        figures = [number(median(whole, name) / 1e6) for name in ("first_ns", "p50_ns", "p90_ns", "p99_ns")] \
            if len(whole) == len(rows) else [""] * 4
        lines.append([c, rows[0]["size"], ", ".join(sorted({row["outcome"] for row in rows}))] + figures)
    print_table("The only worker killed: from there to the result of the next task",
                ["contender", "kills", "outcome", "first ms", "median ms", "90 %", "99 %"], lines, level)


def print_processes(results):
    """The section of the pools of processes, beside filch's threads and the baselines."""
    of_processes = results.part(lambda name: name in PROCESSES or name in ("baseline", "filch"))
    if not PROCESSES & set(of_processes.contenders):
        return
    print("\n### Processes\n\nRatios are to baseline_process, and to baseline where that has no such row.")
    print_process_aims(of_processes, "####")
    print_process_tables(of_processes, "####")
    print_tables(of_processes, "####")


def print_aims(results):
    """What is asked of filch, and what this run says. `where` picks the rows by their fields."""
    lines = []
    for workers in 1, 2:
        where = {"workers": workers, "pass": "warm"}
        lines.append(aim(results, "futures", where, "task_ns", 100,
                         f"submit and collect, {counted(workers)}, warm: at most 100 ns per task"))
    for workers in 1, 2:
        where = {"workers": workers, "pass": "warm"}
        lines.append(aim(results, "futures", where, "submit_ns", 50,
                         f"submit alone, {counted(workers)}, warm: at most 50 ns"))
    lines.append(aim(results, "memory", {}, "task_bytes", 160, "at most 160 bytes per pending task"))
    for name, where in ROUNDTRIPS.items():
        lines.append(aim(results, "roundtrip", where, "p50_ns", 1.2,
                         f"{name}: at most 1.2x of a bare futex ping-pong", base="baseline"))
    lines.append(aim(results, "roundtrip", {"spin_s": 0.001}, "p50_ns", 1000,
                     "round trip with spinning workers: at most 1,000 ns"))
    for workers in 1, 2:
        lines.append(aim(results, "map", {"workers": workers, "pass": "warm"}, "item_ns", 5,
                         f"map, {counted(workers)}, warm: at most 5 ns per item"))
    lines.append(aim(results, "idle", {}, "cpu_s_per_min", 0.005, "0.00 CPU seconds per idle minute"))
    print_table("The aims", ["aim", "median", "best", "reached"], [line for line in lines if line])


def print_process_aims(results, level):
    lines = []
    for workers in 1, 2:
        where = {"workers": workers, "pass": "warm"}
        lines.append(aim(results, "futures", where, "task_ns", 300,
                         f"submit and collect, {counted(workers)}, warm: at most 300 ns per task",
                         of="filch_process"))
    for workers in 1, 2:
        where = {"workers": workers, "pass": "warm"}
        lines.append(aim(results, "futures", where, "task_ns", 3,
                         f"the same: at most 3x of the thread pool, {counted(workers)}",
                         of="filch_process", base="filch"))
    for name, where in ROUNDTRIPS.items():
        lines.append(aim(results, "roundtrip", where, "p50_ns", 1.3,
                         f"{name}: at most 1.3x of a bare futex ping-pong of processes",
                         of="filch_process", base="baseline_process"))
    for workers in 1, 2:
        lines.append(aim(results, "map", {"workers": workers, "pass": "warm"}, "item_ns", 10,
                         f"map, {counted(workers)}, warm: at most 10 ns per item", of="filch_process"))
    lines.append(aim(results, "memory", {}, "task_bytes", 160, "at most 160 bytes per pending task",
                     of="filch_process"))
    lines.append(aim(results, "heal", {}, "p50_ns", 20e6,
                     "a killed worker replaced and working: at most 20,000,000 ns", of="filch_process"))
    lines.append(aim(results, "idle", {}, "cpu_s_per_min", 0.005, "0.00 CPU seconds per idle minute",
                     of="filch_process"))
    print_table("The aims of processes", ["aim", "median", "best", "reached"],
                [line for line in lines if line], level)


def counted(workers):
    return "1 worker" if workers == 1 else f"{workers} workers"


def aim(results, workload, where, name, limit, text, of="filch", base=None):
    """A line: `name` of the contender `of`, or its ratio to that of `base`, is to be within `limit`."""
    def pick(contender):
        for _, found, rows in results.rows(workload):
            if found == contender and all(rows[0][key] == value for key, value in where.items()):
                return rows
        return None

    rows, of_base = pick(of), pick(base)
    if rows is None or (base and of_base is None):
        return None
    if not all(name in row for row in rows):  # as of a pool that broke
        return [text, rows[-1]["outcome"], "", "no"]
    values = [f(rows, name) / (f(of_base, name) if base else 1) for f in (median, best)]
    reached = ["yes" if value <= limit else "no" for value in values]
    unit = "x" if base else ""
    return [text] + [number(value) + unit for value in values] + \
        [reached[0] if reached[0] == reached[1] else "at its best" if reached[1] == "yes" else reached[0]]


def print_summary(results):
    """The one table for those who look at the library first."""
    if results.head is None:
        return
    names = [name for name in results.contenders if name in TITLES]
    rows = [("submit and collect, 1 worker: ns per task", "futures", (1, 1), "warm", "task_ns"),
            ("submit and collect, 2 workers", "futures", (2, 1), "warm", "task_ns"),
            ("the same in a new pool, 1 worker", "futures", (1, 1), "cold", "task_ns"),
            ("the same in a new pool, 2 workers", "futures", (2, 1), "cold", "task_ns"),
            ("4 submitters, 2 workers", "submitters", (2, 4), "warm", "task_ns"),
            ("map, 2 workers: ns per item", "map", (2, 1), "warm", "item_ns"),
            ("parallel loop, 2 workers: ns per item", "loop", (2, 1), "warm", "item_ns"),
            ("bytes per pending task of 48 bytes", "memory", None, "", "task_bytes")]
    lines = []
    for title, workload, shape, passed, name in rows:
        lines.append((title, {c: number(median(found, name)) for g, c, found in results.rows(workload)
                              if g[-1] == passed and shape in (None, g[:2])}))
    for place, title in (("free", "round trip, not pinned: ns"), ("same", "round trip on one core: ns"),
                         ("cross", "round trip across cores: ns")):
        lines.append((title, {c: f"{median(found, 'p50_ns'):.0f}"
                              for _, c, found in results.rows("roundtrip")
                              if found[0]["place"] == place and not found[0]["pause_s"]
                              and found[0]["spin_s"] <= 0}))
    lines.append(("a task for each of 2 sleeping workers: us",
                  {c: number(median(found, "p50_ns") / 1000) for g, c, found in results.rows("storm")
                   if g[0] == 2 and not g[3]}))
    lines.append(("CPU seconds per idle minute",
                  {c: f"{median(found, 'cpu_s_per_min'):.2f}" for _, c, found in results.rows("idle")}))
    head = results.head
    print(f"Medians of {head['rounds']} interleaved rounds; {machine_of(head)}; {head['date']}, "
          f"revision {head['revision']}.\n")
    for line in [[""] + [TITLES.get(name, name) for name in names], ["---"] * (len(names) + 1)] + \
            [[title] + [values.get(name, "–") for name in names] for title, values in lines if values]:
        print("|", " | ".join(line), "|")


def futex_calls(results, group, contender):
    for found, name, rows in results.rows("storm_futex"):
        if found[0] == group[0] and name == contender:
            return number(rows[0]["futex_calls"])
    return ""


def placement(row):
    where = {"same": "same core", "cross": "across cores", "free": "not pinned"}[row["place"]]
    how = "as by default" if row["spin_s"] == 0 else "spinning" if row["spin_s"] > 0 else "sleeping"
    return f"{where}, {how}" + (f", after {row['pause_s'] * 1000:g} ms" if row["pause_s"] else "")


def print_all(results):
    if results.head is None:
        return
    print_head(results)
    print_aims(results)
    print_tables(results.part(lambda name: name not in PROCESSES))
    print_processes(results)
