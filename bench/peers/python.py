#!/usr/bin/env python3
"""Pools with the interface of Python's concurrent.futures: its own of threads and of processes, loky,
mpi4py. The options and the lines of harness/bench.c; of the warm passes it does one, because it takes
long."""

import argparse
import json
import os
import platform
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from concurrent.futures import BrokenExecutor, ProcessPoolExecutor, ThreadPoolExecutor

# No files among the sources, neither by us nor by workers that start anew.
sys.dont_write_bytecode = True
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
from python_tasks import busy, pages, pages_of, pass_gate, pid_after, small, wide

UNSUPPORTED = 77


def open_loky(workers):
    return loky().ProcessPoolExecutor(workers)


def loky():
    try:
        import loky as module
    except ImportError:  # Debian has it as a part of joblib
        from joblib.externals import loky as module
    return module


def open_mpi4py(workers):
    from mpi4py.futures import MPIPoolExecutor
    return MPIPoolExecutor(workers)


def mpi4py_version():
    import mpi4py
    return mpi4py.__version__


# Threads are given references, and cannot be killed; a worker's death is the end of all of mpiexec's.
IMPOSSIBLE = {("argument", "thread"), ("heal", "thread"), ("heal", "mpi4py")}
# By --pool: the contender's name, its version, what opens it, and what the reader has to know.
POOLS = {
    "thread": ("python", platform.python_version, ThreadPoolExecutor, "ThreadPoolExecutor; one warm pass"),
    "process": ("python_process", platform.python_version, ProcessPoolExecutor,
                "ProcessPoolExecutor, fork; one warm pass"),
    "loky": ("loky", lambda: loky().__version__, open_loky, "ProcessPoolExecutor; one warm pass"),
    "mpi4py": ("mpi4py", mpi4py_version, open_mpi4py, "MPIPoolExecutor under mpiexec; one warm pass"),
}


def status_kb(name):
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith(name))


def check(is_right):
    if not is_right:
        sys.exit("python.py: wrong result")


def report(options, passed, seconds, **figures):
    name, version, _, note = POOLS[options.pool]
    print(json.dumps({
        "workload": options.workload, "contender": name,
        "version": version(), "note": note, "round": options.round,
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
    directory = tempfile.mkdtemp()
    path = os.path.join(directory, "gate")
    os.mkfifo(path)
    pool.submit(pass_gate, path)
    gate = open(path, "wb")  # the worker is there
    shutil.rmtree(directory)
    before = status_kb("VmRSS:")
    start = time.monotonic_ns()
    for i in range(n):
        futures[i] = pool.submit(wide, i, i, 1, 0, 0)
    end = time.monotonic_ns()
    after = status_kb("VmHWM:")
    gate.close()
    check(sum(future.result() for future in futures) == n * n)
    report(options, "", (end - start) * 1e-9, task_bytes=(after - before) * 1024 / n)


def worker_pids(pool, options):
    """The worker processes: a task each takes so long that it gets a worker of its own."""
    if options.pool == "thread":
        return set()
    return {f.result() for f in [pool.submit(pid_after, 0.05) for _ in range(options.workers)]}


def threads_of(pids):
    return [(pid, int(thread)) for pid in pids for thread in os.listdir(f"/proc/{pid}/task")]


def pin(pool, options):
    """The main thread on one core; all other threads, and the workers, on the same or on another."""
    cores = sorted(os.sched_getaffinity(0))
    mine, theirs = cores[0], cores[1 if options.place == "cross" else 0]
    for _, thread in threads_of({os.getpid()} | worker_pids(pool, options)):
        os.sched_setaffinity(thread, {mine if thread == os.getpid() else theirs})


def run_roundtrip(pool, options):
    n = options.size
    warm_up = n // 10 + 1
    ns = []
    check(pool.submit(small, 1).result() == 3)
    if options.place != "free":
        pin(pool, options)
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
        total = sum(pool.map(small, items, chunksize=100))
        ns = time.monotonic_ns() - start
        check(total == n * n)
        report(options, passed, ns * 1e-9, item_ns=round(ns / n, 3))


def usage(who):
    """CPU seconds, voluntary and other context switches."""
    used = resource.getrusage(who)
    clock = time.CLOCK_THREAD_CPUTIME_ID if who == resource.RUSAGE_THREAD else time.CLOCK_PROCESS_CPUTIME_ID
    return time.clock_gettime(clock), used.ru_nvcsw, used.ru_nivcsw


def process_usage(pids):
    """The same of other processes. Their clocks are those of clock_getcpuclockid."""
    cpu_s = sum(time.clock_gettime((~pid << 3) | 2) for pid in pids)
    voluntary = other = 0
    for pid, thread in threads_of(pids):
        with open(f"/proc/{pid}/task/{thread}/status") as file:
            for line in file:
                if line.startswith("voluntary_ctxt_switches"):
                    voluntary += int(line.split()[1])
                elif line.startswith("nonvoluntary_ctxt_switches"):
                    other += int(line.split()[1])
    return cpu_s, voluntary, other


def minus(a, b):
    return [x - y for x, y in zip(a, b)]


def plus(a, b):
    return [x + y for x, y in zip(a, b)]


def burst(pool, options):
    collect([pool.submit(busy, i, options.work) for i in range(options.workers)])


def run_storm(pool, options):
    n = options.size
    ns = []
    for _ in range(10):
        burst(pool, options)
    pids = worker_pids(pool, options)
    time.sleep(options.pause)
    before = plus(process_usage(pids), usage(resource.RUSAGE_SELF))
    asleep = [0, 0, 0]
    for _ in range(n):
        start = time.monotonic_ns()
        burst(pool, options)
        ns.append(time.monotonic_ns() - start)
        awake = usage(resource.RUSAGE_THREAD)
        time.sleep(options.pause)
        slept = minus(usage(resource.RUSAGE_THREAD), awake)
        asleep = plus(asleep, slept)
    used = minus(plus(usage(resource.RUSAGE_SELF), process_usage(pids)), before)
    ns.sort()
    report(options, "", sum(ns) * 1e-9, p50_ns=ns[n // 2], p90_ns=ns[n * 9 // 10],
           p99_ns=ns[n * 99 // 100], cpu_us=round(used[0] * 1e6 / n, 2),
           switches=round((sum(used[1:]) - sum(asleep[1:])) / n, 3))


def others_usage(pids):
    """The same of all threads but this one, and of these processes."""
    of_processes = process_usage(pids)
    return plus(of_processes, minus(usage(resource.RUSAGE_SELF), usage(resource.RUSAGE_THREAD)))


def run_idle(pool, options):
    burst(pool, options)
    pids = worker_pids(pool, options)
    time.sleep(min(0.5, options.seconds / 2))
    before = others_usage(pids)
    start = time.monotonic()
    time.sleep(options.seconds)
    seconds = time.monotonic() - start
    after = others_usage(pids)
    report(options, "", seconds, cpu_s_per_min=round(max(after[0] - before[0], 0) * 60 / seconds, 6),
           wakeups_per_min=round((after[1] - before[1]) * 60 / seconds, 1))


def report_argument(options, seconds):
    for passed, s in zip(("cold", "warm"), seconds):
        report(options, passed, s, bytes=options.bytes)


def time_task(pool, function, argument, expected):
    start = time.monotonic_ns()
    total = pool.submit(function, argument).result()
    ns = time.monotonic_ns() - start
    check(total == expected)
    return ns * 1e-9


def run_argument(pool, options):
    """Pickled, through a pipe or a message."""
    data = [bytes([i]) * options.bytes for i in range(2)]
    report_argument(options, [time_task(pool, pages, data[i], pages(data[i])) for i in range(2)])


def run_argument_shared(pool, options):
    with tempfile.NamedTemporaryFile(dir="/dev/shm") as file:
        data = b"\xa5" * options.bytes
        file.write(data)
        file.flush()
        task = (pages, data) if options.pool == "thread" else (pages_of, file.name)
        report_argument(options, [time_task(pool, *task, pages(data)) for _ in range(2)])


def run_heal(pool, options):
    """What breaks is opened anew by the caller: from the kill to a result of the new pool."""
    n, ns, broke = options.size, [], False
    for i in range(n):
        pid = pool.submit(pid_after, 0).result()
        time.sleep(0.005)
        start = time.monotonic_ns()
        os.kill(pid, signal.SIGKILL)
        try:
            result = pool.submit(small, i).result()
        except BrokenExecutor:
            broke = True
            pool.shutdown(wait=False)
            pool = POOLS[options.pool][2](options.workers)
            result = pool.submit(small, i).result()
        ns.append(time.monotonic_ns() - start)
        check(result == 2 * i + 1)
    pool.shutdown()
    first, ns = ns[0], sorted(ns)
    report(options, "", sum(ns) * 1e-9, outcome="pool broke, opened anew" if broke else "healed",
           first_ns=first, p50_ns=ns[n // 2], p90_ns=ns[n * 9 // 10], p99_ns=ns[n * 99 // 100])


def start_mpi(options):
    """mpi4py wants to be started by mpiexec, with a process more than there are workers."""
    mpiexec = shutil.which("mpiexec") or sys.exit("python.py: there is no mpiexec")
    os.execv(mpiexec, [mpiexec, "--allow-run-as-root", "--oversubscribe", "--bind-to", "none", "--stdin",
                       "none", "-n", str(options.workers + 1), sys.executable, "-m", "mpi4py.futures",
                       __file__, *sys.argv[1:]])


def main():
    workloads = {"futures": run_futures, "submitters": run_submitters, "memory": run_memory,
                 "roundtrip": run_roundtrip, "map": run_map, "storm": run_storm, "idle": run_idle,
                 "argument": run_argument, "argument_shared": run_argument_shared, "heal": run_heal}
    parser = argparse.ArgumentParser()
    parser.add_argument("workload")
    parser.add_argument("--pool", choices=POOLS, default="thread")
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--submitters", type=int, default=1)
    parser.add_argument("--size", type=int, default=100000)
    parser.add_argument("--bytes", type=int, default=64 << 20)
    parser.add_argument("--spin", type=float, default=0)
    parser.add_argument("--pause", type=float, default=0)
    parser.add_argument("--work", type=float, default=0)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--place", choices=["free", "same", "cross"], default="free")
    parser.add_argument("--round", type=int, default=0)
    options = parser.parse_args()
    if options.workload not in workloads or options.spin > 0 or \
            (options.workload, options.pool) in IMPOSSIBLE:
        sys.exit(UNSUPPORTED)
    if options.pool == "mpi4py" and "OMPI_COMM_WORLD_SIZE" not in os.environ:
        start_mpi(options)
    with POOLS[options.pool][2](options.workers) as pool:
        workloads[options.workload](pool, options)


if __name__ == "__main__":
    main()
