"""The same from plain Python. Names are mangled: dpfw-make-task is dpfw_make_task.

Run it with: python examples/from_python.py
"""

from concurrent.futures import as_completed

from dpfw.launch import dpfw_launch
from dpfw.master import (
    dpfw_close,
    dpfw_make_task,
    dpfw_parallel,
    force,
    read,
    read_result,
    write,
)

dpfw_launch(2)

# A remote is source text.
t = dpfw_make_task("(fn [i o] (+ 2 3))", read_result)
print(force(t))  # => 5

print(
    dpfw_parallel(
        [
            ("(fn [i o] (+ 2 1))", read_result),
            ("(fn [i o] (+ 5 5))", read_result),
        ]
    )
)  # => [3, 10]


# Data goes through the ports; there is no need to write it into the text.
def ask(question):
    def local(i, o):
        write(question, o)
        return read(i)

    return local


FACTORIAL = "(fn [i o] (import math) (math.factorial (read i)))"

# A promise is a concurrent.futures.Future.
promises = [dpfw_make_task(FACTORIAL, ask(n)) for n in range(6)]
print(sorted(p.result() for p in as_completed(promises)))  # => [1, 1, 2, 6, 24, 120]

dpfw_close()
