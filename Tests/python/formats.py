"""The ledger's formats, written a second time: what anybody can recompute of a sealed event.

It shares no code with the service, so an error in either shows as a difference.
"""

import hashlib
import struct

GENESIS_HASH = "0" * 64


def _length_value(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _metadata(metadata: dict[str, str]) -> bytes:
    """The entries in ascending order of the key's bytes, their number before them."""
    entries = sorted((key.encode(), value.encode()) for key, value in metadata.items())
    encoded = b"".join(_length_value(key) + _length_value(value) for key, value in entries)
    return struct.pack(">I", len(entries)) + encoded


def entry_bytes(event) -> bytes:
    """The canonical bytes of a sealed event: "ILE1", its fields length-prefixed, its link."""
    certification = (
        _length_value(event.veps_signature.encode())
        + struct.pack(">q", event.veps_timestamp)
        + _metadata(dict(event.metadata))
        + _length_value(event.submitter.encode())
        + struct.pack(">q", event.sealed_timestamp)
    )
    return (
        b"ILE1"
        + struct.pack(">Q", event.sequence_number)
        + _length_value(event.event_id.encode())
        + _length_value(bytes(event.payload))
        + _length_value(certification)
        + bytes.fromhex(event.previous_hash)
    )


def event_hash(event) -> str:
    """The hash of a sealed event's canonical bytes: 64 lower-case hex digits."""
    return hashlib.sha256(entry_bytes(event)).hexdigest()


def leaf_hash(event) -> str:
    """The hash of a sealed event as a leaf of the Merkle tree (RFC 6962)."""
    return hashlib.sha256(b"\x00" + entry_bytes(event)).hexdigest()


def fingerprint(event_id: str) -> str:
    """The 8 bytes, in hex, under which the id index holds an event_id."""
    return hashlib.sha256(b"ILID" + event_id.encode()).digest()[:8].hex()
