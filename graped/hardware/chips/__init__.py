"""One module a chip: pure codecs (bytes to values and back) and a thin driver."""
