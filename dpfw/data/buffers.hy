"How packed data begin, and the buffers that they are."

(import
  itertools [groupby]
  dpfw.data.column-kinds [ALIGNMENT]
  dpfw.data.sexp [write-datum])

(setv
  MARK b"\xff"
  ; Bytes, from which on a buffer is worth to be handed on without copying it, and
  ; what is made of them so many objects that a look for cycles among them takes time.
  LARGE 65,536)


(defn header [plan]
  "The line that packed data begin with: the plan, or another datum that tells what
  follows."
  ; The columns begin at a multiple of `ALIGNMENT`.
  (setv text (+ MARK (.encode (write-datum plan))))
  (+ text (* b" " (% (- -1 (len text)) ALIGNMENT)) b"\n"))

(defn in-few [buffers]
  "The buffers, with those that are small joined."
  (setv all [])
  (for [[large run] (groupby buffers (fn [b] (>= (len b) LARGE)))]
    (if large
      (.extend all run)
      (.append all (.join b"" run))))
  all)
