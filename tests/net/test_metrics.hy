"Metrics of masters and slaves, as Prometheus gets them."

(import
  socket
  sys
  urllib.request [urlopen]
  pytest
  dpfw.errors [AddressError]
  dpfw.master [Master read-result]
  tests.helpers [holds message]
  tests.processes [ended run-task slave-process slave-server])

(defn metrics [url]
  "A dict from the name of each to its value, as text."
  (with [answer (urlopen url :timeout 20)]
    (dfor  line (.splitlines (.decode (.read answer)))
      :if (not (.startswith line "#"))
      :setv [name value] (.rsplit line " " 1)
      name value)))

(defn test-a-master-has-them-until-it-closes []
  (with [[_ host port] (slave-server)  master (Master)]
    (.connect master host port)
    (run-task master '(fn [i o] 1))
    (.exception (.make-task master '(fn [i o] (/ 1 0)) read-result))
    (setv [where its-port] (.metrics master 0)
          got (metrics f"http://{where}:{its-port}/metrics"))
    (holds where "127.0.0.1")
    (holds (lfor  name ["dpfw_tasks_done_total" "dpfw_tasks_failed_total" "dpfw_line" "dpfw_sessions{state=\"idle\"}"]
             (get got name))
      ["1.0" "1.0" "0.0" "1.0"])
    (assert (not-in "dpfw_table_keys" got) got)
    (with [raised (pytest.raises AddressError)]
      (.metrics master its-port))
    (message raised f"{where}:{its-port}" "give another port"))
  (with [_ (pytest.raises ConnectionRefusedError)]
    (socket.create-connection #(where its-port) 20)))

(defn test-a-slave-has-them-at-the-command-line []
  (with [process (slave-process "0" "--host" "127.0.0.1" "--metrics" "0")]
    (setv url (get (.split (.readline process.stdout)) -1))
    (assert (.startswith url "http://127.0.0.1:") url)
    (holds (get (metrics url) "dpfw_table_keys") "0.0")
    (assert (any (gfor  name (metrics url)  (and (.startswith name "dpfw_info{") (in "role=\"slave\"" name)))))))

(defn test-a-port-that-is-none []
  (with [process (slave-process "0" "--metrics" "99999")]
    (setv [status out err] (ended process))
    (holds #(status out) #(1 ""))
    (assert (in "99999 is no port" err) err)))

(defn test-without-prometheus-client-it-says-what-to-install [monkeypatch]
  (monkeypatch.setitem sys.modules "prometheus_client" None)
  (with [master (Master)  raised (pytest.raises ImportError)]
    (.metrics master 0))
  (message raised "pip install 'dpfw[metrics]'"))
