-- A phone that keeps several flows may register the same Contact by each (RFC 5626 §4.2): they are told apart by
-- instance and reg-id.

CREATE TABLE silo_location_of_flows (
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
  PRIMARY KEY (aor, contact, instance, reg_id)
) WITHOUT ROWID;

INSERT INTO silo_location_of_flows SELECT * FROM silo_location;

DROP TABLE silo_location;

ALTER TABLE silo_location_of_flows RENAME TO silo_location;
