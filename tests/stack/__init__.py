"""A private stack of real servers for Farewell's tests, demo and benchmarks; see README.md."""
import os

from .proc import PATIENCE, StackError, wait_until
from .stack import Stack

# Whatever proxy the machine has, the stack is not behind it.
for _name in ("no_proxy", "NO_PROXY"):
    os.environ[_name] = ",".join(filter(None, ["127.0.0.1,localhost", os.environ.get(_name)]))

__all__ = ["PATIENCE", "Stack", "StackError", "wait_until"]
