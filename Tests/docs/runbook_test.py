#!/usr/bin/env python3
"""Runs the commands of docs/runbook.md: those for a ledger on one that runs here, those for Kubernetes as far as kubectl goes
without a cluster.

    runbook_test.py --bin FOLDER      where ledger-service and ledgerctl are

What stands in backquotes and begins with a program is a command, and each is tried in one way or another: a new one that
belongs to none of them fails. What has spaces and is no command must be what the service writes.
"""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "Tests/python"), str(ROOT / "scripts")]

from checking import check, eventually, expect, expect_equal, run_checks  # noqa: E402
from ledger import Ledger  # noqa: E402
from processes import running_cluster, running_service  # noqa: E402

RUNBOOK = ROOT / "docs/runbook.md"
PROGRAMS = {
    "chronyc", "curl", "df", "etcdctl", "kube", "ledgerctl", "make", "metric", "openssl", "source",
    "timedatectl",
}  # fmt: skip
# Of the machine itself, not of the ledger.
OF_THE_MACHINE = {"timedatectl", "chronyc tracking", "df"}
# What changes more than a look does is known to exist, and is run by a test of its own.
ELSEWHERE = {
    "ledgerctl archive recover": "scripts/rehearse-recovery.py",
    "scripts/backup.sh": "Tests/backup/backup_test.py",
    "scripts/restore.sh": "Tests/backup/backup_test.py",
}
# In the runbook's own words: the shell's part of what the reader is to put there.
PLACEHOLDERS = {"NAME": "some-name", "POD": "some-pod", "etcd-N": "etcd-0"}


def plain(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


class Runbook:
    """The document's block of definitions, and what stands in backquotes."""

    def __init__(self, text: str):
        blocks = re.findall(r"^```sh\n(.*?)^```", text, re.M | re.S)
        expect_equal("the number of blocks", len(blocks), 1)
        self.definitions = blocks[0]
        body = re.sub(r"^```sh\n.*?^```", "", text, flags=re.M | re.S)
        self.spans = list(dict.fromkeys(plain(one) for one in re.findall(r"`([^`]+)`", body)))

    @property
    def commands(self) -> list[str]:
        """Those in the text, then those in the block beside the functions; a program alone is only named."""
        found = []
        for span in self.spans:
            words = span.split(" ")
            is_named = len(words) == 1 and span in PROGRAMS - OF_THE_MACHINE
            is_program = words[0] in PROGRAMS or words[0].startswith("scripts/")
            if is_program and not is_named:
                found.append(span)
        for line in self.definitions.splitlines():
            command = plain(line.partition("#")[0])
            if command and not re.match(r"\w+=|\w+\(\)", command):
                found.append(command)
        return list(dict.fromkeys(found))

    @property
    def sentences(self) -> list[str]:
        commands = set(self.commands)
        return [one for one in self.spans if " " in one and one not in commands]

    @property
    def functions(self) -> str:
        lines = self.definitions.splitlines()
        return "\n".join(line for line in lines if re.match(r"\w+=|\w+\(\)", line))


class Context:
    def __init__(self, binaries: pathlib.Path, cluster, service, key: pathlib.Path, verifier: str):
        self.binaries, self.cluster, self.service = binaries.resolve(), cluster, service
        self.key, self.verifier = key, verifier
        self.runbook = Runbook(RUNBOOK.read_text())

    @property
    def environment(self) -> dict[str, str]:
        certificate = str(self.cluster.certificates / "etcd-client")
        return {
            "PATH": f"{self.binaries}:{os.environ['PATH']}",
            "LEDGER_ADDRESS": self.service.address,
            **self.cluster.environment,
            "ETCDCTL_API": "3",
            "ETCDCTL_ENDPOINTS": self.cluster.endpoints,
            "ETCDCTL_CACERT": str(self.cluster.certificates / "ca.pem"),
            "ETCDCTL_CERT": f"{certificate}.pem",
            "ETCDCTL_KEY": f"{certificate}-key.pem",
        }

    def run(self, command: str, **more: str) -> tuple[int, str]:
        """Runs a command with the runbook's functions; `127.0.0.1:9464` is where the admin port is."""
        script = f"{self.runbook.functions}\n{command}".replace("127.0.0.1:9464", self.service.admin)
        done = subprocess.run(
            ["bash", "-c", script], env={**self.environment, **more}, cwd=ROOT,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.returncode, done.stdout + done.stderr


def expect_run(context: Context, command: str, *said: str, code: int = 0) -> str:
    actual, text = context.run(command)
    expect(actual == code, f"`{command}` ends with {actual}, not {code}: {text[:500]}")
    for one in said:
        expect(one in text, f"`{command}` does not say {one!r}: {text[:500]}")
    return text


def of_kind(context: Context, *programs: str) -> list[str]:
    commands = [one for one in context.runbook.commands if one.split(" ")[0] in programs]
    return [one for one in commands if one not in OF_THE_MACHINE and one not in ELSEWHERE]


TRIED: set[str] = set()


@check("every metric that the runbook looks at is there, and its value is a number")
def metrics(context: Context) -> None:
    commands = of_kind(context, "metric")
    expect(len(commands) > 10, f"{commands}")
    for command in commands:
        name = command.split(" ")[1]
        text = expect_run(context, command, name)
        for line in text.splitlines():
            expect(re.fullmatch(rf"{name}[\w]*(\{{.*\}})? [-+.\deEInfNa]+", line), f"{command}: {line}")
    TRIED.update(commands)


@check("the admin port says what the runbook says of it: the state, every member, the state in one line")
def admin(context: Context) -> None:
    commands = of_kind(context, "curl")
    for command in commands:
        text = expect_run(context, command)
        if command.endswith("/health"):
            for member in context.cluster.members:
                expect(f"etcd/{member.endpoint.partition('//')[2]}" in text, f"{command}: {text}")
            expect('"HEALTHY"' in text, f"{command}: {text}")
        if command.endswith("/readyz"):
            expect_equal("lines", len(text.strip().splitlines()[-1:]), 1)
    expect(any(one.endswith("/health") for one in commands), f"{commands}")
    TRIED.update(commands)


@check("ledgerctl and etcdctl answer what the runbook asks them")
def ledger(context: Context) -> None:
    sealer = f"127.0.0.1:{context.service.internal_port}"
    cases = {
        "ledgerctl head": (0, ["3"]),
        "ledgerctl verify": (0, ["3"]),
        "ledgerctl checkpoint --verifier-key KEY": (0, ["runbook.example/ledger"]),
        # Nothing is fenced; asking for the number is a test of the fence's own.
        "ledgerctl unfence": (1, ["no fence"]),
        "etcdctl get ledger/sealer": (0, [sealer]),
        "etcdctl endpoint status --cluster -w table": (0, ["IS LEADER"]),
    }
    for command in of_kind(context, "ledgerctl", "etcdctl"):
        expect(command in cases, f"`{command}` is new: what is it to say?")
        code, said = cases[command]
        text = expect_run(context, command.replace("KEY", context.verifier), *said, code=code)
        if command.startswith("etcdctl endpoint"):
            for member in context.cluster.members:
                expect(member.endpoint in text, f"{command}: {member.endpoint}: {text}")
        TRIED.add(command)


@check("openssl says when a certificate ends")
def certificate(context: Context) -> None:
    for command in of_kind(context, "openssl"):
        file = str(context.cluster.certificates / "ledger-service.pem")
        expect_run(context, command.replace("FILE", file), "notAfter=")
        TRIED.add(command)


@check("what other tests run is there, and says what it is for")
def elsewhere(context: Context) -> None:
    for command, test in ELSEWHERE.items():
        expect(command in context.runbook.commands, f"the runbook has no `{command}` any more")
        program = command.split(" ")[-1].rpartition("/")[2]
        expect(program in (ROOT / test).read_text(), f"{test} does not run {command}")
        expect_run(context, f"{command} --help")
        TRIED.add(command)
    for command in of_kind(context, "make", "source"):
        target = command.split(" ")[1]
        is_target = re.search(rf"^{re.escape(target)}:", (ROOT / "Makefile").read_text(), re.M)
        expect(is_target or (ROOT / target).exists(), f"`{command}`: there is no {target}")
        TRIED.add(command)


def manifest_names() -> set[tuple[str, str]]:
    """Kind, in small letters, and name of everything in the manifests."""
    found = set()
    for path in (ROOT / "k8s").rglob("*.yaml"):
        for document in path.read_text().split("\n---"):
            kind = re.search(r"^kind: (\w+)", document, re.M)
            name = re.search(r"^metadata:\n(?:  .*\n)*?  name: ([\w-]+)", document, re.M)
            if kind and name:
                found.add((kind[1].lower(), name[1]))
    return found


@check("kubectl knows every command, kind of thing and option for Kubernetes, and the things are in the manifests")
def kubernetes(context: Context) -> None:
    commands = of_kind(context, "kube")
    expect(len(commands) > 15, f"{commands}")
    known = manifest_names()
    expect(("deployment", "ledger-service") in known, f"{known}")
    for command in commands:
        things = re.findall(r"\b(deployment|cronjob|service|servicemonitor)[/ ]([a-z][\w-]*)", command)
        for kind, name in things:
            expect((kind, name) in known, f"`{command}`: k8s/ has no {kind} {name}")
        TRIED.add(command)
    if not shutil.which("kubectl"):
        print("      kubectl is missing: its part is left out")
        return
    # A cluster that refuses every connection: what kubectl does not understand, it refuses before.
    configuration = context.cluster.folder / "kubeconfig"
    configuration.write_text(
        "apiVersion: v1\nkind: Config\ncurrent-context: none\n"
        "clusters: [{name: none, cluster: {server: 'http://127.0.0.1:1'}}]\n"
        "contexts: [{name: none, context: {cluster: none, user: none}}]\n"
        "users: [{name: none, user: {}}]\n"
    )

    def asked(command: str) -> str:
        for word, value in PLACEHOLDERS.items():
            command = re.sub(rf"\b{word}\b", value, command)
        return context.run(command.rstrip("& "), KUBECONFIG=str(configuration))[1]

    for wrong in ["kube gett pods", "kube get pods --previously", "kube rollout redo deployment x"]:
        expect("was refused" not in asked(wrong), f"kubectl takes `{wrong}`")
    for command in commands:
        text = asked(command)
        # A verb without a thing asks for one before it asks a cluster.
        if command == "kube describe pod":
            text = asked(f"{command} some-pod")
        expect("was refused" in text, f"`{command}`: {text[-500:]}")


@check("no command is left out, and what else is quoted with spaces is what the service writes")
def complete(context: Context) -> None:
    left = set(context.runbook.commands) - TRIED - OF_THE_MACHINE
    expect(not left, f"nothing tries {sorted(left)}")
    sources = "".join(path.read_text() for path in (ROOT / "Sources").rglob("*.swift"))
    for sentence in context.runbook.sentences:
        expect(sentence in sources, f"{sentence!r} is neither a known command nor what the service writes")


@check("verifying a ledger that was changed ends with exit code 7")
def changed(context: Context) -> None:
    keys = expect_run(context, "etcdctl get ledger/events/ --prefix --keys-only").split()
    expect(keys, "there are blocks")
    expect_run(context, f"etcdctl put {keys[0]} changed", "OK")
    expect_run(context, "ledgerctl verify", code=7)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with running_cluster(3) as cluster:
        key = cluster.folder / "signing.pem"
        made = subprocess.run(
            [options.bin.resolve() / "ledgerctl", "keygen", "--name", "runbook.example/ledger",
             "--out", key],
            capture_output=True, text=True,
        )  # fmt: skip
        verifier = re.search(r"runbook\.example/ledger\+\S+", made.stdout + made.stderr)
        if not verifier:
            sys.exit(f"no key: {made.stdout}{made.stderr}")
        archive = cluster.folder / "archive"
        archive.mkdir()
        with running_service(
            options.bin, cluster, LEDGER_SIGNING_KEY=str(key), LEDGER_ORIGIN="runbook.example/ledger",
            LEDGER_ARCHIVE=f"file://{archive}", LEDGER_ARCHIVE_INTERVAL="1",
        ) as service:  # fmt: skip
            client = Ledger(grpc.insecure_channel(service.address), service.admin, "")
            for _ in range(3):
                client.seal()
            context = Context(options.bin, cluster, service, key, verifier[0])
            # Every part has worked once.
            eventually(lambda: service.metric("ledger_archive_requests_total") > 0, "it is archived", 60)
            eventually(lambda: "etcd/" in context.run("curl http://127.0.0.1:9464/health")[1],
                       "the members are known", 60)  # fmt: skip
            return run_checks(context)


if __name__ == "__main__":
    sys.exit(main())
