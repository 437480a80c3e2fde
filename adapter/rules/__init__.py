"""What we decide: states, consent, matching, care contexts. Pure; performs no I/O."""
