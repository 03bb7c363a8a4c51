"""Programs for test_others.hy, as those in on_dask.py."""

import json
import os
import signal
import sys

from on_engines import Kept, error_of, gone, pids, there, until

import dpfw


def life(launch):
    """From the launch to the end, with deaths of both kinds; two slaves have room."""
    log = Kept()
    told = {"names": [slave.name for slave in launch(2, name="w")]}
    told["no room"] = error_of(launch, 1, timeout=1)
    (one, worker), (other, _) = pids()
    os.kill(other, signal.SIGSEGV)
    until(lambda: any("SIGSEGV" in said for said in log.said))
    there(2)
    os.kill(worker, signal.SIGKILL)
    until(lambda: gone(one))
    told["right"] = dpfw.map("(fn [x] x)", range(100), retries=2) == list(range(100))
    ended = [slave for slave, _ in pids()]
    dpfw.close()
    until(lambda: all(map(gone, ended)))
    return told


def ray():
    import ray

    told = {"nowhere": error_of(dpfw.launch_ray, 1)}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        told |= life(dpfw.launch_ray)
    finally:
        ray.shutdown()
    return told


def ipyparallel():
    import ipyparallel

    told = {"nowhere": error_of(dpfw.launch_ipyparallel, "a client", 1)}
    cluster = ipyparallel.Cluster(n=2, log_level=40)
    client = cluster.start_and_connect_sync(n=2)
    try:
        told |= life(lambda n, **options: dpfw.launch_ipyparallel(client, n, **options))
    finally:
        client.close()
        cluster.stop_cluster_sync()
    return told | {"closed": error_of(dpfw.launch_ipyparallel, client, 1)}


if __name__ == "__main__":
    print(json.dumps(globals()[sys.argv[1]]()))
