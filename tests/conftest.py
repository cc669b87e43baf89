"""What all tests share: one thread per process, as a worker has, and one profile for hypothesis."""

import os

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before anything imports torch; processes that tests start inherit it

from hypothesis import HealthCheck, settings

settings.register_profile(
    "trainscope",
    deadline=None,  # a busy machine is no failure
    derandomize="TRAINSCOPE_TEST_SEARCH" not in os.environ,  # the same way each time, unless asked to search
    print_blob=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
settings.load_profile("trainscope")
