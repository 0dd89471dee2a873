"""Our own SMTP servers for loopback: the local mailbox, the scripted faults, and the sink for benchmarks."""
