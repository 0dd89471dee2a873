"""Measurements. They run by `make bench-web` and `make bench`, never as tests: a machine's mood is no bug."""
