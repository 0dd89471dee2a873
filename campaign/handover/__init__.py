"""Hand-over: a pack with all signatures of a petition for whom it is addressed to, which can be checked without us."""
