"""Processes and sockets: supervise, stop, and talk to model servers."""
