-- Users. Never a password: HA1 = H(user ":" realm ":" password) in hex, one per algorithm (RFC 7616, RFC 8760).

CREATE TABLE silo_user (
  aor       TEXT NOT NULL,
  algorithm TEXT NOT NULL,
  realm     TEXT NOT NULL,
  ha1       TEXT NOT NULL,
  PRIMARY KEY (aor, algorithm)
) WITHOUT ROWID;

-- Who was added, changed or removed, in order; a daemon reads what is new. The last row is never removed: it says
-- that there has been a user, so that the last one's removal does not open the server to everybody.
CREATE TABLE silo_user_change (
  id  INTEGER PRIMARY KEY AUTOINCREMENT,
  aor TEXT NOT NULL,
  at  REAL NOT NULL
);
