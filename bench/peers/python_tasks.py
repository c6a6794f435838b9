"""What python.py has run, in a module of its own, so that workers of all kinds can import it."""

import mmap
import os
import time

attached = {}


def small(i):
    return 2 * i + 1


def wide(a, b, c, d, e):
    return a + b + c + d + e


def busy(i, work_s):
    end = time.monotonic_ns() + work_s * 1e9
    while work_s > 0 and time.monotonic_ns() < end:
        pass
    return 2 * i + 1


def pages(data):
    """One byte of each page, as bench_pages."""
    return sum(data[::4096])


def pages_of(path):
    """The same in memory that processes share, which stays attached."""
    if path not in attached:
        with open(path, "rb") as file:
            attached[path] = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ)
    return pages(attached[path])


def pass_gate(path):
    """Blocks until the other side opens the pipe, and again until it closes it."""
    with open(path, "rb") as gate:
        gate.read()


def pid_after(seconds):
    time.sleep(seconds)
    return os.getpid()
