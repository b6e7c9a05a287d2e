"""Compares formats.py with the project's test vectors: formats_test.py [EVENTS_JSON]."""

import json
import pathlib
import sys
from types import SimpleNamespace

import formats


def vectors_path() -> pathlib.Path:
    """The file given, or the one copy of the vectors in Tests."""
    if len(sys.argv) > 1:
        return pathlib.Path(sys.argv[1])
    tests = pathlib.Path(__file__).resolve().parent.parent
    found = sorted(tests.rglob("events.json"))
    if not found:
        sys.exit(f"no events.json below {tests}")
    return found[0]


def differences(vector: dict, previous_hash: str) -> list[str]:
    """The names of the values that formats.py computes differently."""
    event = SimpleNamespace(**vector, payload=bytes.fromhex(vector["payload_hex"]))
    computed = {
        "previous_hash": previous_hash,
        "entry_hex": formats.entry_bytes(event).hex(),
        "event_hash": formats.event_hash(event),
        "leaf_hash": formats.leaf_hash(event),
        "fingerprint": formats.fingerprint(event.event_id),
    }
    return [name for name, value in computed.items() if vector[name] != value]


def main() -> int:
    """Checks every vector; prints a closing line and returns the exit status."""
    vectors = json.loads(vectors_path().read_text(encoding="utf-8"))
    previous_hash = formats.GENESIS_HASH
    failed = 0
    for vector in vectors:
        wrong = differences(vector, previous_hash)
        previous_hash = vector["event_hash"]
        if wrong:
            failed += 1
            print(f"FAIL event {vector['sequence_number']}: {', '.join(wrong)}")
    print(f"{len(vectors) - failed} passed, {failed} failed")
    return 0 if vectors and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
