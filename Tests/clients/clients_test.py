#!/usr/bin/env python3
"""Clients of other languages, with their default settings, against a real service.

    clients_test.py --bin FOLDER [--only go|java|python]

Builds a client with grpc-go and one with grpc-java from Debian's packages, starts etcd and the
service, and runs their checks and the same ones with grpcio. Prints which status each library
reports where it answers by itself, and fails where the README says something else.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path.insert(0, str(ROOT / "Tests/python"))

from processes import Service, running_cluster, running_service  # noqa: E402

# Found where processes.py looks for it.
from loopback_ports import free_ports  # noqa: E402 isort: skip

PACKAGES = {
    "go": {
        "go": "golang-go", "protoc": "protobuf-compiler", "protoc-gen-go": "protoc-gen-go",
        "protoc-gen-go-grpc": "protoc-gen-go-grpc",
        "/usr/share/gocode/src/google.golang.org/grpc": "golang-google-grpc-dev",
        "/usr/share/gocode/src/google.golang.org/protobuf": "golang-google-protobuf-dev",
        "/usr/share/gocode/src/github.com/golang/protobuf/internal":
        "golang-github-golang-protobuf-1-5-dev",
    },
    "java": {
        "javac": "openjdk-17-jdk-headless", "protoc": "protobuf-compiler", "grpc_java_plugin":
        "protobuf-compiler-grpc-java-plugin", "/usr/share/java/grpc-netty.jar": "libgrpc-java",
        "/usr/share/java/protobuf.jar": "libprotobuf-java", "/usr/share/java/netty-common.jar":
        "libnetty-java", "/usr/share/java/gson.jar": "libgoogle-gson-java",
        "/usr/share/java/perfmark-api.jar": "libperfmark-java", "/usr/share/java/guava.jar":
        "libguava-java",
    },
}  # fmt: skip
JARS = [
    "grpc-api", "grpc-context", "grpc-core", "grpc-netty", "grpc-protobuf", "grpc-protobuf-lite",
    "grpc-stub", "guava", "opencensus-api", "perfmark-api", "protobuf", "gson",
    "netty-buffer", "netty-codec", "netty-codec-http", "netty-codec-http2", "netty-codec-socks",
    "netty-common", "netty-handler", "netty-handler-proxy", "netty-resolver", "netty-transport",
    "netty-transport-native-unix-common",
]  # fmt: skip
DEFAULT_LANGUAGES = ["go", "java", "python"]
CLIENT_SECONDS = 300
# The service itself answers these: they must say so.
MADE_BY_THE_LEDGER = [
    "an unknown method", "a request of 5 MiB", "a request that does not decode",
    "a stream when the replica stops",
]  # fmt: skip


def install_missing(languages: list[str]) -> None:
    """Installs what Debian packages bring and is not here."""
    missing = sorted({
        package
        for language in languages
        for what, package in PACKAGES.get(language, {}).items()
        if not (os.path.exists(what) if what.startswith("/") else shutil.which(what))
    })  # fmt: skip
    if not missing:
        return
    print(f"clients: installing {' '.join(missing)}", flush=True)
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    install = ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing]
    environment = os.environ | {"DEBIAN_FRONTEND": "noninteractive"}
    for command in (["apt-get", "update", "-qq"], install):
        subprocess.run(
            as_root + command, check=True, env=environment, stdout=subprocess.DEVNULL
        )  # fmt: skip


def build_go(folder: pathlib.Path) -> list:
    """The command that runs the client built with grpc-go."""
    source = folder / "src/ledgerpb"
    source.mkdir(parents=True)
    subprocess.run(
        ["protoc", f"--proto_path={ROOT / 'protos'}", f"--go_out={source}",
         f"--go-grpc_out={source}", "--go_opt=Mledger.proto=./;ledgerpb",
         "--go-grpc_opt=Mledger.proto=./;ledgerpb", "ledger.proto"],
        check=True,
    )  # fmt: skip
    program = folder / "client"
    environment = os.environ | {
        "GO111MODULE": "off", "GOPATH": f"{folder}:/usr/share/gocode", "GOFLAGS": "",
        "HOME": os.environ.get("HOME", str(folder)),
    }  # fmt: skip
    subprocess.run(
        ["go", "build", "-o", program, *sorted((HERE / "go").glob("*.go"))],
        check=True, env=environment,
    )  # fmt: skip
    return [program]


def build_java(folder: pathlib.Path) -> list:
    """The command that runs the client built with grpc-java."""
    import google.rpc

    # As Google publishes them, which is what the libraries' own classes want.
    published = pathlib.Path(next(iter(google.rpc.__path__))).parents[1]
    source, classes = folder / "source", folder / "classes"
    source.mkdir(parents=True)
    for root, files in (
        (ROOT / "protos", ["ledger.proto", "grpc/health/v1/health.proto"]),
        (published, ["google/rpc/status.proto", "google/rpc/error_details.proto"]),
    ):
        subprocess.run(
            ["protoc", f"--plugin=protoc-gen-grpc-java={shutil.which('grpc_java_plugin')}",
             f"--proto_path={root}", f"--java_out={source}", f"--grpc-java_out={source}", *files],
            check=True,
        )  # fmt: skip
    for file in source.rglob("*.java"):
        # An annotation that no JDK has any more.
        text = file.read_text()
        changed = re.sub(r"@javax\.annotation\.Generated\([^)]*\)", "", text)
        if changed != text:
            file.write_text(changed)
    path = ":".join(f"/usr/share/java/{name}.jar" for name in JARS)
    files = [*source.rglob("*.java"), *(HERE / "java").glob("*.java")]
    subprocess.run(
        ["javac", "-nowarn", "-Xlint:none", "-proc:none", "-d", classes, "-cp", path,
         *sorted(map(str, files))],
        check=True,
    )  # fmt: skip
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{classes}:{path}",
            "Checks"]  # fmt: skip


BUILDERS = {"go": build_go, "java": build_java}


class Run:
    """One client's run against a service that it may have stopped and started."""

    def __init__(self, language: str, service: Service):
        self.language = language
        self._service = service
        # The code and, of the ledger's own answers, the reason; by what happened.
        self.statuses: dict[str, tuple[str, str]] = {}
        self.passed = self.failed = 0

    def go(self, command: list) -> None:
        """Runs the client to its end."""
        refused = f"127.0.0.1:{free_ports(1)}"
        arguments = [self._service.address, self._service.admin, refused]
        started = time.monotonic()
        with subprocess.Popen(
            [*map(str, command), *arguments],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        ) as process:  # fmt: skip
            for line in process.stdout:
                self._take(line.rstrip("\n"), process)
            status = process.wait(CLIENT_SECONDS)
        if status not in (0, 1) or self.passed + self.failed == 0:
            self.failed += 1
            print(f"FAIL  {self.language}: the client ended with {status}")
        print(f"      {self.language}: {time.monotonic() - started:.1f} s", flush=True)

    def _take(self, line: str, process: subprocess.Popen) -> None:
        if line.startswith("status "):
            what, _, said = line.removeprefix("status ").rpartition(": ")
            code, _, reason = said.partition(" ")
            self.statuses[what] = canonical(code), reason.strip()
        elif line.startswith("ask "):
            self._obey(line.removeprefix("ask "))
            process.stdin.write("done\n")
            process.stdin.flush()
        elif line.startswith(("ok ", "FAIL ")):
            self.passed += line.startswith("ok ")
            self.failed += line.startswith("FAIL ")
            print(f"{line[:6]}{self.language}: {line[6:]}", flush=True)
        elif not re.fullmatch(r"\d+ passed, \d+ failed", line):
            print(f"      {line}", flush=True)

    def _obey(self, order: str) -> None:
        if order == "stop":
            # Not waited for here: what the client sees meanwhile is what it looks at.
            self._service.child.send(15)
        elif order == "kill":
            self._service.child.kill()
        else:
            self._service.child.wait()
            self._service.start()


def canonical(code: str) -> str:
    """A code's name as gRPC spells it; libraries also write Canceled and DeadlineExceeded."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", code).upper()
    return {"CANCELED": "CANCELLED"}.get(words, words)


def documented_codes() -> set[str]:
    """The statuses that the README says are not the ledger's."""
    text = (ROOT / "README.md").read_text()
    table = text.split("was not made by the ledger**", 1)[1].split("\n## ", 1)[0]
    cells = [line.split("|")[1] for line in table.splitlines() if line.startswith("|")]
    return set(re.findall(r"[A-Z_]{4,}", " ".join(cells)))


def compare_statuses(runs: list[Run]) -> int:
    """Prints what each library reports, and returns how many of it the README does not say."""
    names = list(dict.fromkeys(name for run in runs for name in run.statuses))
    print("| what happened | " + " | ".join(run.language for run in runs) + " |")
    print("|---|" + "---|" * len(runs))
    for name in names:
        cells = [run.statuses.get(name, ("", "")) for run in runs]
        said = [f"{code}/`{reason}`" if reason else code for code, reason in cells]
        print(f"| {name} | " + " | ".join(said) + " |")
    documented, wrong = documented_codes(), 0
    for run in runs:
        for name, (code, reason) in run.statuses.items():
            if name in MADE_BY_THE_LEDGER and not reason:
                wrong += 1
                print(f"FAIL  {run.language}: {name} is {code} without an ErrorInfo of the ledger")
            elif not reason and code not in documented:
                wrong += 1
                print(f"FAIL  {run.language}: {name} is {code}, of which the README says nothing")
    return wrong


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True, help="where ledger-service is")
    parser.add_argument("--only", choices=DEFAULT_LANGUAGES, help="this language alone")
    options = parser.parse_args()
    languages = [options.only] if options.only else DEFAULT_LANGUAGES
    install_missing(languages)
    runs = []
    with tempfile.TemporaryDirectory(prefix="ledger-clients-") as name:
        commands = {"python": [sys.executable, "-B", HERE / "python_client.py"]}
        for language in languages:
            if language in BUILDERS:
                started = time.monotonic()
                commands[language] = BUILDERS[language](pathlib.Path(name) / language)
                print(f"      {language}: built in {time.monotonic() - started:.1f} s", flush=True)
        with running_cluster() as cluster, running_service(options.bin, cluster) as service:
            for language in languages:
                runs.append(Run(language, service))
                runs[-1].go(commands[language])
    wrong = compare_statuses(runs)
    passed, failed = sum(run.passed for run in runs), sum(run.failed for run in runs) + wrong
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
