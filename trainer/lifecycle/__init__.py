"""The life of a run: its states, and what people may request while it is under way."""
