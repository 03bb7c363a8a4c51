"Metrics of a master or a slave, for Prometheus: its status, over HTTP, on loopback."

(import
  dpfw.net.addresses [resolve unusable])
(eval-when-compile (require hyrule.control [unless]))

(setv
  HOST "127.0.0.1"
  ADVICE "metrics need prometheus-client; install it with: pip install 'dpfw[metrics]'"
  GAUGES {
    "up" ["dpfw_up_seconds" "Seconds since the process joined the network"]
    "memory" ["dpfw_memory_bytes" "Bytes that the process has in memory"]
    "line" ["dpfw_line" "Tasks that wait for any slave"]
    "keys" ["dpfw_table_keys" "Keys of the slave's hash table"]}
  COUNTERS {
    "done" ["dpfw_tasks_done" "Tasks that ended in a result"]
    "failed" ["dpfw_tasks_failed" "Tasks that ended in an error"]})


(defn serve-metrics [node port]
  "Serve the metrics of a node until it closes; returns the host and port. Port 0 is any
  free one. Raises `AddressError`, and `ImportError` without prometheus-client."
  (try
    (import prometheus-client [CollectorRegistry start-http-server])
    (except [e ImportError]
      (raise (ImportError ADVICE) :from e)))
  (resolve HOST port)  ; that is, check
  (setv registry (CollectorRegistry))
  (.register registry (Collector node))
  (try
    (setv [server thread] (start-http-server port :addr HOST :registry registry))
    (except [e OSError]
      (raise (unusable e port HOST) :from e)))
  (.at-close node (fn []
    (.shutdown server)
    (.server-close server)
    (.join thread)))
  (cut server.server-address 2))


(defclass Collector []
  "What Prometheus asks, as often as it does."

  (defn __init__ [self node]
    (setv self.node node))

  (defn collect [self]
    (import prometheus-client.core [CounterMetricFamily GaugeMetricFamily InfoMetricFamily])
    (setv status (self.node.status))
    (for [[made families] [[GaugeMetricFamily GAUGES] [CounterMetricFamily COUNTERS]]]
      (for [[key [name help]] (.items families)]
        (unless (is (.get status key) None)
          (yield (made name help :value (get status key))))))
    (setv sessions (GaugeMetricFamily "dpfw_sessions" "Sessions, by their state" :labels ["state"])
          states (lfor  session (get status "sessions")  (get session "state")))
    (for [state (sorted (set states))]
      (.add-metric sessions [state] (.count states state)))
    (yield sessions)
    (yield (InfoMetricFamily "dpfw" "What the process is" {
      "role" (get status "role")
      #** (dfor  key ["dpfw" "hy" "python" "host"]  key (get status "about" key))}))))
