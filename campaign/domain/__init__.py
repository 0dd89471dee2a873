"""Rules and state tables; standard library only, no I/O, no clock."""
