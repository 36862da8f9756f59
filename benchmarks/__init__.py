"""Benchmarks: planted, MNIST, weather and speed; each prints one JSON line per result."""
