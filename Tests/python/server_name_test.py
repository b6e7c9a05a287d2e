"""ledgerctl --server-name: whose certificate is expected behind an address that it does not name.

    server_name_test.py --bin FOLDER
"""

import argparse
import os
import pathlib
import subprocess
import sys

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


@check("a name of the certificate is accepted for another address")
def accepts(client: Client) -> None:
    for name in ["ledger-service", "ledger-service.immutable-ledger.svc"]:
        done = client.health("--server-name", name)
        expect(done.returncode == 0, f"{name}: {done.stdout}{done.stderr}")


@check("another name is refused, although the address is in the certificate")
def refuses(client: Client) -> None:
    expect(client.health().returncode == 0, "without a name the address is not verified")
    for name in ["somebody-else", "ledger-service.elsewhere.svc"]:
        done = client.health("--server-name", name)
        expect(done.returncode not in (0, 64), f"{name}: {done.returncode} {done.stdout}{done.stderr}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    options = parser.parse_args()
    with running_cluster(1) as cluster:
        certificates = cluster.certificates
        settings = {
            "LEDGER_TLS_CERT": str(certificates / "ledger-service.pem"),
            "LEDGER_TLS_KEY": str(certificates / "ledger-service-key.pem"),
            "LEDGER_INTERNAL_TOKEN": "a-secret-of-this-test-alone",
        }
        with running_service(options.bin, cluster, **settings) as service:
            client = Client(options.bin, service.port, certificates / "service-ca.pem")
            return checking.run_checks(client)


if __name__ == "__main__":
    sys.exit(main())
