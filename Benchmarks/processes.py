"""Processes that never outlive the benchmark, and what /proc says of them."""

import contextlib
import ctypes
import os
import pathlib
import random
import signal
import socket
import subprocess
import time

TICKS = os.sysconf("SC_CLK_TCK")
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class Failure(Exception):
    """Something that ends the benchmark, in words for whoever runs it."""


class Process:
    """A running program whose output goes to a file, and its figures from /proc."""

    def __init__(self, name: str, popen: subprocess.Popen, log: pathlib.Path | None):
        self.name = name
        self.popen = popen
        self.log = log

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

    def cpu_seconds(self) -> float:
        """Processor seconds, user and system, of all its threads."""
        try:
            text = pathlib.Path(f"/proc/{self.popen.pid}/stat").read_text()
        except OSError:
            raise self.ended() from None
        # The second field, the name in parentheses, may hold anything.
        fields = text[text.rindex(")") + 2 :].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> tuple[int, int]:
        """Resident bytes: now, and the most since `reset_peak`."""
        try:
            lines = pathlib.Path(f"/proc/{self.popen.pid}/status").read_text().splitlines()
        except OSError:
            raise self.ended() from None
        values = dict(line.split(":", 1) for line in lines)
        if "VmRSS" not in values:
            raise self.ended()
        return tuple(int(values[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def reset_peak(self) -> None:
        pathlib.Path(f"/proc/{self.popen.pid}/clear_refs").write_text("5")

    def ended(self) -> Failure:
        return Failure(f"{self.name} ended by itself (status {self.popen.poll()})")

    def stop(self, with_signal: signal.Signals = signal.SIGTERM, seconds: float = 20) -> None:
        if self.is_running:
            self.popen.send_signal(with_signal)
            try:
                self.popen.wait(seconds)
            except subprocess.TimeoutExpired:
                self.popen.kill()
        self.popen.wait()


class Supervisor:
    """Starts processes, and stops those that still run, the newest first, when it is left."""

    def __init__(self, logs: pathlib.Path):
        self._logs = logs
        self._processes: list[Process] = []

    def __enter__(self) -> "Supervisor":
        return self

    def __exit__(self, *_) -> None:
        for process in reversed(self._processes):
            process.stop(signal.SIGKILL)

    def start(
        self,
        name: str,
        command: list[str],
        environment: dict[str, str],
        captured: bool = False,
        user: str | None = None,
    ) -> Process:
        """Starts a program. Its output goes to NAME.log; its results to a pipe if `captured`."""
        log = self._logs / f"{name}.log"
        with open(log, "ab") as file:
            popen = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE if captured else file,
                stderr=file,
                # The benchmark's own folder: the service would read a .env file of another one.
                cwd=self._logs,
                env=environment,
                user=user,
                # A Ctrl-C at the terminal reaches the benchmark alone, which stops the others.
                start_new_session=True,
                preexec_fn=die_with_parent,
            )
        process = Process(name, popen, log)
        self._processes = [one for one in self._processes if one.is_running] + [process]
        return process

    def show_logs(self) -> str:
        """The last lines of every log that says something, the service's at the end."""
        parts = []
        for log in sorted(self._logs.glob("*.log")):
            count = 3 if log.name.startswith("etcd") else 20
            lines = [line[:240] for line in log.read_text(errors="replace").splitlines()[-count:]]
            if lines:
                parts.append("\n    ".join([f"the end of {log.name}:", *lines]))
        return "\n".join(parts)


def die_with_parent() -> None:
    """In a child: the kernel kills it when the benchmark is killed and cannot stop it."""
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def clean_environment(**settings: str) -> dict[str, str]:
    """What a program needs of this shell's environment: none of its ledger or etcd settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | settings


def free_ports(count: int) -> list[int]:
    """Ports of the loopback interface that nobody listens on, below those of outgoing calls."""
    ports: list[int] = []
    with contextlib.ExitStack() as held:
        while len(ports) < count:
            port = random.randrange(20_000, 32_000)
            one = held.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                ports.append(port)
    return ports


def wait_until(condition, what: str, process: Process, seconds: float, pause: float = 0.1) -> None:
    """Asks until the condition holds; fails when the process ends or the time is over."""
    deadline = time.monotonic() + seconds
    while not condition():
        if not process.is_running:
            raise process.ended()
        if time.monotonic() >= deadline:
            raise Failure(f"{what} took longer than {seconds:g} s")
        time.sleep(pause)


def busy_seconds() -> float:
    """Processor seconds that all cores together were not idle since the machine started."""
    with open("/proc/stat") as file:
        user, nice, system, _idle, _iowait, irq, softirq, steal = map(
            int, file.readline().split()[1:9]
        )
    return (user + nice + system + irq + softirq + steal) / TICKS
