"""The client code of protos/ledger.proto, generated anew each time this is imported."""

import importlib
import pathlib
import sys
import tempfile

from grpc_tools import protoc

_protos = pathlib.Path(__file__).resolve().parents[2] / "protos"
# Removed when the interpreter ends.
_generated = tempfile.TemporaryDirectory(prefix="ledger-stubs-")


def _generate():
    arguments = [
        "protoc",
        f"--proto_path={_protos}",
        f"--python_out={_generated.name}",
        f"--grpc_python_out={_generated.name}",
        "ledger.proto",
    ]
    if protoc.main(arguments) != 0:
        sys.exit(f"protoc failed on {_protos / 'ledger.proto'}")
    sys.path.insert(0, _generated.name)
    return importlib.import_module("ledger_pb2"), importlib.import_module("ledger_pb2_grpc")


messages, services = _generate()
