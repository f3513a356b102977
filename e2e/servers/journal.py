"""Runs a module and keeps what comes in on its standard input. Usage: journal.py FILE MODULE [ARGUMENT...]; a line of FILE is a line of the input."""

import os
import runpy
import sys
import threading

kept, module = sys.argv[1], sys.argv[2]
sys.argv = sys.argv[2:]
arriving = os.dup(0)
reading, writing = os.pipe()
os.dup2(reading, 0)
os.close(reading)


def copy():
    with open(kept, "ab", buffering=0) as journal:
        while piece := os.read(arriving, 65536):
            journal.write(piece)
            os.write(writing, piece)
    os.close(writing)


threading.Thread(target=copy, daemon=True).start()
runpy.run_module(module, run_name="__main__")
