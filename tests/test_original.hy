"The examples of the original, pasted as they stand into a REPL, against a slave
at the command line."

(import
  re
  subprocess
  sys
  tests.processes [WAIT slave-server])

(setv SESSION #[session[(import dpfw.master *)
(do (dpfw-master-client "HOST" PORT) None)
(setv t (dpfw-make-task `(fn [i o] (+ 2 3)) read-result))
(force t)  ; => 5

(dpfw-parallel `[[(fn [i o] (+ 2 1)) ~read-result]
                 [(fn [i o] (+ 5 5)) ~read-result]])  ; => [3 10]

(setv slave (dpfw-get-slave))
(force (dpfw-make-task
  `(fn [i o]
     (hash-table-update!/default (dpfw-slave-ht) 'uniqID values
       (let [n 0] (fn [] (nonlocal n) (+= n 1) n)))
     True)
  read-result slave))
(force (dpfw-make-task `(fn [i o] ((hash-table-ref (dpfw-slave-ht) 'uniqID))) read-result slave))  ; => 1
(force (dpfw-make-task `(fn [i o] ((hash-table-ref (dpfw-slave-ht) 'uniqID))) read-result slave))  ; => 2
]session])

(defn test-the-examples-pasted-into-a-repl-give-their-values []
  (with [[_ host port] (slave-server)]
    (setv got (subprocess.run [sys.executable "-m" "hy" "-i"]
      :input (.replace (.replace SESSION "HOST" host) "PORT" (str port))
      :capture-output True :text True :timeout WAIT)
          values (re.findall r"^(?:=> |\.\.\. )+([^\s].*)$" got.stdout re.MULTILINE))
    (assert (= values ["5" "[3 10]" "True" "1" "2"]) got)
    (assert (= got.returncode 0) got)))
