-- The silo, its ended messages and the bindings. Times are seconds since 1970 (UTC).
-- `silo` stands for the db_table of the configuration, here and in silo_ended and so on.

CREATE TABLE silo (
  id               INTEGER PRIMARY KEY AUTOINCREMENT,
  aor              TEXT    NOT NULL,
  sender           TEXT    NOT NULL,
  state            TEXT    NOT NULL DEFAULT 'waiting',
  received_at      REAL    NOT NULL,
  due_at           REAL,
  expires_at       REAL    NOT NULL,
  attempts         INTEGER NOT NULL DEFAULT 0,
  next_attempt_at  REAL,
  last_status      INTEGER,
  last_reason      TEXT    NOT NULL DEFAULT '',
  next_hop         TEXT    NOT NULL DEFAULT '',
  request_uri      BLOB    NOT NULL,
  from_header      BLOB    NOT NULL,
  to_header        BLOB    NOT NULL,
  call_id          BLOB    NOT NULL,
  delivery_call_id BLOB    NOT NULL DEFAULT x'',
  cseq             INTEGER NOT NULL,
  content_type     BLOB    NOT NULL,
  headers          BLOB    NOT NULL,
  size             INTEGER NOT NULL,
  owner            TEXT    NOT NULL DEFAULT '',
  lease_until      REAL,
  hash             BLOB    NOT NULL,
  body             BLOB    NOT NULL
);

-- Claims read it in order; size and hash let quotas, used Call-IDs and copies be answered from the index alone.
-- There is no index by hash: a copy has the recipient of its first, and a second random page per row cost a
-- third of the store rate. The writer looks for copies under its write lock.
CREATE INDEX silo_by_aor ON silo (aor, id, size, hash);

CREATE INDEX silo_by_expiry ON silo (expires_at);

-- Rows under lease are few.
CREATE INDEX silo_by_owner ON silo (owner) WHERE owner <> '';

-- Nearly all rows are waiting; the others are counted and found here.
CREATE INDEX silo_by_state ON silo (state) WHERE state <> 'waiting';

CREATE TABLE silo_ended (
  hash     BLOB    NOT NULL PRIMARY KEY,
  id       INTEGER NOT NULL,
  aor      TEXT    NOT NULL,
  how      TEXT    NOT NULL,
  status   INTEGER,
  ended_at REAL    NOT NULL
) WITHOUT ROWID;

CREATE INDEX silo_ended_by_time ON silo_ended (ended_at);

CREATE TABLE silo_location (
  aor           TEXT    NOT NULL,
  contact       TEXT    NOT NULL,
  params        TEXT    NOT NULL DEFAULT '',
  call_id       TEXT    NOT NULL,
  cseq          INTEGER NOT NULL,
  q             REAL    NOT NULL DEFAULT 1.0,
  expires_at    REAL    NOT NULL,
  registered_at REAL    NOT NULL,
  path          TEXT    NOT NULL DEFAULT '[]',
  flow          TEXT    NOT NULL DEFAULT '',
  instance      TEXT    NOT NULL DEFAULT '',
  reg_id        INTEGER NOT NULL DEFAULT 0,
  user_agent    TEXT    NOT NULL DEFAULT '',
  methods       TEXT,
  node          TEXT    NOT NULL DEFAULT '',
  PRIMARY KEY (aor, contact)
) WITHOUT ROWID;

-- Keys that must outlive a restart, each made at random when it is first asked for. Not what a user ever types.
CREATE TABLE silo_secret (
  name  TEXT NOT NULL PRIMARY KEY,
  value BLOB NOT NULL
) WITHOUT ROWID;

CREATE TABLE silo_schema_version (
  version    INTEGER NOT NULL PRIMARY KEY,
  name       TEXT    NOT NULL,
  sha256     TEXT    NOT NULL,
  applied_at REAL    NOT NULL
);
