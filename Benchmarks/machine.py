"""On what, and with what, was measured."""

import hashlib
import os
import pathlib
import platform
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
# About what etcd's log writes for one small transaction.
PROBE_BYTES = 2300
PROBE_SYNCS = 500
PROBE_SECONDS = 3
HASHED = bytes(4 << 20)


def describe() -> dict:
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": _field("/proc/cpuinfo", "model name"),
        "memory_gb": round(int(_field("/proc/meminfo", "MemTotal").split()[0]) / 1e6, 1),
        "kernel": platform.release(),
        "load_before": os.getloadavg()[0],
        "etcd": _output(["etcd", "--version"]).splitlines()[0].removeprefix("etcd Version: "),
        "commit": _commit(),
    }


def describe_disk(folder: pathlib.Path) -> dict:
    """The filesystem below a folder, and how long it takes until appended bytes are durable."""
    times: list[float] = []
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        end = time.monotonic() + PROBE_SECONDS
        while len(times) < PROBE_SYNCS and time.monotonic() < end:
            begin = time.monotonic()
            os.write(file.fileno(), bytes(PROBE_BYTES))
            os.fdatasync(file.fileno())
            times.append(1e3 * (time.monotonic() - begin))
    times.sort()
    return {
        "folder": str(folder),
        "filesystem": _output(["df", "--output=fstype,source", str(folder)]).split("\n")[-1],
        "fsync_p50_ms": round(times[len(times) // 2], 3),
        "fsync_p99_ms": round(times[len(times) * 99 // 100], 3),
    }


def hashing_ms() -> float:
    """Processor time of the same work each time: where it grows, what else runs on the machine slows it down."""
    begin = time.thread_time()
    hashlib.sha256(HASHED).digest()
    return 1e3 * (time.thread_time() - begin)


def _commit() -> str:
    commit = _output(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"])
    changed = _output(["git", "-C", str(ROOT), "status", "--porcelain", "--untracked-files=no"])
    return commit + (" with changes" if changed else "")


def _field(path: str, name: str) -> str:
    for line in pathlib.Path(path).read_text().splitlines():
        if line.split(":")[0].strip() == name:
            return line.split(":", 1)[1].strip()
    return "unknown"


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True).stdout.strip() or "unknown"
    except OSError:
        return "unknown"
