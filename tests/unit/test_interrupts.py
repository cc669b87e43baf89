"""Ctrl-C while something trains: the first asks, the second ends it, and afterwards all is as it was."""

import os
import signal
import threading

import pytest

from trainer.foreground.interrupts import on_interrupt


def ctrl_c():
    os.kill(os.getpid(), signal.SIGINT)


def test_the_first_asks_and_the_second_ends_at_once():
    asked = []
    with on_interrupt(lambda: asked.append(1)) as interrupted:
        assert not interrupted.is_set()
        ctrl_c()
        assert interrupted.is_set()
        with pytest.raises(KeyboardInterrupt):
            ctrl_c()
    assert asked == [1]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_another_thread_changes_nothing():
    found = []

    def block():
        with on_interrupt(lambda: found.append("asked")):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=block)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
