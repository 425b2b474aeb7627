"""relaying/: requests that are proxied (RFC 3261 §16): targets, forks, forwarding."""
