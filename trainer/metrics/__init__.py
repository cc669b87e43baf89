"""What is measured at every step and after every epoch: one declared function a metric, and what is derived from it."""
