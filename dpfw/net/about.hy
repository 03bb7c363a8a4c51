"What an end says of itself, once both have proved that they hold the cookie: a dict
on one line.

::

    {\"dpfw\" \"1.0.0\" \"hy\" \"1.1.0\" \"python\" \"3.11.7\" \"host\" \"node-b\" \"pid\" 4711 \"leave\" True}

Further words may stand there, and are passed over by who does not know them."

(import
  dpfw
  os
  socket
  sys
  dpfw.data.sexp [read-standard write-datum]
  dpfw.errors [DatumSyntaxError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  MAX-ABOUT 4096  ; bytes, line feed included
  LONGEST 100     ; characters of a text in it
  MOST-LABELS 20
  MAX-PID (** 2 32)
  VERSIONS {"dpfw" "dpfw"  "hy" "Hy"  "python" "Python"})


(defn own-about [#** more]
  "What this process says; ``more`` is what its user adds. Raises `ValueError`, as
  `about-line` does. ::

    (get (own-about :name \"gpu-1\") \"name\")  ; => \"gpu-1\""
  (setv about {
    "dpfw" dpfw.__version__
    "hy" hy.__version__
    "python" (get (.split sys.version) 0)
    "host" (cut (socket.gethostname) LONGEST)
    "pid" (os.getpid)
    "leave" True  ; it knows the frame of this kind
    #** more})
  (about-line about)
  about)

(defn about-line [about]
  "As a line, without its line feed. Raises `ValueError` if it is too long, or holds
  what the other end would not take."
  (setv line (write-datum (checked-about about)))
  (setv size (len (.encode line)))
  (unless (< size MAX-ABOUT)
    (raise (ValueError f"what this end says of itself takes {size} bytes, and may take {MAX-ABOUT}; shorten its name or labels")))
  line)

(defn read-about [line]
  "The dict in a line that came, as bytes. Raises `ValueError`."
  (try
    (checked-about (read-standard (str line "utf-8")))
    (except [e DatumSyntaxError]
      (raise (ValueError (str e)) :from e))))

(defn checked-about [about]
  ; It is shown to people and compared, so it has nothing that could play tricks there.
  (unless (and (isinstance about dict) (all (map text? about)))
    (raise (ValueError "what an end says of itself is a dict, whose keys are texts")))
  (for [[key value] (.items about)]
    (unless (cond
        (= key "pid") (and (is (type value) int) (<= 0 value MAX-PID))
        (= key "labels") (and (isinstance value list) (<= (len value) MOST-LABELS) (all (map text? value)))
        (= key "output") (is (type value) bool)
        (in key #{"dpfw" "hy" "python" "host" "name" "place"}) (text? value)
        True True)
      (raise (ValueError f"{value !r} cannot be the {key} of an end"))))
  about)

(defn text? [x]
  (and (is (type x) str) (<= (len x) LONGEST) (.isprintable x)))

(defn differences [mine theirs role]
  "How the versions of two ends differ, for people; an empty text if they do not. ``role``
  is this end's. Of Python, only the first two numbers count. ::

    (differences {\"hy\" \"1.1.0\" \"python\" \"3.11.7\"} {\"hy\" \"1.0.0\" \"python\" \"3.11.2\"} \"master\")
    ; => \"the slave has Hy 1.0.0, and this master 1.1.0\""
  (setv other (if (= role "master") "slave" "master"))
  (.join "; " (gfor
    [key name] (.items VERSIONS)
    :if (and (in key mine) (in key theirs)
             (!= (telling key (get mine key)) (telling key (get theirs key))))
    f"the {other} has {name} {(get theirs key)}, and this {role} {(get mine key)}")))

(defn telling [key version]
  (if (= key "python")
    (cut (.split version ".") 2)
    version))
