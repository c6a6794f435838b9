"""The tables of the fork-join applications. Ratios are to the serial program of the same compiler."""

from .results import best, head_of, machine_of, median, mib, number, print_machine, print_table

NAMES = {"fib": "fib({})", "skynet": "skynet({})", "nqueens": "nqueens({})", "uts_t1": "UTS T1",
         "uts_t3": "UTS T3", "matmul": "matmul({})", "cilksort": "cilksort({})",
         "skewed": "skewed({})", "blocks": "blocks({})"}
COUNTED = ("fib", "skynet", "nqueens")
WORKLOADS = {*NAMES, "grain", *(f"{name}_instructions" for name in COUNTED)}
FULL_SIZES = {"uts_t1": 10, "uts_t3": 2000}
ORDER = ["serial", "serial_clang", "filch", "filch_clang", "tbb", "libgomp", "libomp", "rayon", "java"]
SERIAL = {"filch_clang": "serial_clang", "libomp": "serial_clang", "serial_clang": "serial_clang"}
PEERS = ORDER[4:]
TITLES = {"serial": "serial C (gcc)", "serial_clang": "serial C (clang)", "filch": "filch",
          "filch_clang": "filch (clang)", "tbb": "oneTBB", "libgomp": "OpenMP (libgomp)",
          "libomp": "OpenMP (libomp)", "rayon": "rayon", "java": "Java ForkJoinPool"}
# At most so many times the serial program, with one worker and with two.
AIMS = {"fib": (1.3, 0.75), "skynet": (1.5, 0.80), "nqueens": (1.15, 0.60), "uts_t1": (1.05, 0.52),
        "uts_t3": (1.05, 0.52), "matmul": (1.05, 0.55)}


class Results:
    """The measurements of the applications, by what tells them from each other."""

    def __init__(self, rows):
        self.head, self.of, self.contenders = head_of(rows), {}, {}
        for row in sorted(rows, key=lambda row: order_of(row["contender"])):
            self.of.setdefault(key_of(**row), []).append(row)
            if "note" in row:
                self.contenders.setdefault(row["contender"], row)

    def rows(self, workload, contender, workers=1, **where):
        return self.of.get(key_of(workload, contender, workers, **where), [])

    def workers(self, workload, contender):
        return sorted({key[2] for key in self.of if key[:2] == (workload, contender)
                       and key == key_of(*key[:3])})

    def serial(self, workload, contender, **where):
        return self.rows(workload, SERIAL.get(contender, "serial"), 1, **where)

    def ratio(self, statistic, workload, contender, workers, **where):
        """To the serial program, best to best or median to median; None without one of them."""
        return quotient(statistic, self.rows(workload, contender, workers, **where),
                        self.serial(workload, contender))

    def best_peer(self, workload, workers):
        """(seconds, name), or None."""
        found = [(best_s(rows), name) for name in PEERS if (rows := self.rows(workload, name, workers))]
        return min(found, default=None)

    def title(self, workload):
        for key, rows in self.of.items():
            if key[0] == workload:
                size = rows[0]["size"]
                if FULL_SIZES.get(workload, size) != size:
                    return f"{NAMES[workload]} ({size})"
                return NAMES[workload].format(short_size(size))
        return NAMES[workload].format("")


def key_of(workload, contender, workers, place="free", processes=1, steps=0, **_):
    return (workload, contender, workers, place, processes, steps)


def order_of(contender):
    return ORDER.index(contender) if contender in ORDER else len(ORDER)


def short_size(size):
    """Powers of ten and of two as such."""
    zeros = len(str(size)) - len(str(size).rstrip("0"))
    if size == 10 ** zeros and zeros >= 4:
        return f"10^{zeros}"
    exponent = size.bit_length() - 1
    return f"2^{exponent}" if size == 1 << exponent and exponent > 10 else str(size)


def best_s(rows):
    return best(rows, "best_s")


def median_s(rows):
    return median(rows, "seconds")


def quotient(statistic, rows, of_base):
    return statistic(rows) / statistic(of_base) if rows and of_base else None


def times(value):
    return "" if value is None else f"{value:.2f}"


def spawn_ns(results, workload, contender):
    """What a spawn and its sync cost one worker, beside a plain call."""
    rows, serial = results.rows(workload, contender), results.serial(workload, contender)
    spawns = max((row.get("spawns", 0) for row in serial), default=0)
    if not spawns or not rows or contender.startswith("serial"):
        return None
    return (best_s(rows) - best_s(serial)) * 1e9 / spawns


# --- tables ---

def print_contenders(r):
    print("\n| contender | version | built with | note |\n| --- | --- | --- | --- |")
    for name, row in r.contenders.items():
        print(f"| {name} | {row['version']} | {row['flags']} | {row['note']} |")


def reached(value, limit):
    return "" if value is None else "yes" if value <= limit else "no"


def print_aims(r):
    lines = []
    for workload, limits in AIMS.items():
        for workers, limit in zip((1, 2), limits):
            of = ["filch", "filch_clang"]
            bests = [r.ratio(best_s, workload, name, workers) for name in of]
            if bests == [None, None]:
                continue
            medians = [r.ratio(median_s, workload, name, workers) for name in of]
            lines.append([f"{r.title(workload)}, {workers} worker{'s' * (workers > 1)}: at most {limit:g}x serial"]
                         + [times(value) for pair in zip(bests, medians) for value in pair]
                         + [reached(value, limit) for value in bests])
    print_table("The aims of fork-join", ["aim, judged on the best", "gcc best", "gcc median", "clang best",
                                          "clang median", "gcc", "clang"], lines, "####")
    lines = []
    for workload in NAMES:
        for workers in 1, 2:
            peer = r.best_peer(workload, workers)
            ours = {name: rows for name in ("filch", "filch_clang") if (rows := r.rows(workload, name, workers))}
            if peer is None or not ours:
                continue
            ratios = [best_s(ours[name]) / peer[0] if name in ours else None for name in ("filch", "filch_clang")]
            lines.append([r.title(workload), workers, TITLES[peer[1]], number(peer[0] * 1e3)]
                         + [times(value) for value in ratios]
                         + ["yes" if min(value for value in ratios if value is not None) <= 1 else "no"])
    print_table("Ahead of every peer? Best times; ratios to the best peer",
                ["application", "workers", "best peer", "its ms", "filch, gcc", "filch, clang", "ahead"],
                lines, "####")


def print_applications(r):
    for workload in NAMES:
        lines = []
        for contender in ORDER:
            for workers in r.workers(workload, contender):
                rows = r.rows(workload, contender, workers)
                peer = r.best_peer(workload, workers)
                cost = spawn_ns(r, workload, contender) if workers == 1 else None
                lines.append([contender, workers, len(rows), number(best_s(rows) * 1e3),
                              number(median_s(rows) * 1e3),
                              times(r.ratio(best_s, workload, contender, workers)),
                              times(r.ratio(median_s, workload, contender, workers)),
                              times(peer and best_s(rows) / peer[0]) if not contender.startswith("serial") else "",
                              "" if cost is None else f"{cost:.1f}", mib(rows)])
        print_table(r.title(workload),
                    ["contender", "workers", "rounds", "best ms", "median ms", "x serial, best",
                     "x serial, median", "x best peer", "ns per spawn", "peak MiB"], lines, "####")


def print_scheduling(r):
    lines = []
    for workload in NAMES:
        one, two = r.rows(workload, "filch", 1), r.rows(workload, "filch", 2)
        same = [r.rows(workload, "filch", workers, place="same") for workers in (1, 8)]
        pair, alone = r.rows(workload, "serial", processes=2), r.rows(workload, "serial")
        beside = quotient(median_s, pair, alone)
        line = [times(quotient(best_s, one, two)), times(quotient(median_s, one, two)),
                times(2 / beside if beside else None)]
        for workers in 4, 8:
            line.append(times(quotient(best_s, r.rows(workload, "filch", workers), two)))
        line.append(times(quotient(best_s, same[1], same[0])))
        if any(line):
            lines.append([r.title(workload)] + line)
    print_table("Workers and cores, filch (gcc): best times, but where it says median",
                ["application", "speed-up of 2 workers (aim: 1.90)", "median",
                 "of two serial processes, median", "4 workers against 2 (aim: 1.10)", "8 against 2 (1.10)",
                 "one core: 8 workers against 1 (1.20)"], lines, "####")


def print_instructions(r):
    lines = []
    for counted in COUNTED:
        workload = f"{counted}_instructions"
        for contender in ORDER:
            rows = r.rows(workload, contender)
            if not rows:
                continue
            serial = r.serial(workload, contender)
            more = rows[0]["per_spawn"] - serial[0]["per_spawn"] if serial and rows[0] is not serial[0] else None
            lines.append([counted, contender, number(rows[0]["per_spawn"]),
                          "" if more is None else f"{more:.1f}"])
    print_table("Instructions per spawn, one worker, counted by valgrind",
                ["application", "contender", "instructions", "more than serial"], lines, "####")


def grain_lengths(r):
    """(steps, nanoseconds that the serial program takes for such a leaf), ascending."""
    steps = sorted({key[5] for key in r.of if key[:2] == ("grain", "serial")})
    return [(n, best_s(rows) * 1e9 / rows[0]["size"]) for n in steps
            if (rows := r.rows("grain", "serial", 1, steps=n))]


def grain_rate(r, contender, steps):
    """Leaves per second with two workers, or None."""
    rows = r.rows("grain", contender, 2, steps=steps)
    return rows[0]["size"] / median_s(rows) if rows else None


def print_grain(r):
    names = [name for name in ORDER[2:] if any(key[:2] == ("grain", name) for key in r.of)]
    lines = []
    for steps, ns in grain_lengths(r):
        rates = [grain_rate(r, name, steps) for name in names]
        lines.append([number(ns), number(2e3 / ns)] + ["" if rate is None else number(rate / 1e6) for rate in rates])
    print_table("Million leaves per second with two workers, by the length of a leaf (median)",
                ["ns per leaf, serial", "twice serial"] + names, lines, "####")


def print_all(r):
    if r.head is None:
        return
    print("\n### Fork-join\n")
    print_machine(r.head)
    print_contenders(r)
    print_aims(r)
    print_scheduling(r)
    print_instructions(r)
    print_applications(r)
    print_grain(r)


def print_summary(r):
    """The one table for those who look at the library first."""
    columns = [("filch", 1), ("filch", 2)] + [(name, 2) for name in PEERS if name in r.contenders]
    lines = []
    for workload in NAMES:
        serial = r.rows(workload, "serial")
        if serial:
            lines.append([r.title(workload), number(median_s(serial) * 1e3)]
                         + [times(r.ratio(median_s, workload, *column)) or "–" for column in columns])
    if not lines:
        return
    print(f"\nFork-join: time as a multiple of the same recursion in plain C by the same compiler, medians of "
          f"{r.head['rounds']} interleaved rounds; {machine_of(r.head)}; {r.head['date']}, revision "
          f"{r.head['revision']}.\n")
    head = ["", "serial, ms"] + [f"{TITLES[name]}, {workers} worker{'s' * (workers > 1)}"
                                 for name, workers in columns]
    for line in [head, ["---"] * len(head)] + lines:
        print("|", " | ".join(line), "|")
