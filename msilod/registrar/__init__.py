"""registrar/: who is where (RFC 3261 §10, RFC 3327). Pure: bindings in, changes out, time an argument."""
