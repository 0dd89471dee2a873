"""Embedded servers for one machine: a real PostgreSQL and a real Redis-compatible server."""
