"""A page that a test opens stays out of the way of processes that later tests start."""

import sys


def test_the_page_is_not_left_as_the_main_module(lab):
    before = sys.modules["__main__"]
    assert not lab.open().exception
    assert sys.modules["__main__"] is before
