-- The second baseline: a hash chain as one would build it in PostgreSQL, one event a transaction.

CREATE TABLE event (
    sequence_number bigint PRIMARY KEY,
    event_id text NOT NULL UNIQUE,
    payload bytea NOT NULL,
    previous_hash bytea NOT NULL,
    hash bytea NOT NULL,
    sealed_at timestamptz NOT NULL
);

CREATE FUNCTION event_hash(previous bytea, number bigint, id text, payload bytea, at timestamptz)
RETURNS bytea IMMUTABLE LANGUAGE sql AS $$
    SELECT sha256(
        previous || int8send(number) || sha256(convert_to(id, 'UTF8')) || sha256(payload)
            || timestamptz_send(at))
$$;

-- Appends one event behind the newest. The lock goes to the next transaction when this one's commit
-- is on the disk and visible. It costs less than a locked row of the head, which would also leave a
-- dead version with every event.
CREATE FUNCTION seal(id text, payload bytea) RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    number bigint;
    previous bytea;
    now timestamptz;
BEGIN
    PERFORM pg_advisory_xact_lock(1);
    -- A statement of its own, so that it sees what was committed until the lock was had.
    SELECT sequence_number, hash INTO number, previous
    FROM event ORDER BY sequence_number DESC LIMIT 1;
    number := coalesce(number, 0) + 1;
    previous := coalesce(previous, decode(repeat('00', 32), 'hex'));
    now := clock_timestamp();
    INSERT INTO event VALUES (
        number, id, payload, previous, event_hash(previous, number, id, payload, now), now);
    RETURN number;
END
$$;

-- The events that do not follow from the one before.
CREATE VIEW broken_link AS
SELECT sequence_number FROM (
    SELECT *,
        row_number() OVER chain AS expected_number,
        lag(hash, 1, decode(repeat('00', 32), 'hex')) OVER chain AS expected_previous
    FROM event WINDOW chain AS (ORDER BY sequence_number)
) AS link
WHERE sequence_number <> expected_number OR previous_hash <> expected_previous
    OR hash <> event_hash(previous_hash, sequence_number, event_id, payload, sealed_at);
