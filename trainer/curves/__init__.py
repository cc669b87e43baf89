"""What charts read: thinned snapshots of the stored points, and deltas by cursor."""
