"""The tests; a package so that `tests.kit` can be imported by all of them."""
