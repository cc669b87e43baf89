"""Training for somebody who waits for it, at a terminal, in a script or in a notebook: with a progress bar, until Ctrl-C."""
