"""What ABDM says: messages, dialects, errors, times and ids. Pure; performs no I/O."""
