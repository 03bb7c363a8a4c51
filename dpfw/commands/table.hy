"A status as people read it: a few lines of text and a table, as texts."

(import
  dpfw.net.about [VERSIONS telling])

(setv
  COLUMNS {
    ; Of a master's slaves, and a slave's masters.
    "master" ["slave" "process" "state" "task" "busy" "done" "failed" "per s" "line" "memory" "versions"]
    "slave" ["master" "process" "state" "busy" "done" "failed" "per s" "versions"]}
  TEXTS #{"slave" "master" "process" "state" "task" "versions"}
  NOTHING "-")


(defn with-rates [status before]
  "The same status, with how many tasks ended in a second: since the status before, or if
  that is None, since the sessions began."
  (setv then (if before (dfor  s (get before "sessions")  (get s "peer") s) {})
        passed (if before (- (get status "up") (get before "up")) 0))
  (for [session (get status "sessions")]
    (setv earlier (.get then (get session "peer"))
          [n seconds] (if earlier
            [(- (ended session) (ended earlier)) passed]
            [(ended session) (get session "age")])
          (get session "per-second") (round (/ n (max seconds 0.001)) 3)))
  status)

(defn ended [session]
  (+ (get session "done") (get session "failed")))


(defn summary [status]
  "What is to be said of the process itself, as lines."
  (setv about (get status "about")
        versions (.join ", " (gfor  [key name] (.items VERSIONS)  :if (in key about)
                               f"{name} {(get about key)}"))
        line (get status "line")
        keys (get status "keys"))
  [f"{(get status "role")} {(who about)}, up {(duration (get status "up"))}, {(memory (get status "memory"))}; {versions}"
   (.join "; " [
     (if (get status "listens")
       f"listens on {(.join ", " (get status "listens"))}"
       "listens nowhere")
     #* (if (is line None) [] [(+ (plural line "task") (if (= line 1) " waits in line" " wait in line"))])
     #* (if (is keys None) [] [f"{(plural keys "key")} in its table"])
     f"{(plural (get status "done") "task")} done, {(get status "failed") :,} failed"])])

(defn columns [status]
  (get COLUMNS (get status "role")))

(defn rows [status]
  "A list of texts for each session, of as many as there are columns."
  (lfor
    session (get status "sessions")
    :setv texts (cells session (get status "about"))
    (lfor  column (columns status)  (get texts column))))

(defn cells [session mine]
  (setv about (get session "about")
        labels (.get about "labels")
        other (+ (or (.get about "name") (get session "peer"))
                 (if labels f" ({(.join ", " labels)})" "")))
  {"slave" other
   "master" other
   "process" (if about (who about) NOTHING)
   "state" (get session "state")
   "task" (or (get session "task-name") (or-nothing str (get session "task")))
   "busy" (or-nothing duration (get session "busy"))
   "done" f"{(get session "done") :,}"
   "failed" f"{(get session "failed") :,}"
   "per s" f"{(get session "per-second") :,.1f}"
   "line" (or-nothing str (get session "line"))
   "memory" (memory (get session "memory"))
   "versions" (versions about mine)})

(defn versions [theirs mine]
  "Of the other end, those that differ."
  (setv known (lfor  key VERSIONS  :if (and (in key theirs) (in key mine))  key))
  (if known
    (or (.join ", " (gfor
          key known
          :if (!= (telling key (get theirs key)) (telling key (get mine key)))
          f"{(get VERSIONS key)} {(get theirs key)}"))
        "the same")
    NOTHING))

(defn who [about]
  (if (in "host" about)
    f"{(get about "host")}/{(.get about "pid" "?")}"
    "of unknown host"))

(defn or-nothing [show x]
  (if (is x None) NOTHING (show x)))

(defn memory [n]
  "::

    (memory 45000000)  ; => \"45.0 MB\""
  (or-nothing (fn [n] f"{(/ n 1000000) :,.1f} MB") n))

(defn duration [seconds]
  "As clocks show it. ::

    (duration 42.7)   ; => \"0:42\"
    (duration 7325)   ; => \"2:02:05\"
    (duration 90061)  ; => \"1 d 1:01:01\""
  (setv [minutes s] (divmod (int seconds) 60)
        [hours m] (divmod minutes 60)
        [days h] (divmod hours 24))
  (cond
    days f"{days :,} d {h}:{m :02}:{s :02}"
    h f"{h}:{m :02}:{s :02}"
    True f"{m}:{s :02}"))

(defn plural [n noun]
  f"{n :,} {noun}{(if (= n 1) "" "s")}")


(defn as-text [status]
  "All of it, as plain text."
  (setv
    head (columns status)
    lines [head #* (rows status)]
    widths (lfor  n (range (len head))  (max (gfor  line lines  (len (get line n))))))
  (.join "\n" [
    #* (summary status)
    ""
    #* (gfor
      line lines
      (.rstrip (.join "  " (gfor
        [name cell width] (zip head line widths)
        (if (in name TEXTS) (.ljust cell width) (.rjust cell width))))))]))

(defn as-renderable [status]
  "The same, for rich."
  (import
    rich.console [Group]
    rich.table [Table]
    rich.text [Text])
  (setv table (Table :box None :padding #(0 2 0 0)))
  (for [name (columns status)]
    (.add-column table name :justify (if (in name TEXTS) "left" "right") :no-wrap True))
  (for [row (rows status)]
    ; As `Text`, since brackets in a cell would be taken for a style.
    (.add-row table #* (gfor
      [name cell] (zip (columns status) row)
      (Text cell :style (style name cell)))))
  (Group #* (map Text (summary status)) (Text) table))

(defn style [name cell]
  (cond
    (and (= name "state") (= cell "busy")) "green"
    (and (= name "failed") (!= cell "0")) "red"
    (and (= name "versions") (!= cell "the same")) "yellow"
    True ""))
