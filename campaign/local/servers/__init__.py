"""The embedded servers of one machine and the supervisor that runs everything together."""
