-- Phones with a single field for the name authenticate as alice@example.test and hash that name. HA1 of user@domain
-- and, where the realm is another than the domain, of user@realm; '' for users from before, until their next password.

ALTER TABLE silo_user ADD COLUMN ha1_at_domain TEXT NOT NULL DEFAULT '';

ALTER TABLE silo_user ADD COLUMN ha1_at_realm TEXT NOT NULL DEFAULT '';
