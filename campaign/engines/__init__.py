"""The embedded servers of one machine (PostgreSQL, Redis, mail) and the supervisor that runs everything together."""
