"""Benchmarks: planted structures, tables without any, MNIST and speed; each prints one JSON line per result."""
