-- Recipients with rows that have a next hop of their own, for the hourly probe: it must not read the others.
CREATE INDEX silo_by_next_hop ON silo (aor) WHERE next_hop <> '';
