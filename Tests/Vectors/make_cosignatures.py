#!/usr/bin/env python3
"""Makes cosignatures.json: what a witness signs of the checkpoint in checkpoint.json (C2SP tlog-cosignature).

Written from the specification alone: standard library and the PyPI package `cryptography`."""
import base64, hashlib, json, os, struct
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

HERE = os.path.dirname(os.path.abspath(__file__))
CASES = [
    ("witness.example/w1", bytes(range(32, 64)), 1679315147),
    ("w", bytes(range(64, 96)), 0),
    ("zeuge.example/\u00fc", bytes(range(96, 128)), 2**63 - 1),
]


def main():
    with open(os.path.join(HERE, "checkpoint.json")) as f:
        note = json.load(f)["note"]
    body = note[: note.index("\n\n") + 1]
    out = []
    for name, seed, timestamp in CASES:
        key = Ed25519PrivateKey.from_private_bytes(seed)
        public = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        key_id = hashlib.sha256(name.encode() + b"\n" + b"\x04" + public).digest()[:4]
        message = f"cosignature/v1\ntime {timestamp}\n{body}"
        signature = key_id + struct.pack(">Q", timestamp) + key.sign(message.encode())
        line = f"\u2014 {name} {base64.b64encode(signature).decode()}\n"
        out.append({
            "name": name, "seed_hex": seed.hex(), "timestamp": timestamp,
            "verifier_key": f"{name}+{key_id.hex()}+{base64.b64encode(bytes([4]) + public).decode()}",
            "line": line, "note": note + line,
        })
    with open(os.path.join(HERE, "cosignatures.json"), "w") as f:
        json.dump(out, f, indent=1, ensure_ascii=False)
        f.write("\n")


if __name__ == "__main__":
    main()
