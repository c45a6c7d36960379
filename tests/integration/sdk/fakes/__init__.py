"""Strongroom in memory: real gRPC servers, real rules, faults on demand."""
