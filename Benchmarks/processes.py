"""Processes that never outlive the benchmark, and what /proc says of them."""

import os
import pathlib
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "scripts"))

from etcd_cluster import EtcdFailure, die_with_parent  # noqa: E402

TICKS = os.sysconf("SC_CLK_TCK")


class Failure(EtcdFailure):
    """Something that ends the benchmark, in words for whoever runs it."""


class Footprint:
    """What a process takes, from /proc."""

    def __init__(self, name: str, pid: int):
        self.name = name
        self.pid = pid

    def cpu_seconds(self) -> float:
        """Processor seconds, user and system, of all its threads."""
        try:
            text = pathlib.Path(f"/proc/{self.pid}/stat").read_text()
        except OSError:
            raise self.ended() from None
        # The second field, the name in parentheses, may hold anything.
        fields = text[text.rindex(")") + 2 :].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def memory(self) -> tuple[int, int]:
        """Resident bytes: now, and the most since `reset_peak`."""
        try:
            lines = pathlib.Path(f"/proc/{self.pid}/status").read_text().splitlines()
        except OSError:
            raise self.ended() from None
        values = dict(line.split(":", 1) for line in lines)
        if "VmRSS" not in values:
            raise self.ended()
        return tuple(int(values[name].split()[0]) * 1024 for name in ("VmRSS", "VmHWM"))

    def reset_peak(self) -> None:
        pathlib.Path(f"/proc/{self.pid}/clear_refs").write_text("5")

    def ended(self) -> Failure:
        return Failure(f"{self.name} ended by itself")


class Process(Footprint):
    """A program that was started here; its output goes to a file."""

    def __init__(self, name: str, popen: subprocess.Popen):
        super().__init__(name, popen.pid)
        self.popen = popen

    @property
    def is_running(self) -> bool:
        return self.popen.poll() is None

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
        process = Process(name, popen)
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


def clean_environment(**settings: str) -> dict[str, str]:
    """What a program needs of this shell's environment: none of its ledger or etcd settings."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return kept | settings


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
