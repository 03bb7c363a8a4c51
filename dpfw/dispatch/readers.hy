"Local procedures that only read one result, and so need no thread.

`read-result` is known by its identity. The calls over collections have one of
their own. Each task gets a new reader, which whoever receives its answer feeds::

    feed data      bytes that the remote wrote; answers whether it wants no more
    value payload  the task's result; ``payload`` is the remote's own
    failed error   the remote has failed; gives the error that the task is to have
    apart          does `value` take long, or run whatever code, so that it needs a thread?

``sated`` is the receiver's: whether the remote was told that no more will come."

(import
  dpfw.data.codec [decode]
  dpfw.data.registered [UsersCode without-users-code]
  dpfw.data.sexp [read-datum]
  dpfw.errors [DatumSyntaxError])
(eval-when-compile (require hyrule.control [unless]))


(defclass ResultReader []
  "What `read-result` reads: the first line that is not blank. With a remote that
  writes nothing, that is its result."

  ; Of each reader; most are made only to be asked for a `value`.
  (setv
    text b""      ; the first line that is not blank, as far as it came
    whole False   ; is it all there,
    read False    ; and was it read?
    sated False
    result None)

  (defn feed [self data]
    (setv start 0)
    (while (not (or self.whole (= start (len data))))
      (setv line-feed (.find data b"\n" start)
            end (if (= line-feed -1) (len data) (+ line-feed 1)))
      (unless self.text
        (setv self.text (bytearray)))
      (+= self.text (cut data start end))
      (setv start end)
      (unless (= line-feed -1)
        (if (.isspace (.decode self.text))
          (setv self.text b"")
          (do
            (setv self.whole True)
            (.read-now self)))))
    self.whole)

  (defn read-now [self]
    "So that what is no datum ends the task. But if it is for a reader of a user's, who may
    not run here, `value` reads it."
    (try
      (setv self.result (without-users-code self.datum)
            self.read True)
      (except [UsersCode])))

  (defn value [self payload]
    (cond
      self.read self.result
      (or (not self.text) (.isspace (.decode self.text))) (decode payload)
      True (.datum self)))

  (defn datum [self]
    (try
      (read-datum (.decode self.text))
      (except [e DatumSyntaxError]
        (setv e.msg (+ e.msg ". The remote wrote this to its output, from which read-result reads a datum; "
          "have it write one, by (write x o), or read text with a local procedure of your own"))
        (raise))))

  (defn failed [self error]
    error)

  (defn apart [self]
    False))


(defclass Discarder []
  "Reads what nobody wants any more."

  (setv sated True)

  (defn feed [self data]
    False)

  (defn value [self payload])

  (defn failed [self error]
    error)

  (defn apart [self]
    False))
