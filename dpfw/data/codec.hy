"A datum as bytes: as text or packed, whichever suits it and who reads it.

Small data go as text, which is faster then, and people may read it. A text in UTF-8
never begins with the byte that packed data begin with."

(import
  os
  dpfw.data.buffers [MARK]
  dpfw.data.packed [pack small? unpack]
  dpfw.data.sexp [read-datum write-datum]
  dpfw.errors [DatumSyntaxError SettingError])


(defn takes-packed? []
  "Does this process take packed data, and make them: unless ``$DPFW_TEXT`` is 1, for
  those who watch the wire. Raises `SettingError`."
  (setv text (os.environ.get "DPFW_TEXT" ""))
  (when (not-in text ["" "0" "1"])
    (raise (SettingError f"DPFW_TEXT is {text !r}; give it 1 to have all data travel as text")))
  (!= text "1"))

(defn encode [x [may-pack True]]
  "A value as a list of buffers; packed, if it is large and ``may-pack``. Raises
  `UnwritableError`. ::

    (encode [1 2])  ; => [b\"[1 2]\"]"
  (if (or (not may-pack) (small? x))
    [(.encode (write-datum x))]
    (pack x)))

(defn packed? [data]
  (= (cut data 1) MARK))

(defn decode [data]
  "The value of bytes, or what is like them. Raises `DatumSyntaxError`. ::

    (decode b\"[1 2]\")  ; => [1 2]"
  (if (packed? data)
    (unpack data)
    (read-datum (text-of data))))

(defn text-of [data]
  "The text that bytes, or what is like them, are. Raises `DatumSyntaxError`."
  (try
    (str data "utf-8")
    (except [e UnicodeDecodeError]
      (raise (DatumSyntaxError f"this is no text in UTF-8: {e}") :from e))))

(defn size-of [buffers]
  "The bytes in a list of buffers."
  (sum (map len buffers)))
