"What a process says on its standard error."

(import
  contextlib [contextmanager]
  os
  select
  subprocess
  sys
  threading
  dpfw.engines [keeper]
  dpfw.net.node [Node]
  dpfw.processes.last-words [KEPT LAST LONGEST TOLD LastWords]
  tests.helpers [WAIT begin holds outcome until])

(defn [contextmanager] listening [show]
  "Gives the last words from a pipe, and the descriptor to say them on."
  (setv [from to] (os.pipe))
  (with [node (Node "master" None None)]
    (setv words (LastWords (open from "rb" :buffering 0) node show))
    (try
      (yield #(words to))
      (finally
        (os.close to)
        (.close words)))))

(defn test-each-line-is-shown-and-the-last-are-kept []
  (setv shown [])
  (with [[words to] (listening shown.append)]
    (for [piece [b"on" b"e\r\ntwo \x1b[31m\xff\n\n" (* b"x" (+ LONGEST 1)) b"\nunfinished"]]
      (os.write to piece))
    (until (fn [] (= (len shown) 5)))
    (.close words)
    (until (fn [] (= (len shown) 6))))
  (holds shown ["one" "two \x1b[31m\ufffd" "" (* "x" LONGEST) "x" "unfinished"])
  (holds (.said words) (.join " / " ["one" "two \\x1b[31m\ufffd" (* "x" TOLD) #* (cut shown 4 None)])))

(defn test-only-so-many-are-kept []
  (with [[words to] (listening (fn [_]))]
    (os.write to (.join b"" (gfor  n (range 300)  (b% n))))
    (.close words)
    (holds (len words.kept) KEPT)
    (holds (.excerpt words) (lfor  n (range (- 300 LAST) 300)  f"line {n}"))
    (holds (.said words) (.join " / " (.excerpt words)))))

(defn b% [n]
  (.encode f"line {n}\n"))

(defn test-who-cannot-show-more-is-told-no-more []
  (setv shows (threading.Event)
        may-go (threading.Event))
  (defn show [_]
    (.set shows)
    (assert (.wait may-go WAIT)))
  (with [[words to] (listening show)]
    (defn watched []
      (in (.fileno words.pipe) words.reactor.calls))
    (assert (watched))
    (os.write to b"one\n")
    (assert (.wait shows WAIT))
    (assert (not (watched)))
    (.set may-go)
    (until watched)))

;; A child of a process that has ended, which has the pipe open as well and says ever more

(defn [contextmanager] babbler []
  (with [process (subprocess.Popen ["sh" "-c" "exec yes >&2"] :stderr subprocess.PIPE :bufsize 0)]
    (try
      (yield process)
      (finally
        (.kill process)))))

(defn test-who-never-stops-saying-something-is-not-heard-to-the-end []
  (with [node (Node "master" None None)  process (babbler)]
    (setv words (LastWords process.stderr node (fn [_])))
    (until (fn [] words.kept))
    (outcome (begin words.close))
    (holds (.said words) (.join " / " (* ["y"] LAST)))))

(defn test-nor-does-that-keep-the-task-of-an-engine-from-its-end [monkeypatch]
  (with [devnull (open os.devnull "w")  process (babbler)]
    (monkeypatch.setattr sys "stderr" devnull)
    (assert (get (select.select [process.stderr] [] [] WAIT) 0))
    (holds (outcome (begin keeper.attend process (fn [] "no"))) (* ["y"] KEPT))
    (holds process.returncode -15)))

(defn test-what-fails-to-show-a-line-stops-no-other [caplog]
  (setv shown [])
  (defn show [line]
    (when (= line "bad")
      (raise (OSError "no room")))
    (.append shown line))
  (with [[_ to] (listening show)]
    (os.write to b"good\nbad\nbetter\n")
    (until (fn [] (= shown ["good" "better"]))))
  (assert (in "no room" caplog.text) caplog.text))
