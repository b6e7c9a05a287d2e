#!/usr/bin/env python3
"""Follows a ledger into a PostgreSQL table, every event exactly once.

    LEDGER_ADDRESS=localhost:50051 DATABASE_URL=postgresql:///projection python3 projection.py

The position is stored in the transaction that stores the events, so this may be killed at any moment,
and run twice at once. Every event's hash and its link to the one before are checked before it is stored:
a gap or a broken chain ends this with status 3, and nothing behind it is ever stored. A ledger or a
database that cannot be reached is tried again.

Settings: LEDGER_ADDRESS, DATABASE_URL (libpq's), LEDGER_TLS_CA (a PEM file; without it plaintext),
LEDGER_SERVER_NAME (where the certificate has another name than the address).
"""

import hashlib
import os
import queue
import random
import struct
import sys
import threading
import time

import grpc
import psycopg

# Made from protos/ledger.proto, see README.md.
import ledger_pb2
import ledger_pb2_grpc

BATCH_EVENTS = 500
# Between the network and the database; the stream waits when it is full.
QUEUED_EVENTS = 2_000
GENESIS = bytes(32)

# Ids and the values of metadata may hold a NUL, which text and jsonb cannot. `entry` is what the hash is
# of: SELECT sha256(entry) = event_hash.
SCHEMA = """
CREATE TABLE IF NOT EXISTS ledger_events (
    sequence_number  bigint PRIMARY KEY,
    event_id         bytea NOT NULL UNIQUE,
    payload          bytea NOT NULL,
    metadata_keys    text[] NOT NULL,
    metadata_values  bytea[] NOT NULL,
    veps_timestamp   bigint NOT NULL,
    sealed_timestamp bigint NOT NULL,
    submitter        bytea NOT NULL,
    event_hash       bytea NOT NULL,
    entry            bytea NOT NULL
);
CREATE TABLE IF NOT EXISTS ledger_position (
    is_only         boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    sequence_number bigint NOT NULL,
    event_hash      bytea NOT NULL
);
INSERT INTO ledger_position (sequence_number, event_hash)
    VALUES (0, decode(repeat('00', 32), 'hex')) ON CONFLICT DO NOTHING;
"""
INSERT = "INSERT INTO ledger_events VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"


class BrokenChain(Exception):
    """What the ledger answers does not go on from what is stored."""


def sized(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def entry_of(event) -> bytes:
    """The canonical bytes of a sealed event: docs/formats.md, "Entry"."""
    metadata = sorted((key.encode(), value.encode()) for key, value in event.metadata.items())
    certification = (
        sized(event.veps_signature.encode())
        + struct.pack(">q", event.veps_timestamp)
        + struct.pack(">I", len(metadata))
        + b"".join(sized(key) + sized(value) for key, value in metadata)
        + sized(event.submitter.encode())
        + struct.pack(">q", event.sealed_timestamp)
    )
    return (
        b"ILE1"
        + struct.pack(">Q", event.sequence_number)
        + sized(event.event_id.encode())
        + sized(event.payload)
        + sized(certification)
        + bytes.fromhex(event.previous_hash)
    )


def checked(event, number: int, previous: bytes) -> tuple:
    """The row of the event that has to come next, whose hash is its ninth column."""
    if event.sequence_number != number:
        raise BrokenChain(f"event {number} is missing: the ledger gave {event.sequence_number}")
    if bytes.fromhex(event.previous_hash) != previous:
        raise BrokenChain(
            f"event {number} links to {event.previous_hash}, and event {number - 1} has the hash"
            f" {previous.hex()}: the ledger is not the one that was followed, or was changed"
        )
    entry = entry_of(event)
    event_hash = hashlib.sha256(entry).digest()
    if event_hash.hex() != event.event_hash:
        raise BrokenChain(f"event {number} has the hash {event_hash.hex()}, not {event.event_hash}")
    return (
        number, event.event_id.encode(), event.payload, list(event.metadata),
        [event.metadata[key].encode() for key in event.metadata], event.veps_timestamp,
        event.sealed_timestamp, event.submitter.encode(), event_hash, entry,
    )


def store(database, events: list) -> bool:
    """Stores those that come next; false where another instance was faster."""
    with database.transaction(), database.cursor() as cursor:
        # Whoever holds this row writes; the other waits here, and then finds the position moved.
        number, previous = cursor.execute(
            "SELECT sequence_number, event_hash FROM ledger_position FOR UPDATE"
        ).fetchone()
        if number + 1 != events[0].sequence_number:
            if number + 1 > events[0].sequence_number:
                return False
            raise BrokenChain(f"event {number + 1} is missing: the ledger gave {events[0].sequence_number}")
        rows = []
        for event in events:
            row = checked(event, number + 1, bytes(previous))
            number, previous = row[0], row[8]
            rows.append(row)
        cursor.executemany(INSERT, rows)
        cursor.execute(
            "UPDATE ledger_position SET sequence_number = %s, event_hash = %s", (number, previous)
        )
    return True


def channel() -> grpc.Channel:
    address = os.environ.get("LEDGER_ADDRESS", "localhost:50051")
    options = [("grpc.keepalive_time_ms", 60_000)]
    if "LEDGER_TLS_CA" not in os.environ:
        return grpc.insecure_channel(address, options)
    if name := os.environ.get("LEDGER_SERVER_NAME"):
        options.append(("grpc.ssl_target_name_override", name))
    with open(os.environ["LEDGER_TLS_CA"], "rb") as file:
        return grpc.secure_channel(address, grpc.ssl_channel_credentials(file.read()), options)


def follow(ledger, database) -> None:
    """Stores what comes after the position, until the stream breaks or another instance is ahead."""
    with database.transaction():
        [number] = database.execute("SELECT sequence_number FROM ledger_position").fetchone()
    call = ledger.ListEvents(ledger_pb2.ListEventsRequest(first=number + 1, follow=True))
    received: queue.Queue = queue.Queue(QUEUED_EVENTS)

    def receive() -> None:
        try:
            for event in call:
                received.put(event)
            received.put(ConnectionError("the ledger ended the stream"))
        except grpc.RpcError as error:
            received.put(error)

    threading.Thread(target=receive, daemon=True).start()
    try:
        while True:
            batch = [received.get()]
            # All that is there already: one event when it is quiet, many when there is much.
            while len(batch) < BATCH_EVENTS and not received.empty():
                batch.append(received.get())
            events = [one for one in batch if not isinstance(one, Exception)]
            if events and not store(database, events):
                return
            if len(events) < len(batch):
                raise batch[-1]
    finally:
        call.cancel()
        # Lets the other thread put what it holds, and end.
        while not received.empty():
            received.get_nowait()


def main() -> int:
    ledger = ledger_pb2_grpc.ImmutableLedgerStub(channel())
    wait = 0.1
    while True:
        began = time.monotonic()
        try:
            with psycopg.connect(os.environ["DATABASE_URL"], autocommit=True) as database:
                # One at a time: CREATE TABLE IF NOT EXISTS alone is no match for two at once.
                with database.transaction():
                    database.execute("SELECT pg_advisory_xact_lock(4711)")
                    database.execute(SCHEMA)
                while True:
                    follow(ledger, database)
        except BrokenChain as broken:
            print(f"refused: {broken}", file=sys.stderr)
            return 3
        except (grpc.RpcError, ConnectionError, psycopg.OperationalError) as error:
            text = error.details() if isinstance(error, grpc.RpcError) else str(error).strip()
            print(f"interrupted, goes on soon: {text}", file=sys.stderr)
        wait = 0.1 if time.monotonic() - began > 30 else min(wait * 2, 10)
        time.sleep(wait * random.uniform(0.5, 1))


if __name__ == "__main__":
    sys.exit(main())
