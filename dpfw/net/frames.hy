"Frames: the grammar of the wire, and its limits.

::

    frame    = header payload
    header   = \"(\" kind \" \" number \" \" length \")\\n\"     at most 48 bytes, ASCII
    kind     = \"values\" | \"task\" | \"data\" | \"eof\" | \"cancel\" | \"kill\"
             | \"end\" | \"error\" | \"output\" | \"leave\" | \"status\"
    number   = decimal digits                 of the task that the frame is about
    length   = decimal digits                 of the payload, in bytes
    payload  = length bytes

Nothing here knows what a payload means, or what a socket is."

(import
  os
  re
  dpfw.errors [SettingError WireError]
  dpfw.see [see])
(eval-when-compile (require hyrule.control [unless]))

(setv
  KINDS {b"values" "values"  b"task" "task"  b"data" "data"  b"eof" "eof"
         b"cancel" "cancel"  b"kill" "kill"
         b"end" "end"  b"error" "error"  b"output" "output"  b"leave" "leave"
         b"status" "status"}
  WORDS (dfor  [word kind] (.items KINDS)  kind word)
  HEADER (re.compile rb"\(([a-z]{1,8}) (0|[1-9][0-9]{0,14}) (0|[1-9][0-9]{0,14})\)\n")
  MAX-HEADER 48             ; bytes, line feed included
  CUT #{"data" "output"}    ; kinds of which there are several, if there is much
  MAX-DATA (* 1024 1024)    ; bytes in one of these
  DEFAULT-LIMIT (* 256 1024 1024)  ; bytes in any other frame
  LOWEST-LIMIT MAX-DATA            ; room for any description of an error
  LIMIT-ADVICE (+ "Set DPFW_FRAME_LIMIT on both ends" (see "how-to/share-big-data.md")))


(defn frame-limit []
  "The largest payload that this process sends or takes in one frame, in bytes:
  ``$DPFW_FRAME_LIMIT``, else 256 MiB. Raises `SettingError`. ::

    (frame-limit)  ; => 268435456"
  (setv text (os.environ.get "DPFW_FRAME_LIMIT" ""))
  (unless text
    (return DEFAULT-LIMIT))
  (unless (and (.isascii text) (.isdigit text) (<= LOWEST-LIMIT (int text)))
    (raise (SettingError
      f"DPFW_FRAME_LIMIT is {(repr text)}; give it a number of bytes, at least {LOWEST-LIMIT}")))
  (int text))


;; Writing

(defn header [kind number length]
  (% b"(%b %d %d)\n" #((get WORDS kind) number length)))

(defn framed [kind number payload]
  "A whole frame, as bytes. ::

    (framed \"end\" 7 b\"5\")  ; => b\"(end 7 1)\\n5\""
  (% b"(%b %d %d)\n%b" #((get WORDS kind) number (len payload) payload)))


;; Reading

(defn checked-header [found limit peer]
  "The kind, number and length that a match of `HEADER` announces. ``limit`` is the
  largest length of a frame that is none of `CUT`; ``peer`` is who sent it. Raises
  `WireError`."
  (setv [word number length] (.groups found)
        kind (.get KINDS word)
        length (int length))
  (when (is kind None)
    (raise (WireError f"{peer} sent a frame of the unknown kind {(ascii word)}")))
  (when (> length (if (in kind CUT) MAX-DATA limit))
    (raise (too-long kind length limit peer)))
  #(kind (int number) length))

(defn too-long [kind length limit peer]
  (setv data (in kind CUT))
  (WireError (+
    f"{peer} announced a {kind} frame of {length} bytes; the limit is {(if data MAX-DATA limit)}. "
    (if data
      "Cut long data into several frames"
      f"{LIMIT-ADVICE}, or send bulk data with write-object"))))

(defn check-partial-header [received at peer]
  "Can what was received, from there on, still become a header? Raises `WireError`."
  (setv partial (cut received at (+ at MAX-HEADER)))
  (when (or (= (len partial) MAX-HEADER) (in b"\n" partial))
    (raise (WireError f"{peer} sent what is no frame header: {(ascii partial)}"))))

(defn frames-ahead [received at kinds]
  "The kind and number of each frame of these kinds that begins in what was received,
  from there on."
  ; What is announced may be longer than anything that can be, or be counted.
  (while (and (< at (len received)) (setx found (HEADER.match received at)))
    (setv kind (.get KINDS (.group found 1)))
    (when (in kind kinds)
      (yield #(kind (int (.group found 2)))))
    (setv at (+ (.end found) (int (.group found 3))))))
