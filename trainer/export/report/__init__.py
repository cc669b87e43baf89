"""A report: comparisons and runs as one HTML file that opens from disk, without a network."""
