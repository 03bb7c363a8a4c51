"A local procedure takes over from who receives for all, and gives back, in the middle of
what the slave says of other things."

(import
  pytest
  dpfw.master [read read-result]
  dpfw.net.about [own-about]
  tests.helpers [holds until]
  tests.processes [WAIT false-slave launched run-task])

(defn [pytest.fixture] facing []
  (with [[master slave] (false-slave :about (own-about))]
    (yield #(master slave))))

(defn play [i o]
  (read i))

(defn next-number [slave]
  "The number of the task that comes next."
  (while True
    (setv [kind number _] (.receive-header slave))
    (.receive-payload slave)
    (when (= kind "task")
      (return number))))

(setv TEXT (+ b"[\"stdout\" \"" (* b"x" 1000) b"\\n\"]"))

(defn output []
  "What a thread prints that a remote has left."
  (+ (.encode f"(output 0 {(len TEXT)})\n") TEXT))

(defn test-half-of-a-frame-has-come-before [facing]
  (setv [master slave] facing
        shown [])
  (setv master.output (fn [_ stream line] (.append shown line)))
  (.sendall slave.sock (cut (output) 500))
  (until (fn [] (. (get (.slaves master) 0) session connection header)))
  (setv promise (.make-task master "(fn [i o] 1)" play)
        n (next-number slave))
  (.sendall slave.sock (cut (output) 500 None))
  (.send slave "end" n b"11")
  (holds (.result promise WAIT) 11)
  ; And who receives for all finds the beginning of a frame.
  (setv promise (.make-task master "(fn [i o] 2)" read-result))
  (.send slave "end" (next-number slave) b"22")
  (holds (.result promise WAIT) 22)
  (until (fn [] shown))
  (holds (lfor  line shown  (len line)) [1000]))

(defn test-what-comes-in-one-piece-with-the-end-is-heard [facing]
  (setv [master slave] facing
        promise (.make-task master "(fn [i o] 1)" play)
        n (next-number slave))
  (.sendall slave.sock (.encode f"(end {n} 2)\n11(leave 0 0)\n"))
  (holds (.result promise WAIT) 11)
  (until (fn [] (not (.slaves master)))))

(defn test-a-child-that-prints-meanwhile-costs-no-slave []
  (with [[master [slave]] (launched 1)]
    (setv lines []
          master.output (fn [_ stream line] (.append lines line))
          child (run-task master '(fn [i o]
            (import subprocess)
            (. (subprocess.Popen ["sh" "-c" "while echo one line of some length; do :; done"]) pid))))
    (until (fn [] lines))
    (for [n (range 60)]
      (holds (run-task master `(fn [i o] ~n) play) n)
      (holds (run-task master `(fn [i o] ~n)) n))
    (run-task master `(fn [i o] (import os signal) (os.kill ~child signal.SIGKILL)))
    (holds (.slaves master) [slave])))
