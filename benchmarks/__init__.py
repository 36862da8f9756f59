"""Benchmarks: plants, tables without structure, real tables, MNIST, speed; each prints a JSON line per result."""
