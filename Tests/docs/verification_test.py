#!/usr/bin/env python3
"""Runs the Python of docs/verification.md on the test vectors: the receipt proves its event, and nothing else does.

    verification_test.py [RECEIPT ENTRY VERIFIER_KEY NUMBER]

With arguments it checks a receipt of a running ledger instead, which must prove that number.
"""

import json
import pathlib
import re
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DOCUMENT = ROOT / "docs" / "verification.md"
VECTORS = ROOT / "Tests" / "Vectors"


def documented():
    """The function of the document's only block of Python."""
    blocks = re.findall(r"^```python\n(.*?)^```", DOCUMENT.read_text("utf-8"), re.M | re.S)
    assert len(blocks) == 1, f"{len(blocks)} blocks of Python in {DOCUMENT}"
    names = {}
    exec(compile(blocks[0], str(DOCUMENT), "exec"), names)
    return names["verify_receipt"]


verify_receipt = documented()


class ReceiptTests(unittest.TestCase):
    """The vectors' receipt, as it is and changed."""

    def setUp(self):
        vector = json.loads((VECTORS / "checkpoint.json").read_text("utf-8"))
        self.receipt = vector["receipt_for_sequence_257"].encode()
        self.key = vector["verifier_key"]
        events = json.loads((VECTORS / "events.json").read_text("utf-8"))
        self.entries = [bytes.fromhex(event["entry_hex"]) for event in events]
        self.entry = self.entries[256]

    def refused(self, receipt=None, entry=None, key=None):
        with self.assertRaises(ValueError) as caught:
            verify_receipt(receipt or self.receipt, entry or self.entry, key or self.key)
        return str(caught.exception)

    def test_the_receipt_proves_its_event(self):
        self.assertEqual(verify_receipt(self.receipt, self.entry, self.key), 257)

    def test_another_entry_is_not_proved(self):
        self.assertEqual(self.refused(entry=self.entries[255]), "number")
        self.assertEqual(self.refused(entry=self.entry[:-1] + b"\0"), "path")

    def test_a_changed_receipt_proves_nothing(self):
        for position in range(len(self.receipt)):
            changed = bytearray(self.receipt)
            changed[position] ^= 1
            self.refused(receipt=bytes(changed))

    def test_another_key_is_refused(self):
        name, key_id, key = self.key.split("+", 2)
        self.assertEqual(self.refused(key=f"{name}x+{key_id}+{key}"), "verifier key")

    def test_a_short_or_a_long_path_leads_nowhere(self):
        lines = self.receipt.split(b"\n")
        self.assertEqual(self.refused(receipt=b"\n".join(lines[:2] + lines[3:])), "path")
        self.assertEqual(self.refused(receipt=b"\n".join(lines[:3] + lines[2:])), "path")


if __name__ == "__main__":
    if len(sys.argv) == 5:
        receipt, entry = (pathlib.Path(name).read_bytes() for name in sys.argv[1:3])
        number = verify_receipt(receipt, entry, sys.argv[3])
        sys.exit(0 if number == int(sys.argv[4]) else f"the receipt is of number {number}")
    unittest.main()
