#!/usr/bin/env python3
"""Python's concurrent.futures.ThreadPoolExecutor: the options and the lines of harness/bench.c."""

import argparse
import json
import os
import platform
import resource
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor


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
        "version": platform.python_version(), "note": "ThreadPoolExecutor", "round": options.round,
        "pass": passed, "workers": options.workers, "size": options.size, "place": options.place,
        "spin_s": 0, "pause_s": options.pause, "seconds": round(seconds, 9),
        "peak_kb": status_kb("VmHWM:"), "flags": "interpreter", **figures}, separators=(",", ":")))


def run_futures(pool, options):
    n = options.size
    for passed in "cold", "warm":
        start = time.monotonic_ns()
        futures = [pool.submit(small, i) for i in range(n)]
        submitted = time.monotonic_ns()
        total = 0
        for i in range(n):
            total += futures[i].result()
            futures[i] = None
        end = time.monotonic_ns()
        check(total == n * n)
        report(options, passed, (end - start) * 1e-9, submit_ns=(submitted - start) / n,
               task_ns=(end - start) / n)


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


def others_usage():
    """CPU seconds and wake-ups of all threads but this one."""
    everyone = resource.getrusage(resource.RUSAGE_SELF)
    this = resource.getrusage(resource.RUSAGE_THREAD)
    return (everyone.ru_utime + everyone.ru_stime - this.ru_utime - this.ru_stime,
            everyone.ru_nvcsw - this.ru_nvcsw)


def run_idle(pool, options):
    check(pool.submit(small, 1).result() == 3)
    time.sleep(0.5)
    before = others_usage()
    start = time.monotonic()
    time.sleep(options.seconds)
    seconds = time.monotonic() - start
    after = others_usage()
    report(options, "", seconds, cpu_s_per_min=round(max(after[0] - before[0], 0) * 60 / seconds, 6),
           wakeups_per_min=round((after[1] - before[1]) * 60 / seconds, 1))


def main():
    workloads = {"futures": run_futures, "memory": run_memory, "roundtrip": run_roundtrip,
                 "idle": run_idle}
    parser = argparse.ArgumentParser()
    parser.add_argument("workload", choices=workloads)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--size", type=int, default=100000)
    parser.add_argument("--spin", type=float, default=0)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--place", choices=["free", "same", "cross"], default="free")
    parser.add_argument("--round", type=int, default=0)
    options = parser.parse_args()
    if options.spin > 0:
        sys.exit("python: has no spinning to set")
    if options.place == "same":
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with ThreadPoolExecutor(options.workers) as pool:
        workloads[options.workload](pool, options)


main()
