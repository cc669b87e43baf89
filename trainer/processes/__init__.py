"""Who trains a run: the supervisor, its workers, and the other processes that it forks."""
