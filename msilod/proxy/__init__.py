"""proxy/: where a request goes (RFC 3261 §16, RFC 5393). Pure: messages in, messages and decisions out."""
