"""What verification costs and how fast it is; everything beside a baseline of the same run."""

import concurrent.futures
import json
import pathlib
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

from cluster import BenchCluster, LedgerService
from processes import Failure, Supervisor, clean_environment

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "Tests/python"))

PREFIX = "ledger/"
# After a million events etcd writes snapshots and compacts for a while, which delays every read.
SETTLE_SECONDS = 20
HEAD = "ledger_head_sequence_number"


def milliseconds(seconds: list[float]) -> dict[str, float]:
    """What half, nine tenths and 99 of 100 did not exceed, and the most."""
    ordered = sorted(seconds)

    def percentile(part: float) -> float:
        return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))] * 1000, 3)

    figures = {"p50": percentile(0.5), "p90": percentile(0.9), "p99": percentile(0.99)}
    return figures | {"p999": percentile(0.999), "max": percentile(1)}


class Verifying:
    """Measures, one thing after the other, with one cluster of three members."""

    def __init__(
        self,
        binaries: pathlib.Path,
        data: pathlib.Path,
        certificates: pathlib.Path,
        supervisor: Supervisor,
        key: pathlib.Path,
        progress: Callable[[str], None],
    ):
        self._binaries = binaries
        self._supervisor = supervisor
        self._key = key
        self._progress = progress
        self._cluster = BenchCluster(data, certificates)
        self._prefixes = 0

    def __enter__(self) -> "Verifying":
        self._progress("starting etcd")
        self._cluster.start()
        self._cluster.restrict_access(PREFIX)
        return self

    def __exit__(self, *_) -> None:
        self._cluster.kill()

    # Without etcd

    def rate(self, rounds: int) -> dict:
        """Events a second and core, and SHA-256 over the same entries."""
        self._progress("verifying in memory")
        command = [str(self._binaries / "verify-bench"), "--rounds", str(rounds)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise Failure(f"verify-bench: {done.stderr.strip()}")
        return json.loads(done.stdout)

    # The sealing path

    def cost(self, rounds: int, seconds: float) -> dict:
        """Events a second through streams, with audit, checkpoints and tiles, and without."""
        pairs = []
        for number in range(rounds):
            order = [False, True] if number % 2 == 0 else [True, False]
            rates = {}
            for is_on in order:
                self._progress(f"round {number + 1} of {rounds}, {'with' if is_on else 'without'}")
                rates[is_on] = self._streams(is_on, seconds)
            pairs.append(rates)
        rate = "events_per_second"
        ratios = [pair[True][rate] / pair[False][rate] for pair in pairs]
        return {
            "rounds": rounds,
            "without": self._median([pair[False] for pair in pairs]),
            "with": self._median([pair[True] for pair in pairs]),
            "ratios": [round(ratio, 3) for ratio in ratios],
            "ratio": round(statistics.median(ratios), 3),
        }

    @staticmethod
    def _median(reports: list[dict]) -> dict:
        latency = {
            name: round(statistics.median(one["latency_ms"][name] for one in reports), 3)
            for name in ("p50", "p90", "p99")
        }
        rate = statistics.median(one["events_per_second"] for one in reports)
        cpu = statistics.median(one["service_cpu_us"] for one in reports)
        return {"events_per_second": rate, "service_cpu_us": round(cpu, 1), "latency_ms": latency}

    def _streams(self, is_on: bool, seconds: float) -> dict:
        service = self._service(is_on)
        try:
            load = ["--mode", "stream", "--in-flight", "4", "--connections", "2", "--window", "64"]
            before, sealed = service.process.cpu_seconds(), service.metrics()[HEAD]
            report = self._bench(service, [*load, "--warmup", "2", "--duration", str(seconds)])
            used = service.process.cpu_seconds() - before
            report["service_cpu_us"] = used * 1e6 / max(1, service.metrics()[HEAD] - sealed)
            if service.metrics()["ledger_findings_total"] > 0:
                raise Failure("the audit found something in an honest ledger")
            return report
        finally:
            service.kill()

    # Receipts

    def receipts(self, samples: int) -> dict:
        """From submitting an event to a receipt in hand, beside submitting alone."""
        self._progress("waiting for receipts")
        service = self._service(True)
        try:
            stub, messages, close = self._stub(service)
            whole: list[float] = []
            sealing: list[float] = []

            def one(number: int) -> tuple[float, float]:
                # Spread over the time between two checkpoints.
                time.sleep(random.random() * 2)
                begin = time.monotonic()
                event = messages.CertifiedEvent(
                    event_id=f"receipt-{number}", payload=random.randbytes(256)
                )
                sealed = stub.SubmitEvent(event, timeout=5)
                middle = time.monotonic()
                request = messages.GetReceiptRequest(
                    sequence_number=sealed.sequence_number, wait_ms=5000
                )
                answer = stub.GetReceipt(request, timeout=10)
                if not answer.receipt.startswith("c2sp.org/tlog-proof@v1\n"):
                    raise Failure("the answer is no receipt")
                return middle - begin, time.monotonic() - begin

            with concurrent.futures.ThreadPoolExecutor(8) as pool:
                for short, long in pool.map(one, range(samples)):
                    sealing.append(short)
                    whole.append(long)
            close()
            return {
                "samples": samples,
                "receipt_ms": milliseconds(whole),
                "submit_ms": milliseconds(sealing),
                "ratio": round(statistics.median(whole) / statistics.median(sealing), 1),
            }
        finally:
            service.kill()

    # Proofs

    def proofs(self, events: int, samples: int) -> dict:
        """Proofs of random events and sizes, one after the other, beside reads of random events."""
        service = self._service(True)
        try:
            self._fill(service, events)
            self._progress("letting etcd settle")
            time.sleep(SETTLE_SECONDS)
            stub, messages, close = self._stub(service)
            size = int(service.metrics()[HEAD])

            def get_event() -> None:
                stub.GetEvent(messages.GetEventRequest(sequence_number=random.randint(1, size)))

            def inclusion() -> None:
                tree = random.randint(1, size)
                stub.GetInclusionProof(
                    messages.GetInclusionProofRequest(
                        sequence_number=random.randint(1, tree), tree_size=tree
                    )
                )

            def consistency() -> None:
                second = random.randint(1, size)
                stub.GetConsistencyProof(
                    messages.GetConsistencyProofRequest(
                        first_size=random.randint(1, second), second_size=second
                    )
                )

            calls = {
                "get_event": get_event,
                "inclusion_proof": inclusion,
                "consistency_proof": consistency,
            }
            times: dict[str, list[float]] = {name: [] for name in calls}
            for _ in range(samples):
                for name, call in calls.items():
                    begin = time.monotonic()
                    call()
                    times[name].append(time.monotonic() - begin)
            close()
            figures = {name: milliseconds(values) for name, values in times.items()}
            base = figures["get_event"]["p50"]
            return {
                "events": size,
                "samples": samples,
                "ms": figures,
                "ratio": {name: round(one["p50"] / base, 2) for name, one in figures.items()},
            }
        finally:
            service.kill()

    def _fill(self, service: LedgerService, events: int) -> None:
        load = ["--mode", "stream", "--in-flight", "4", "--connections", "2", "--window", "256"]
        while (left := events - int(service.metrics()[HEAD])) > 0:
            self._progress(f"sealing {left:,} events")
            self._bench(
                service, [*load, "--warmup", "0", "--events", str(left), "--duration", "600"]
            )

    # Parts

    def _service(self, is_on: bool) -> LedgerService:
        self._prefixes += 1
        settings = {"LEDGER_PREFIX": f"{PREFIX}{self._prefixes}/", "LEDGER_FORWARDING": "off"}
        if is_on:
            settings |= {"LEDGER_SIGNING_KEY": str(self._key), "LEDGER_TILES_PORT": "0"}
        else:
            settings["LEDGER_AUDIT_EVENTS_PER_SECOND"] = "0"
        binary = self._binaries / "ledger-service"
        name = f"ledger-service-{self._prefixes}"
        service = LedgerService(self._supervisor, binary, self._cluster, settings, name)
        service.start()
        self._seal_first(service)
        return service

    def _seal_first(self, service: LedgerService) -> None:
        command = [str(self._binaries / "ledgerctl"), "submit", "--server", service.address]
        command += ["--id", f"first-{time.time_ns()}", "--payload", "first"]
        for _ in range(50):
            done = subprocess.run(
                command, env=clean_environment(), capture_output=True, text=True, check=False
            )
            if done.returncode == 0:
                return
            time.sleep(0.1)
        raise Failure(f"no event could be sealed: {done.stderr.strip()}")

    def _bench(self, service: LedgerService, options: list[str]) -> dict:
        command = [str(self._binaries / "ledgerctl"), "bench", "--server", service.address]
        command += ["--output", "json", "--payload-bytes", "256", *options]
        done = subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise Failure(f"ledgerctl bench: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def _stub(self, service: LedgerService):
        import grpc  # noqa: PLC0415, of the scripts' Python environment
        from stubs import messages, services  # noqa: PLC0415

        channel = grpc.insecure_channel(service.address)
        return services.ImmutableLedgerStub(channel), messages, channel.close
