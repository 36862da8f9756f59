"""The network around the layers, its training, and where it runs."""
