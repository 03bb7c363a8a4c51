"Many slaves on one master, in small: a hundred that know docs/protocol.md and nothing of
dpfw, in two processes. ``make scaling`` has a thousand, and a clock."

(import
  contextlib [ExitStack]
  errno
  os
  socket
  pytest
  dpfw.dispatch.promise [force]
  dpfw.errors [LaunchError]
  dpfw.launch [dpfw-launch]
  dpfw.master [Master read-result]
  bench.light [Process]
  tests.helpers [holds until])

(setv
  MANY 100
  HALF (// MANY 2)
  REMOTE '(fn [i o] (+ 2 3)))

(defn crowd [address tls name]
  "A process with half of them, which are to dial."
  (Process [{"host" (get address 0)  "port" (get address 1)  "cookie" (get os.environ "DPFW_COOKIE")
             "n" HALF  "tls" tls  "name" name}]))

(defn of-master [master n]
  (until (fn [] (= (len (.slaves master)) n))))

(defn [(pytest.mark.parametrize "tls" [False True])] test-a-crowd-comes-works-dies-and-comes-back [tls caplog]
  (with [stack (ExitStack)]
    (setv master (.enter-context stack (Master))
          address (.listen master :host "127.0.0.1")
          pipes (lfor  name ["a" "b"]  (.enter-context stack (crowd address tls name))))
    (for [pipe pipes]
      (holds (.recv pipe) "ready"))
    ; All at once.
    (for [pipe pipes]
      (.send pipe "go"))
    (for [pipe pipes]
      (setv came (.recv pipe))
      (holds #((get came "dials") (get came "hang-ups") (get came "refusals")) #(HALF 0 [])))
    (of-master master MANY)
    (holds (len (sfor  slave (.slaves master)  slave.name)) MANY)
    (holds (.broadcast master REMOTE) (* [5] MANY))
    (setv xs (list (range 1000)))
    (holds (.map master '(fn [x] x) xs :chunk-size 2) xs)
    ; A master goes, and another comes to its place, in which all find it.
    (.close master)
    (setv again (.enter-context stack (Master)))
    (.listen again (get address 1) :host "127.0.0.1")
    (of-master again MANY)
    (holds (sum (gfor  pipe pipes  (len (get (.recv pipe) "refusals")))) 0)
    ; Half of them die in one instant, each in the middle of a task.
    (setv promises (lfor
      _ (range MANY)
      (.make-task again '(fn [i o] (hy.I.time.sleep 0.5) 5) read-result :retries 2)))
    (.send (get pipes 0) "die")
    (of-master again HALF)
    (holds (list (map force promises)) (* [5] MANY))
    (holds (sfor  slave (.slaves again)  (get slave.name 0)) #{"b"})))


(defn no-more [#* _  #** options]
  (raise (OSError errno.EMFILE (os.strerror errno.EMFILE))))

(defn test-who-cannot-open-more-files-is-told-what-to-type [monkeypatch]
  (with [master (Master)]
    (monkeypatch.setattr socket "socket" no-more)
    (with [_ (pytest.raises OSError :match "cannot connect to 127.0.0.1:1: Too many open files; this process may have [0-9]+ at once")]
      (.connect master "127.0.0.1" 1))
    (monkeypatch.undo)
    (monkeypatch.setattr socket "socketpair" no-more)
    (with [_ (pytest.raises LaunchError :match "a launched slave did not come up: .*Too many open files; this process may have [0-9]+ at once")]
      (dpfw-launch 1 master))
    (monkeypatch.undo)))
