-- What an operator sees and changes: history, due times, pauses, totals, senders' hours, devices.

-- One row per failed attempt, per change by hand, and at the end. The rowid is the order in time, so that the sweep
-- needs no index of times.
CREATE TABLE silo_history (
  id      INTEGER PRIMARY KEY,
  message INTEGER NOT NULL,
  aor     TEXT    NOT NULL,
  at      REAL    NOT NULL,
  event   TEXT    NOT NULL,
  status  INTEGER,
  reason  TEXT    NOT NULL DEFAULT '',
  contact TEXT    NOT NULL DEFAULT '',
  actor   TEXT    NOT NULL DEFAULT ''
);

CREATE INDEX silo_history_by_message ON silo_history (message);

-- What an operator has let go: a daemon that was not told finds it here.
CREATE INDEX silo_history_woken ON silo_history (id) WHERE event IN ('released', 'requeued');

-- The life of a held row stands still: it is as much longer as the row was held.
ALTER TABLE silo ADD COLUMN held_at REAL;

CREATE INDEX silo_by_due ON silo (due_at) WHERE state = 'scheduled';

-- Rows that back off: read in pages at a start.
CREATE INDEX silo_by_next_attempt ON silo (next_attempt_at, aor) WHERE next_attempt_at IS NOT NULL;

-- Domains whose deliveries are paused; '*' is all of them.
CREATE TABLE silo_paused (
  domain TEXT NOT NULL PRIMARY KEY,
  since  REAL NOT NULL,
  actor  TEXT NOT NULL DEFAULT ''
) WITHOUT ROWID;

-- Messages of a sender in an hour (seconds since 1970 / 3600); written only while [silo] sender_messages is set.
CREATE TABLE silo_sender_hour (
  hour     INTEGER NOT NULL,
  sender   TEXT    NOT NULL,
  messages INTEGER NOT NULL,
  PRIMARY KEY (hour, sender)
) WITHOUT ROWID;

-- Devices that were registered, for [silo] devices = "each", and which rows each of them has taken.
CREATE TABLE silo_device (
  aor     TEXT NOT NULL,
  device  TEXT NOT NULL,
  contact TEXT NOT NULL,
  seen_at REAL NOT NULL,
  PRIMARY KEY (aor, device)
) WITHOUT ROWID;

CREATE INDEX silo_device_by_time ON silo_device (seen_at);

CREATE TABLE silo_served (
  message INTEGER NOT NULL,
  device  TEXT    NOT NULL,
  status  INTEGER NOT NULL,
  at      REAL    NOT NULL,
  PRIMARY KEY (message, device)
) WITHOUT ROWID;

-- One row: what the whole silo holds, right for every writer. Half a microsecond per row, where a count would be a
-- walk over all of them.
CREATE TABLE silo_total (
  id       INTEGER NOT NULL PRIMARY KEY,
  messages INTEGER NOT NULL,
  bytes    INTEGER NOT NULL
);

INSERT INTO silo_total SELECT 1, count(*), coalesce(sum(size), 0) FROM silo;

CREATE TRIGGER silo_total_added AFTER INSERT ON silo BEGIN
  UPDATE silo_total SET messages = messages + 1, bytes = bytes + NEW.size WHERE id = 1; END;

CREATE TRIGGER silo_total_removed AFTER DELETE ON silo BEGIN
  UPDATE silo_total SET messages = messages - 1, bytes = bytes - OLD.size WHERE id = 1; DELETE FROM silo_served WHERE message = OLD.id; END;
