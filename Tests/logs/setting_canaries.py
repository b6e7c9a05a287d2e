"""Canaries in every setting: whatever an operator writes where, no secret is in what the service says of it.

The settings are those that the service itself has (scripts/env-example.py reads them, and fails where README.md and the
service differ): a new one is covered without a word here.
"""

import contextlib
import http.server
import importlib.util
import os
import pathlib
import subprocess
import threading
import urllib.error
import urllib.request
import xml.sax.saxutils

import grpc
from checking import check, eventually, expect, expect_equal
from ledger import Ledger
from processes import running_cluster, running_service
from stubs import messages, services

ROOT = pathlib.Path(__file__).resolve().parents[2]
CANARY = "canary-0f6b1d"
# Names of which everybody expects that the value is never shown.
SECRET_WORDS = ("PASSWORD", "TOKEN", "ACCESS_KEY", "SECRET_KEY")
# What is accepted whatever it looks like, for it is a name that is told to everybody, and is no place for a secret.
PUBLIC_NAMES = {
    "LEDGER_ORIGIN": "stands in every checkpoint",
    "LEDGER_PREFIX": "stands in every key of the ledger",
    "LEDGER_ALLOWED_SUBMITTERS": "are names in certificates",
    "LEDGER_ALLOWED_READERS": "are names in certificates",
    "OTEL_SERVICE_NAME": "is told to the collector with every span",
    "OTEL_RESOURCE_ATTRIBUTES": "are told to the collector with every span",
}
# Files that need not be there, so that any text is accepted as a path. No key is ever meant.
ANY_PATH = {"LEDGER_AUDIT_LOG", "LEDGER_EXTERNAL_CHECKPOINT"}
# What a value may look like that has a secret in it.
SHAPES = {
    "a user's password in a URL": f"https://somebody:{CANARY}@ledger.example:2379",
    "a user's password in one of several URLs": f"https://a.example,http://b:{CANARY}@127.0.0.1:1/x",
    "a user's password in a URL that is none": f"https://b:{CANARY}@local host:x/",
    "a user's password in a bucket's": f"s3://somebody:{CANARY}@bucket/prefix",
    "a signature in a URL's query": f"https://ledger.example/checkpoint?X-Amz-Signature={CANARY}",
    "a witness with a password": f"example.com/w+0a0b0c0d+AAAA=https://w:{CANARY}@w.example",
    "a private key instead of its file": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----",
    "a private key in one line": f"-----BEGIN PRIVATE KEY-----\\n{CANARY}\\n-----END PRIVATE KEY-----",
}


def setting_names() -> list[str]:
    """Every variable of the service, in order."""
    path = ROOT / "scripts/env-example.py"
    specification = importlib.util.spec_from_file_location("env_example", path)
    module = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(module)
    return sorted(module.settings())


def is_secret(name: str) -> bool:
    return any(name.endswith(word) for word in SECRET_WORDS)


def output_of(context, settings: dict[str, str], *arguments: str) -> tuple[int, str]:
    """What ledger-service says with these settings alone, on both outputs."""
    done = subprocess.run(
        [context.binaries.resolve() / "ledger-service", *arguments],
        env={"PATH": os.environ["PATH"], **settings}, cwd=context.folder,
        stdin=subprocess.DEVNULL, capture_output=True, timeout=120,
    )  # fmt: skip
    return done.returncode, (done.stdout + done.stderr).decode(errors="replace")


def reports(context, settings: dict[str, str]) -> dict[str, str]:
    """What the service says of settings, in each way in which it can be asked."""
    ways = [["--check-config"], ["--print-config"], ["--print-config", "--output", "json"]]
    return {" ".join(way): output_of(context, settings, *way)[1] for way in ways}


def signing_key(context) -> str:
    path = context.folder / "archive-signing.pem"
    if not path.exists():
        command = ["openssl", "genpkey", "-algorithm", "ed25519", "-out", path]
        subprocess.run(command, check=True, capture_output=True)
    return str(path)


def expect_silent(what: str, outputs: dict[str, str]) -> None:
    for output, text in outputs.items():
        place = text.find(CANARY)
        expect(place < 0, f"{what}: in {output}: {text[max(0, place - 300) : place + 60]}")


@check("the service's own list has every setting that must be secret, and each is printed as set at most")
def listed(context) -> None:
    names = setting_names()
    secrets = [name for name in names if is_secret(name)]
    for name in ["ETCD_PASSWORD", "LEDGER_INTERNAL_TOKEN", "LEDGER_ARCHIVE_ACCESS_KEY",
                 "LEDGER_ARCHIVE_SECRET_KEY", "LEDGER_ARCHIVE_SESSION_TOKEN"]:  # fmt: skip
        expect(name in secrets and f"{name}_FILE" in names, f"{name} and its file are settings: {names}")
    printed = output_of(context, {}, "--print-config")[1]
    for name in secrets:
        expect(f"{name}=(not set)" in printed.splitlines(), f"{name} may be shown:\n{printed}")


@check("a secret's own setting is never shown, alone, with its file, or beside all others")
def secrets(context) -> None:
    file = context.folder / "secret"
    file.write_text(CANARY)
    names = [name for name in setting_names() if is_secret(name)]
    for name in names:
        for value in [CANARY, f"{CANARY} with spaces", f"{CANARY}\nand a line", CANARY * 2_000]:
            expect_silent(name, reports(context, {name: value}))
        both = {name: CANARY, f"{name}_FILE": str(file)}
        code, text = output_of(context, both, "--check-config")
        expect(code == 64 and name in text, f"{name} and its file are one too many: {code} {text}")
        expect_silent(f"{name} and its file", reports(context, both))
    expect_silent("all", reports(context, {name: CANARY for name in names}))
    expect_silent("all files", reports(context, {f"{name}_FILE": str(file) for name in names}))


@check("a secret's file that is no such file is refused by the setting's name, without what is in it")
def secret_files(context) -> None:
    bucket = {"LEDGER_ARCHIVE": "s3://bucket/prefix", "LEDGER_SIGNING_KEY": signing_key(context)}
    folder = context.folder / "a-folder"
    folder.mkdir()
    files = {
        "missing": None, "a folder": folder, "empty": b"", "too long": CANARY.encode() * 20_000,
        "no UTF-8": CANARY.encode() + b"\xff", "two lines": f"{CANARY}\n{CANARY}\n".encode(),
        "of zeros": CANARY.encode() + b"\0" * 10,
    }  # fmt: skip
    for name in [f"{name}_FILE" for name in setting_names() if is_secret(name)]:
        needed = {"ETCD_USERNAME": "ledger"} if name.startswith("ETCD_") else bucket
        for what, content in files.items():
            path = folder if content is folder else context.folder / f"file-{what.replace(' ', '-')}"
            if isinstance(content, bytes):
                path.write_bytes(content)
            settings = {**needed, name: str(path)}
            expect_silent(f"{name}, {what}", reports(context, settings))
            if what in ["missing", "a folder", "too long"]:
                code, text = output_of(context, settings, "--check-config")
                expect(code == 64 and name in text, f"{name}, {what}, is refused: {code} {text}")
        # The secret itself where its file's path is meant.
        settings = {**needed, name: CANARY}
        code, text = output_of(context, settings, "--check-config")
        expect(code == 64 and name in text, f"{name} that is no path is refused: {code} {text}")
        expect_silent(f"{name} that is the secret", reports(context, settings))


@check("in whichever setting a URL has a password, or a private key stands in a path's place: it is not shown")
def shapes(context) -> None:
    expect(len(setting_names()) > 80, f"{setting_names()}")
    for what, value in SHAPES.items():
        passed_over = set(PUBLIC_NAMES) | (ANY_PATH if "private key" in what else set())
        names = [name for name in setting_names() if name not in passed_over]
        expect_silent(f"all settings: {what}", reports(context, {name: value for name in names}))
        for name in names:
            code, text = output_of(context, {name: value}, "--check-config")
            expect_silent(f"{name}: {what}", {"--check-config": text})
            if code != 0:
                expect(name in text or "is not set" in text, f"{name}: the error does not name it: {text}")


@check("a name that is mistyped is warned of without its value")
def mistyped(context) -> None:
    for name in setting_names():
        if is_secret(name):
            expect_silent(name, reports(context, {f"{name[:-1]}X": CANARY, f"{name}S": CANARY}))


class RefusingBucket(http.server.BaseHTTPRequestHandler):
    """Answers as object storages do whose key is wrong: with everything that it was sent."""

    asked = 0

    def answer(self) -> None:
        type(self).asked += 1
        length = int(self.headers.get("content-length") or 0)
        self.rfile.read(length)
        sent = xml.sax.saxutils.escape(f"{self.command} {self.path}\n{self.headers}")
        key = self.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
        body = (
            "<?xml version='1.0'?><Error><Code>SignatureDoesNotMatch</Code>"
            "<Message>The request signature we calculated does not match</Message>"
            f"<AWSAccessKeyId>{xml.sax.saxutils.escape(key)}</AWSAccessKeyId>"
            f"<StringToSign>{sent}</StringToSign><CanonicalRequest>{sent}</CanonicalRequest></Error>"
        ).encode()
        self.send_response(403)
        self.send_header("content-type", "application/xml")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = answer

    def log_message(self, *_) -> None:
        pass


@contextlib.contextmanager
def refusing_bucket():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), RefusingBucket)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def pages(service) -> dict[str, str]:
    found = {}
    for name in ["metrics", "health", "readyz", "livez", "checkpoint", "nothing"]:
        try:
            with urllib.request.urlopen(f"http://{service.admin}/{name}", timeout=15) as answer:
                found[name] = answer.read().decode()
        except urllib.error.HTTPError as error:
            found[name] = error.read().decode(errors="replace")
    return found


@check("no secret of a running service is in any output, from values or from files, though the storage repeats them")
def running(context) -> None:
    secrets = {
        "LEDGER_ARCHIVE_ACCESS_KEY": f"{CANARY}-access",
        "LEDGER_ARCHIVE_SECRET_KEY": f"{CANARY}-secret",
        "LEDGER_ARCHIVE_SESSION_TOKEN": f"{CANARY}-session",
        "LEDGER_INTERNAL_TOKEN": f"{CANARY}-token-of-the-replicas",
    }
    files = {}
    for name, value in secrets.items():
        path = context.folder / name.lower()
        path.write_text(value)
        files[f"{name}_FILE"] = str(path)
    with running_cluster(1) as cluster, refusing_bucket() as endpoint:
        cluster.restrict_access("canaries/")
        password = context.folder / "etcd-password"
        password.write_text(cluster.password)
        expect_equal("etcd's password", cluster.environment["ETCD_PASSWORD"], cluster.password)
        for from_files in [False, True]:
            asked = RefusingBucket.asked
            settings = {
                "LEDGER_PREFIX": "canaries/", "LOG_LEVEL": "trace", "LEDGER_SIGNING_KEY": signing_key(context),
                "LEDGER_ARCHIVE": "s3://bucket/prefix", "LEDGER_ARCHIVE_ENDPOINT": endpoint,
                "LEDGER_ARCHIVE_INTERVAL": "1", **(files if from_files else secrets),
            }  # fmt: skip
            if from_files:
                # An empty value is none.
                settings |= {"ETCD_PASSWORD": "", "ETCD_PASSWORD_FILE": str(password)}
            with running_service(context.binaries, cluster, **settings) as service:
                ledger = Ledger(grpc.insecure_channel(service.address), service.admin, "")
                for _ in range(3):
                    ledger.seal()
                with contextlib.suppress(grpc.RpcError):
                    ledger.stub.GetReceipt(messages.GetReceiptRequest(sequence_number=1), timeout=15)
                eventually(lambda: RefusingBucket.asked > asked, "the storage is asked")
                eventually(
                    lambda: service.metric("ledger_archive_requests_total") > 0, "it is counted"
                )
                health = services.HealthStub(ledger.channel).GetHealth(messages.GetHealthRequest())
                outputs = {"GetHealth": str(health), **pages(service)}
                if from_files:
                    # What is read again cannot be read any more, or makes no sense.
                    for name, path in files.items():
                        if "ARCHIVE" in name:
                            pathlib.Path(path).write_text(f"{CANARY} {CANARY}\n{CANARY}")
                    # Those that were read last are good until then.
                    tried = service.metric("ledger_archive_requests_total")
                    eventually(
                        lambda: service.metric("ledger_archive_requests_total") > tried + 2,
                        "it is tried again",
                    )
                    outputs |= {f"{name}, later": text for name, text in pages(service).items()}
                expect_equal("exit status", service.stop(), 0)
                outputs["the log"] = service.child.log.read_text(errors="replace")
            for output, text in outputs.items():
                for secret in [CANARY, cluster.password]:
                    place = text.find(secret)
                    around = text[max(0, place - 300) : place + 60]
                    expect(place < 0, f"from files: {from_files}: in {output}: {around}")
