"""auth/: decides which user sent a request, and limits guessing and floods (RFC 3261 §22, RFC 7616, RFC 8760).

What comes in: credentials, the request, the source of the request, the users, and the time. What goes out: a
`Judgement` with a verdict, challenges, waiting times in seconds, and asserted identities (RFC 3325).

The room has no sockets, clocks, random numbers or database, and sends no answers: serving/gate.py does. Every time is
an argument. The room never holds a password, only HA1 values. Every table has a bound.

- judge.py, judgement.py, nonce.py, replay.py, sign_off.py, offers.py: digest authentication. `Judge.judge` checks a
  response.
- users.py, members.py, policy.py: the users and the [auth] section.
- throttle.py: slows guessing. flood.py, fruitless.py, sparing.py: limits on challenges and useless traffic.
- source.py, trust.py, identity.py: names of sources, trusted networks, asserted identities.

Start with judge.py. The tests are in tests/auth.
"""
