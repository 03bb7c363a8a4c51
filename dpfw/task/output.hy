"What remotes print and log, as it travels: the payload of an ``output`` frame, a datum.

::

    [\"stdout\" \"a line\\nanother\\n\"]     what was printed; a line may lack its end
    [\"stderr\" \"a line\\n\"]
    [\"log\" \"name\" 30 \"message\" \"\"]     a log record: its logger, its level, what it
                                       says, and its traceback, mostly empty

A master takes these types exactly. The text is as the remote printed it: who shows it
escapes it (`escaped`)."

(import
  dpfw.data.sexp [read-standard write-datum]
  dpfw.errors [DatumSyntaxError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  STREAMS ["stdout" "stderr"]
  LONGEST (* 32 1024)  ; characters of a text, which a writer keeps to
  LONGEST-NAME 200     ; characters of a logger's name
  HIGHEST-LEVEL 1000)


(defn text-payload [stream text]
  "::

    (text-payload \"stdout\" \"a\\n\")  ; => b\"[\\\"stdout\\\" \\\"a\\\\n\\\"]\""
  (.encode (write-datum [stream text])))

(defn record-payload [name level message traceback]
  (.encode (write-datum ["log" name level message traceback])))

(defn read-output [payload]
  "The list that a payload is. Raises `ValueError`. ::

    (read-output b\"[\\\"stdout\\\" \\\"a\\\\n\\\"]\")  ; => [\"stdout\" \"a\\n\"]"
  (try
    (setv said (read-standard (str payload "utf-8")))
    (except [e [DatumSyntaxError]]
      (raise (ValueError (str e)) :from e)))
  (unless (and (is (type said) list) said (or (printed? said) (record? said)))
    (raise (ValueError "it is neither a text of a stream nor a log record")))
  said)

(defn printed? [said]
  (and (= (len said) 2)
       (in (get said 0) STREAMS)
       (is (type (get said 1)) str)))

(defn record? [said]
  (and (= (lfor  x said  (type x)) [str str int str str])
       (= (get said 0) "log")
       (let [[_ name level #* _] said]
         (and (<= (len name) LONGEST-NAME) (.isprintable name) (<= 0 level HIGHEST-LEVEL)))))
