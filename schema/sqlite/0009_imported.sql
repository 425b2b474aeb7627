-- Messages that came by an import, for as long as they would have lived: an import that is repeated leaves them out,
-- though they have ended meanwhile. A sweep forgets them after that.

CREATE TABLE silo_imported (
  hash  BLOB NOT NULL PRIMARY KEY,
  until REAL NOT NULL
) WITHOUT ROWID;

CREATE INDEX silo_imported_by_time ON silo_imported (until);
