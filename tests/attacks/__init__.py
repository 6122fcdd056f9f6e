"""Attacks on the studio: what was tried, where, and what held. `make attacks` runs all of them and writes the table."""
