"""The heart: receptive fields, the layers that use them, and the search that finds them."""
