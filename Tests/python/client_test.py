"""Checks a running ledger from outside, as any caller in another language would use it.

    client_test.py --server 127.0.0.1:50051 --admin 127.0.0.1:9464

It seals some hundred events. Nobody else may seal meanwhile: it checks that bad events seal
nothing.
"""

import argparse
import os
import pathlib
import sys

import grpc

import checking
from ledger import Ledger

# Each registers its checks; they run in this order.
import submission_checks  # noqa: F401
import rejection_checks  # noqa: F401
import reading_checks  # noqa: F401
import service_checks  # noqa: F401
import admin_checks  # noqa: F401

CONNECT_SECONDS = 30


def arguments() -> argparse.Namespace:
    """What the command line and the environment say."""
    environment = os.environ
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--server",
        default=environment.get("LEDGER_ADDRESS", "127.0.0.1:50051"),
        help="host:port of gRPC (environment: LEDGER_ADDRESS)",
    )
    parser.add_argument(
        "--admin",
        default=f"127.0.0.1:{environment.get('LEDGER_ADMIN_PORT', '9464')}",
        help="host:port of the admin HTTP (environment: LEDGER_ADMIN_PORT)",
    )
    parser.add_argument("--ca", type=pathlib.Path, help="PEM file; with it the server speaks TLS")
    parser.add_argument("--cert", type=pathlib.Path, help="PEM file with the client's certificate")
    parser.add_argument("--key", type=pathlib.Path, help="PEM file with the client's key")
    parser.add_argument("--submitter", default="", help="the submitter that events must carry")
    return parser.parse_args()


def connect(options: argparse.Namespace) -> grpc.Channel:
    """A channel that is connected; leaves when the server cannot be reached."""
    if options.ca:
        credentials = grpc.ssl_channel_credentials(
            root_certificates=options.ca.read_bytes(),
            private_key=options.key.read_bytes() if options.key else None,
            certificate_chain=options.cert.read_bytes() if options.cert else None,
        )
        channel = grpc.secure_channel(options.server, credentials)
    else:
        channel = grpc.insecure_channel(options.server)
    try:
        grpc.channel_ready_future(channel).result(timeout=CONNECT_SECONDS)
    except grpc.FutureTimeoutError:
        sys.exit(f"no connection to {options.server} within {CONNECT_SECONDS} s")
    return channel


def main() -> int:
    """Runs every check and returns the exit status."""
    options = arguments()
    with connect(options) as channel:
        return checking.run_checks(Ledger(channel, options.admin, options.submitter))


if __name__ == "__main__":
    sys.exit(main())
