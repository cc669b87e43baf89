"""What charts read: thinned snapshots of the stored points, deltas by cursor, and their messages."""
