"""SMTP servers for loopback: the local mailbox, scripted faults, and the sink for benchmarks."""
