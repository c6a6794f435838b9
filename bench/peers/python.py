#!/usr/bin/env python3
"""Python's concurrent.futures.ThreadPoolExecutor: the options and the lines of harness/bench.c.
Of the warm passes it does one, because it takes long."""

import argparse
import json
import os
import platform
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

UNSUPPORTED = 77


def small(i):
    return 2 * i + 1


def wide(a, b, c, d, e):
    return a + b + c + d + e


def status_kb(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def check(is_right):
    if not is_right:
        sys.exit("python: wrong result")


def report(options, passed, seconds, **figures):
    print(json.dumps({
        "workload": options.workload, "contender": "python",
        "version": platform.python_version(), "note": "ThreadPoolExecutor; one warm pass", "round": options.round,
        "pass": passed, "workers": options.workers, "submitters": options.submitters,
        "size": options.size, "place": options.place, "spin_s": options.spin, "pause_s": options.pause,
        "work_s": options.work, "seconds": round(seconds, 9), "peak_kb": status_kb("VmHWM:"),
        "flags": "interpreter", **figures}, separators=(",", ":")))


def collect(futures):
    total = 0
    for i in range(len(futures)):
        total += futures[i].result()
        futures[i] = None
    check(total == len(futures) ** 2)


def run_futures(pool, options):
    n = options.size
    for passed in "cold", "warm":
        start = time.monotonic_ns()
        futures = [pool.submit(small, i) for i in range(n)]
        submitted = time.monotonic_ns()
        collect(futures)
        end = time.monotonic_ns()
        report(options, passed, (end - start) * 1e-9, submit_ns=(submitted - start) / n,
               task_ns=(end - start) / n)


def run_submitters(pool, options):
    n = options.size
    barrier = threading.Barrier(options.submitters)
    begin, end = [[], []], [[], []]

    def submitter():
        for i in range(2):
            barrier.wait()
            begin[i].append(time.monotonic_ns())
            collect([pool.submit(small, i) for i in range(n)])
            end[i].append(time.monotonic_ns())

    threads = [threading.Thread(target=submitter) for _ in range(options.submitters)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for i, passed in enumerate(("cold", "warm")):
        check(len(end[i]) == options.submitters)
        ns = max(end[i]) - min(begin[i])
        tasks = n * options.submitters
        report(options, passed, ns * 1e-9, task_ns=ns / tasks, tasks_per_s=round(tasks / ns * 1e9))


def run_memory(pool, options):
    n = options.size
    futures = [None] * n
    entered, opened = threading.Event(), threading.Event()
    pool.submit(lambda: (entered.set(), opened.wait()))
    entered.wait()
    before = status_kb("VmRSS:")
    start = time.monotonic_ns()
    for i in range(n):
        futures[i] = pool.submit(wide, i, i, 1, 0, 0)
    end = time.monotonic_ns()
    after = status_kb("VmHWM:")
    opened.set()
    check(sum(future.result() for future in futures) == n * n)
    report(options, "", (end - start) * 1e-9, task_bytes=(after - before) * 1024 / n)


def pin_apart():
    mine, theirs = sorted(os.sched_getaffinity(0))[:2]
    for thread in map(int, os.listdir("/proc/self/task")):
        os.sched_setaffinity(thread, {mine if thread == os.getpid() else theirs})


def run_roundtrip(pool, options):
    n = options.size
    warm_up = n // 10 + 1
    ns = []
    check(pool.submit(small, 1).result() == 3)
    if options.place == "cross":
        pin_apart()
    for i in range(warm_up + n):
        if options.pause > 0:
            time.sleep(options.pause)
        start = time.monotonic_ns()
        result = pool.submit(small, i).result()
        ns.append(time.monotonic_ns() - start)
        check(result == 2 * i + 1)
    ns = sorted(ns[warm_up:])
    report(options, "", sum(ns) * 1e-9, min_ns=ns[0], p50_ns=ns[n // 2], p90_ns=ns[n * 9 // 10],
           p99_ns=ns[n * 99 // 100])


def run_map(pool, options):
    n = options.size
    items = list(range(n))
    for passed in "cold", "warm":
        start = time.monotonic_ns()
        total = sum(pool.map(small, items))
        ns = time.monotonic_ns() - start
        check(total == n * n)
        report(options, passed, ns * 1e-9, item_ns=round(ns / n, 3))


def usage(who):
    """CPU seconds, voluntary and other context switches."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime, used.ru_nvcsw, used.ru_nivcsw


def minus(a, b):
    return [x - y for x, y in zip(a, b)]


def burst(pool, options):
    def busy(i):
        end = time.monotonic_ns() + options.work * 1e9
        while options.work > 0 and time.monotonic_ns() < end:
            pass
        return 2 * i + 1

    collect([pool.submit(busy, i) for i in range(options.workers)])


def run_storm(pool, options):
    n = options.size
    ns = []
    for _ in range(10):
        burst(pool, options)
    time.sleep(options.pause)
    before = usage(resource.RUSAGE_SELF)
    asleep = [0, 0, 0]
    for _ in range(n):
        start = time.monotonic_ns()
        burst(pool, options)
        ns.append(time.monotonic_ns() - start)
        awake = usage(resource.RUSAGE_THREAD)
        time.sleep(options.pause)
        slept = minus(usage(resource.RUSAGE_THREAD), awake)
        asleep = [x + y for x, y in zip(asleep, slept)]
    used = minus(usage(resource.RUSAGE_SELF), before)
    ns.sort()
    report(options, "", sum(ns) * 1e-9, p50_ns=ns[n // 2], p90_ns=ns[n * 9 // 10],
           p99_ns=ns[n * 99 // 100], cpu_us=round(used[0] * 1e6 / n, 2),
           switches=round((sum(used[1:]) - sum(asleep[1:])) / n, 3))


def others_usage():
    """The same of all threads but this one."""
    return minus(usage(resource.RUSAGE_SELF), usage(resource.RUSAGE_THREAD))


def run_idle(pool, options):
    burst(pool, options)
    time.sleep(0.5)
    before = others_usage()
    start = time.monotonic()
    time.sleep(options.seconds)
    seconds = time.monotonic() - start
    after = others_usage()
    report(options, "", seconds, cpu_s_per_min=round(max(after[0] - before[0], 0) * 60 / seconds, 6),
           wakeups_per_min=round((after[1] - before[1]) * 60 / seconds, 1))


def main():
    workloads = {"futures": run_futures, "submitters": run_submitters, "memory": run_memory,
                 "roundtrip": run_roundtrip, "map": run_map, "storm": run_storm, "idle": run_idle}
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--submitters", type=int, default=1)
    parser.add_argument("--size", type=int, default=100000)
    parser.add_argument("--spin", type=float, default=0)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--work", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--place", choices=["free", "same", "cross"], default="free")
    parser.add_argument("--round", type=int, default=0)
    options = parser.parse_args()
    if options.workload not in workloads or options.spin > 0:
        sys.exit(UNSUPPORTED)
    if options.place == "same":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with ThreadPoolExecutor(options.workers) as pool:
        workloads[options.workload](pool, options)


main()
