"""Benchmarks: plants, MNIST and speed; each prints one JSON line per result."""
