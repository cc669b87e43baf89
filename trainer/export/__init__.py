"""Taking a run away: as one readable script, as weights, as curves, or whole, for another installation."""
