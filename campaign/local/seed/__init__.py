"""Fake people, the example petition, and data for load tests."""
