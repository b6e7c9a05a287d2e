"""ledgerctl --server-name: whose certificate is expected behind an address that it does not name.

    server_name_test.py --bin FOLDER
"""

import argparse
import os
import pathlib
import subprocess
import sys
import tempfile

import checking
from checking import check, expect
from processes import running_cluster, running_service


class Client:
    def __init__(self, binaries: pathlib.Path, port: int, authority: pathlib.Path):
        self.binaries, self.port, self.authority = binaries.resolve(), port, authority

    def health(self, *arguments: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [self.binaries / "ledgerctl", "health", "--no-retry", "--server", f"127.0.0.1:{self.port}",
             "--tls-ca", self.authority, *arguments],
            env={"PATH": os.environ["PATH"]}, capture_output=True, text=True, timeout=60,
        )  # fmt: skip


@check("a certificate without the address is refused, unless its name is expected")
def accepts(client: Client) -> None:
    done = client.health()
    expect(done.returncode not in (0, 64), f"without a name: {done.stdout}{done.stderr}")
    for name in ["ledger-service", "ledger-service.immutable-ledger.svc"]:
        done = client.health("--server-name", name)
        expect(done.returncode == 0, f"{name}: {done.stdout}{done.stderr}")


@check("another name is refused")
def refuses(client: Client) -> None:
    for name in ["somebody-else", "ledger-service.elsewhere.svc"]:
        done = client.health("--server-name", name)
        expect(done.returncode not in (0, 64), f"{name}: {done.returncode} {done.stdout}{done.stderr}")


def make_certificates(folder: pathlib.Path) -> None:
    """As in a cluster: names of Services, and no address."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)

    new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *new_key, "-keyout", "ca-key.pem", "-out", "ca.pem", "-subj", "/CN=test",
            "-days", "2")
    openssl("req", *new_key, "-keyout", "key.pem", "-out", "request.pem", "-subj", "/O=test")
    names = "DNS:ledger-service,DNS:ledger-service.immutable-ledger.svc"
    (folder / "names").write_text(f"subjectAltName={names}\nextendedKeyUsage=serverAuth\n")
    openssl("x509", "-req", "-in", "request.pem", "-CA", "ca.pem", "-CAkey", "ca-key.pem",
            "-CAcreateserial", "-out", "certificate.pem", "-days", "2", "-extfile", "names")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="server-name-") as name, running_cluster(1) as cluster:
        folder = pathlib.Path(name)
        make_certificates(folder)
        settings = {
            "LEDGER_TLS_CERT": str(folder / "certificate.pem"),
            "LEDGER_TLS_KEY": str(folder / "key.pem"),
            "LEDGER_INTERNAL_TOKEN": "a-secret-of-this-test-alone",
        }
        with running_service(options.bin, cluster, **settings) as service:
            return checking.run_checks(Client(options.bin, service.port, folder / "ca.pem"))


if __name__ == "__main__":
    sys.exit(main())
