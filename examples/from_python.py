"""The same from plain Python.

Run it with: python examples/from_python.py
"""

from __future__ import annotations

import math
from collections.abc import Callable
from concurrent.futures import as_completed
from io import TextIOBase

import dpfw

dpfw.launch(2)

# A remote is source text. A promise is a concurrent.futures.Future.
task = dpfw.make_task("(fn [i o] (+ 2 3))", dpfw.read_result)
print(task.result())  # => 5

# Text, or a function that slaves can import.
print(dpfw.map("(fn [x] (* x x))", range(5)))  # => [0, 1, 4, 9, 16]
print(dpfw.map(math.factorial, range(6)))  # => [1, 1, 2, 6, 24, 120]


# Data may go through the ports, in a conversation.
def ask(question: int) -> Callable[[TextIOBase, TextIOBase], int]:
    def local(i: TextIOBase, o: TextIOBase) -> int:
        dpfw.write(question, o)
        answer: int = dpfw.read(i)
        return answer

    return local


SQUARE = "(fn [i o] (** (read i) 2))"
promises = [dpfw.make_task(SQUARE, ask(n)) for n in range(6)]
print(sorted(p.result() for p in as_completed(promises)))  # => [0, 1, 4, 9, 16, 25]

# The error of an item can be in the place of its result.
for result in dpfw.imap("(fn [x] (/ 6 x))", [3, 0, 2], errors="return"):
    print(result)
# => 2.0
# => item 1: division by zero
# => 3.0

dpfw.close()
