"""Benchmarks: plants, real tables, MNIST and speed; each prints one JSON line per result."""
