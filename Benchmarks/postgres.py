"""The second baseline: PostgreSQL's hash chain (postgres_chain.sql), driven by pgbench."""

import os
import pathlib
import shutil
import signal
import subprocess
from collections.abc import Callable

from measuring import Watch, run_load
from processes import Failure, Process, Supervisor, clean_environment, wait_until

# Found where processes.py looks for it.
from loopback_ports import free_ports  # isort: skip

PROGRAMS = ("initdb", "postgres", "pgbench", "psql")
# Where Debian's packages keep what is not in PATH.
FOLDERS = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
SCHEMA = pathlib.Path(__file__).parent / "postgres_chain.sql"
# Durable commits are the default, and said for whoever reads this; the rest is what a small server
# is given anyway.
FLAGS = "fsync=on synchronous_commit=on shared_buffers=256MB max_wal_size=4GB".split()
# Unique without asking the database, as event ids of callers are.
SCRIPT = "\\set n random(1, 4611686018427387904)\nSELECT seal(:client_id || '-' || :n, :payload);\n"
CONTRACT_MS = 50
START_SECONDS = 30


def program(name: str) -> str | None:
    """The path of one of PostgreSQL's programs, or None where it is not installed."""
    path = os.pathsep.join([os.environ.get("PATH", ""), *map(str, FOLDERS)])
    return shutil.which(name, path=path)


def missing() -> list[str]:
    """What this machine lacks to measure the baseline."""
    return [name for name in PROGRAMS if program(name) is None]


def version() -> str:
    done = subprocess.run([program("postgres"), "--version"], capture_output=True, text=True)
    return done.stdout.strip().removeprefix("postgres (PostgreSQL) ").split(" ")[0]


class PostgresChain:
    """A server with an empty chain and its data below FOLDER, until the context is left."""

    def __init__(self, supervisor: Supervisor, folder: pathlib.Path, payload_bytes: int):
        self._supervisor = supervisor
        self._folder = folder / "postgres"
        self._payload_bytes = payload_bytes
        # The server refuses to be root.
        self._user = "postgres" if os.geteuid() == 0 else None
        self._port = str(free_ports(1))
        self._server: Process | None = None

    def __enter__(self) -> "PostgresChain":
        self._folder.mkdir()
        if self._user:
            shutil.chown(self._folder, self._user)
        data = str(self._folder / "data")
        self._run("initdb", "--pgdata", data, "--auth=trust", "--username=bench", "--encoding=UTF8",
            "--no-locale", user=self._user)  # fmt: skip
        command = [program("postgres"), "-D", data, "-p", self._port]
        for flag in [*FLAGS, "listen_addresses=127.0.0.1", "unix_socket_directories="]:
            command += ["-c", flag]
        self._server = self._supervisor.start(
            "postgres", command, clean_environment(), user=self._user
        )
        wait_until(self._is_ready, "starting PostgreSQL", self._server, START_SECONDS)
        self._run("psql", *self._connection(), "--quiet", "-v", "ON_ERROR_STOP=1", "-f", SCHEMA)
        return self

    def __exit__(self, *_) -> None:
        if self._server:
            self._server.stop(signal.SIGQUIT)
        shutil.rmtree(self._folder, ignore_errors=True)

    def load(
        self, clients: int, warmup: float, seconds: float, tick: Callable[[], None]
    ) -> dict:
        """Seals events from so many clients, each one after another."""
        log = self._folder / "latencies"
        script = self._folder / "seal.sql"
        script.write_text(SCRIPT)
        command = [program("pgbench"), *self._connection(), "--no-vacuum", "--protocol=prepared"]
        command += [f"--client={clients}", f"--jobs={min(clients, os.cpu_count())}"]
        command += [f"--time={round(warmup + seconds)}", f"--define=payload={self._payload()}"]
        command += ["--log", f"--log-prefix={log}", f"--file={script}"]
        result = run_load(
            self._supervisor, command, Watch({}), tick, lambda _: read_latencies(log, seconds)
        )
        # The server has a process for each client; none of them is watched.
        del result["other_cores"]
        return result

    def verify(self) -> None:
        """Fails where what was sealed is no chain: figures of something else are worth nothing."""
        broken = self._run("psql", *self._connection(), "-At", "-c",
            "SELECT count(*) FROM broken_link")  # fmt: skip
        if broken.strip() != "0":
            raise Failure(f"PostgreSQL's chain has {broken.strip()} broken links")

    def _payload(self) -> str:
        return "x" * self._payload_bytes

    def _connection(self) -> list[str]:
        return ["-h", "127.0.0.1", "-p", self._port, "-U", "bench", "-d", "postgres"]

    def _is_ready(self) -> bool:
        command = [program("psql"), *self._connection(), "-c", "SELECT 1"]
        return subprocess.run(command, capture_output=True, env=clean_environment()).returncode == 0

    def _run(self, name: str, *arguments, user: str | None = None) -> str:
        done = subprocess.run(
            [program(name), *arguments],
            capture_output=True,
            text=True,
            env=clean_environment(),
            cwd=self._folder,
            user=user,
        )
        if done.returncode != 0:
            raise Failure(f"{name} failed: {done.stderr.strip()[-1000:]}")
        return done.stdout


def read_latencies(log: pathlib.Path, seconds: float) -> dict:
    """A report as `ledgerctl bench` writes it, of the last seconds that pgbench logged."""
    done = []
    for file in log.parent.glob(f"{log.name}.*"):
        for line in file.read_text().splitlines():
            _client, _number, latency, _script, second, microsecond = line.split()[:6]
            done.append((int(second) + int(microsecond) / 1e6, latency))
    if not done:
        raise Failure("pgbench logged nothing")
    begin = max(end for end, _ in done) - seconds
    measured = [latency for end, latency in done if end > begin]
    milliseconds = sorted(int(one) / 1e3 for one in measured if one != "failed")

    def percentile(part: float) -> float:
        return milliseconds[min(len(milliseconds) - 1, int(part * len(milliseconds)))]

    return {
        "duration_s": seconds,
        "client_cpu_seconds": 0,
        "events_per_second": round(len(milliseconds) / seconds, 1),
        "latency_ms": {
            "p50": percentile(0.5),
            "p90": percentile(0.9),
            "p99": percentile(0.99),
            "p99_9": percentile(0.999),
            "max": milliseconds[-1],
        },
        "outcomes": {"sealed": len(milliseconds), "failed": measured.count("failed")},
        "contract_violations": sum(one > CONTRACT_MS for one in milliseconds),
    }
