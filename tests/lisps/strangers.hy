"What the tests of masters in other languages share. Each test needs a program of
Debian's, and is skipped where that is not installed."

(import
  contextlib [contextmanager]
  os
  re
  shutil
  socket
  subprocess
  pytest
  tests.helpers [WAIT all-from begin line-from outcome]
  tests.tls-strangers [MiddleMan])
(require hyrule.control [unless])

(setv
  IDS (+ "\"" (* "b0" 16) "\" \"" (* "b1" 16) "\"")
  ; What a dialler may hear that is no slave with the same cookie.
  FALSE-ANSWERS {
    "a proof that is none"  f"(dpfw 1 slave {IDS} \"{(* "0" 64)}\")\n"
    "no proof"              f"(dpfw 1 slave {IDS} \"\")\n"
    "another protocol"      "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
    "a line without an end" (* "(" 5000)})


(defn needs [#* names]
  "Skip the test unless these programs are here."
  (for [name names]
    (unless (shutil.which name)
      (pytest.skip f"there is no {name}; on Debian: apt-get install racket emacs-nox chicken-bin libssl-dev"))))

(defn run [command [input ""] #** environment]
  "Run a program to its end; gives its status, output and errors."
  (setv command (list (map str command)))
  (subprocess.run command :input input :env {#** os.environ  #** environment}
    :capture-output True :text True :encoding "utf-8" :timeout WAIT))

(defn ended-well [run]
  (assert (= run.returncode 0) f"{run.args}\n{run.stdout}\n{run.stderr}")
  run)

(defn ended-badly [run why]
  (assert (!= run.returncode 0) f"it ended well: {run}")
  (assert (in why (+ run.stdout run.stderr)) f"{why !r} is not in {run}"))


;; * Who is no slave

(defn [contextmanager] false-slave [answer]
  "Gives the port of somebody who answers a dialler so, and a procedure that gives
  what the dialler said to that, when it has hung up."
  (defn serve []
    (setv [sock _] (.accept listener))
    (with [_ sock]
      (.settimeout sock WAIT)
      (line-from sock)
      (.sendall sock (.encode answer))
      (all-from sock)))
  (with [listener (socket.create-server #("127.0.0.1" 0))]
    (.settimeout listener WAIT)
    (setv future (begin serve))
    (yield #((get (.getsockname listener) 1) (fn [] (outcome future))))))

(defn finds-out-false-slaves [dial]
  "Check that a master, dialled by `(dial host port)`, fails with each of them, and
  gives away no proof and no task."
  (for [[name answer] (.items FALSE-ANSWERS)]
    (with [[port said] (false-slave answer)]
      (setv run (dial "127.0.0.1" port)
            said (said))
      (assert (!= run.returncode 0) f"{name}: it ended well: {run}")
      (assert (or (= said b"") (.startswith said b"(refused \"")) f"{name}: it said {said}")
      (assert (re.search "no slave|cookies differ" (+ run.stdout run.stderr) re.I) f"{name}: {run}"))))

(defn finds-out-a-middle-man [a b port dial]
  "Check that a master on machine `a` does not speak through a man in the middle with
  the slave on machine `b`."
  (with [man (MiddleMan (.listener b) (.dialler b #(b.address port)))]
    (ended-badly (dial #* man.address) "somebody stands between")
    (assert (.startswith man.seen b"(dpfw 1 ") man.seen)
    (for [word [b"(proof" b"(task"]]
      (assert (not-in word man.seen) man.seen))))
