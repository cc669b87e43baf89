"""How a run trains, from its configuration to its results: build, loop, checkpoint."""
