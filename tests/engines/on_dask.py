"""Programs for test_dask.hy: each has slaves on a real cluster, and prints what came of it.

A process of its own for each, since Dask's clients and clusters leave threads, and a
process that tracks resources, to the end of theirs.
"""

import json
import os
import random
import signal
import sys
import threading
import time
from contextlib import contextmanager

from on_engines import PIDS, WAIT, Kept, error_of, gone, pids, there, until

import dpfw

LOCAL = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": 50}

@contextmanager
def cluster(n, patience="300s", **options):
    """``patience`` is how long it waits for a worker to be back before it gives it up. On
    a machine with more to do, one that was killed may take its time."""
    import dask
    from distributed import Client, LocalCluster

    dask.config.set({"distributed.deploy.lost-worker-timeout": patience})
    with LocalCluster(n_workers=n, **LOCAL, **options) as local, Client(local) as client:
        yield local, client


# -- What every test run sees -------------------------------------------------


def life():
    """From the launch to the end, with deaths of both kinds."""
    log = Kept()
    told = {}
    with cluster(2) as (_, client):
        told["no client"] = error_of(dpfw.launch_dask, "tcp://127.0.0.1:1", 1)
        slaves = dpfw.launch_dask(client, 2, name="w", labels=["far"], env={"OF": "ours"})
        told["names"] = [slave.name for slave in slaves]
        told["labelled"] = dpfw.map("(fn [x] (* x x))", range(5), on="far")
        told["env"] = dpfw.broadcast('(fn [i o] (import os) (get os.environ "OF"))')
        one, worker = dpfw.make_task(PIDS, dpfw.read_result, slaves[0]).result(WAIT)
        told["workers"] = worker in client.run(os.getpid).values()
        told["durations"] = client.run_on_scheduler(
            lambda dask_scheduler: [
                ts.prefix.duration_average for ts in dask_scheduler.tasks.values()
            ]
        )
        told["no room"] = error_of(dpfw.launch_dask, client, 1, timeout=0.5)
        told["there"] = len(dpfw.slaves())

        crash = "(fn [i o] (import os signal) (os.kill (os.getpid) signal.SIGSEGV))"
        task = dpfw.make_task(crash, dpfw.read_result, slaves[1])
        told["crash"] = str(task.exception(WAIT))
        there(2)

        # It holds its interpreter, when its worker is killed.
        task = dpfw.make_task(
            "(fn [i o] ((. (hy.I.ctypes.PyDLL None) sleep) 60))",
            dpfw.read_result,
            slaves[0],
        )
        time.sleep(0.2)
        os.kill(worker, signal.SIGKILL)
        until(lambda: gone(one))
        told["lost"] = [type(task.exception(WAIT)).__name__, slaves[0].lost]
        until(lambda: any("worker is lost" in said for said in log.said))
        told["on"] = sum(dpfw.map("(fn [x] x)", range(100), retries=2))

        ended = [slave for slave, _ in pids()]
        dpfw.close()
        until(lambda: not any(client.processing().values()))
        told["left"] = [pid for pid in ended if not gone(pid)]
    told["closed"] = error_of(dpfw.launch_dask, client, 1)
    told["log"] = [said for said in log.said if "place" in said]
    return told


# -- What `make test-engines` sees --------------------------------------------


def storm():
    """A worker is killed every second, as long as a second one is at work: on a machine
    that takes longer to start four than to kill them, nothing would ever be done."""
    with cluster(4) as (_, client):
        dpfw.launch_dask(client, 4, timeout=WAIT)
        over = threading.Event()
        workers = set()  # on which a slave has done a task
        kills = []
        ends = []

        def note(task):
            ends.append(task)
            workers.add(task.result()[1])

        def strike():
            while not over.wait(1):
                at_work = sorted(workers.difference(kills))
                if len(at_work) > 1:
                    kills.append(random.choice(at_work))
                    os.kill(kills[-1], signal.SIGKILL)

        striker = threading.Thread(target=strike)
        striker.start()
        tasks = []
        for n in range(5000):
            text = f"(fn [i o] (import os time) (time.sleep 0.005) [{n} (os.getppid)])"
            tasks.append(dpfw.make_task(text, dpfw.read_result, retries=2))
            tasks[-1].add_done_callback(note)
        wrong = [n for n, task in enumerate(tasks) if task.result(4 * WAIT)[0] != n]
        over.set()
        striker.join()
        there(4)
        waiting = len(dpfw.tasks())
        slaves = [slave for slave, _ in pids()]
        dpfw.close()
        until(lambda: not any(client.processing().values()))
        return {
            "wrong": wrong,
            "ends": [len(ends), len(set(map(id, ends)))],
            "kills": len(kills),
            "waiting": waiting,
            "left": [pid for pid in slaves if not gone(pid)],
        }


def adapt():
    """Up from nothing, as many as there are slaves, down with them; a worker that retires
    first finishes what its slave runs."""
    with cluster(0, patience="1s") as (local, client):
        local.adapt(minimum=0, maximum=4, interval="200ms", wait_count=2)
        slaves = dpfw.launch_dask(client, 3, timeout=WAIT)
        time.sleep(2)  # it looks ten times whether some are idle
        told = {"up": [len(local.workers), len(dpfw.slaves())]}
        for slave in slaves[:2]:
            dpfw.drain(slave)
        until(lambda: len(local.workers) == 1)
        told["down"] = [slaves[2].lost, len(dpfw.slaves())]

        tasks = [
            dpfw.make_task(
                f"(fn [i o] (import time) (time.sleep 0.05) {n})", dpfw.read_result
            )
            for n in range(40)
        ]
        time.sleep(0.2)
        client.retire_workers(list(client.scheduler_info()["workers"]))
        told["retired"] = [task.result(WAIT) for task in tasks] == list(range(40))
        there(1)
        told["replaced"] = slaves[2].lost
        dpfw.close()
        until(lambda: not local.workers)
        return told


def restart():
    """`client.restart`, and then the loss of all workers, and of the scheduler."""
    log = Kept()
    with cluster(2) as (local, client):
        dpfw.launch_dask(client, 2, timeout=15)
        before = {pid for pid, _ in pids()}
        client.restart()
        there(2)
        told = {
            "anew": before.isdisjoint(pid for pid, _ in pids()),
            "right": dpfw.map("(fn [x] x)", range(100), retries=2) == list(range(100)),
        }
        local.scale(0)
        there(0)
        task = dpfw.make_task("(fn [i o] 1)", dpfw.read_result)
        until(lambda: any("has 0 workers" in said for said in log.said))
        told["launch"] = error_of(dpfw.launch_dask, client, 1, timeout=0.5)
        local.scale(1)
        told["again"] = task.result(WAIT)
        client.close()
        there(0)
        until(lambda: any("has none in its place" in said for said in log.said))
        told["closed"] = error_of(dpfw.launch_dask, client, 1)
    dpfw.close()
    return told


def bare():
    """Workers on which dpfw is not installed, or cannot dial this process."""

    def hide():
        for name in list(sys.modules):
            if name.startswith("dpfw."):
                del sys.modules[name]
        sys.modules["dpfw"] = None

    with cluster(1) as (_, client):
        told = {
            "deaf": error_of(dpfw.launch_dask, client, 1, host="192.0.2.77", timeout=30),
            "unknown": error_of(dpfw.launch_dask, client, 1, host="no.such.invalid"),
        }
        client.run(hide)
        told["bare"] = error_of(dpfw.launch_dask, client, 1)
    return told


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))
