"""auth/: who somebody is: nonces, replays, guessing, users and their HA1, asserted identities (RFC 7616, RFC 8760,
RFC 3325). Decisions on plain data; time, randomness and sources are arguments.
"""
