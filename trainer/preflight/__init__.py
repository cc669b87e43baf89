"""What a run is about to do, worked out before its first step."""
