"The traceback of a remote, as its master is told it: Python's, of the user's frames
alone, with the marks below the lines where they belong.

Left out are the frames of dpfw and Hy, and what was generated around the procedure of
a call over a collection. Hy counts columns in characters, from 1 on, and Python in
bytes, from 0 on. A remote mostly is one line: of a long one, the part that matters is
shown."

(import
  functools [lru-cache]
  itertools [dropwhile]
  linecache
  os
  re
  traceback
  unicodedata [combining east-asian-width]
  hy
  hy.errors [HySyntaxError]
  dpfw.tidy [HERE frames-of meant? ours?])
(eval-when-compile (require hyrule.control [unless]))

(setv
  HY-HERE (os.path.join (os.path.dirname (os.path.abspath hy.__file__)) "")
  FROZEN "<frozen importlib"
  CALLERS (lfor  name ["chunks.hy" "calls.hy"]  (os.path.join HERE "task" name))  ; of users' procedures
  GENERATED "(fn [dpfw-i dpfw-o] "  ; what begins a remote of ours
  ANONYMOUS (re.compile r"_hy_anon_\d+")
  WIDEST 100      ; characters of a line
  AROUND 40)      ; of a longer one, characters that are shown on either side


(defn told-traceback [error [members True]]
  "Its text. Of an exception group, without the traceback of its members unless
  ``members``. What the error says of itself is left out, if there is no more to tell.

  Raises what the exceptions do of which it has to tell."
  (setv told (traceback.TracebackException (type error) error error.__traceback__)
        hide (if (for-user? error) hidden? hys?))
  (unless (or members (is (getattr told "exceptions" None) None))
    (setv told.exceptions None))
  (when (isinstance error HySyntaxError)
    ; It is how Hy's parser came upon it.
    (setv told.__context__ None))
  (setv all (behind told))
  (for [e all]
    (setv e.stack (shown e.stack hide)))
  (if (or told.stack (> (len all) 1))
    (+ (.join "" (.format told)) (if (hasattr error "add_note") "" (notes error)))
    (notes error)))

(defn for-user? [error]
  (setv links (frames-of error.__traceback__))
  (or (not links)
      (meant? error links)
      ; Which calls the procedure, perhaps with too many arguments.
      (in (. (get links -1) tb-frame f-code co-filename) CALLERS)))

(defn behind [told]
  "This `TracebackException` and those that are told with it."
  (setv all []  left [told])
  (while left
    (setv e (.pop left))
    (.append all e)
    (setv before (if (and (is e.__cause__ None) (not e.__suppress-context__)) e.__context__ e.__cause__))
    (.extend left (or (getattr e "exceptions" None) []))
    (when before
      (.append left before)))
  all)

(defn shown [stack hide]
  (setv frames (list (dropwhile (fn [frame] (ours? frame.filename)) (or stack [])))
        callers (lfor  [n frame] (enumerate frames)  :if (in frame.filename CALLERS)  n))
  (cond
    ; What stands before these was generated.
    callers (setv frames (cut frames (+ 1 (get callers -1)) None))
    (and (cut frames 1 None) (generated? (get frames 0))) (.pop frames 0))
  (Frames (gfor  frame frames  :if (not (hide frame.filename))  (rewritten frame))))

(defn generated? [frame]
  "Is it in what stands around lines of the user's?"
  (and (.startswith (linecache.getline frame.filename 1) GENERATED)
       (= frame.lineno 1)
       (bool (linecache.getline frame.filename 2))))

(defn hys? [filename]
  (or (.startswith filename HY-HERE) (.startswith filename FROZEN)))

(defn hidden? [filename]
  (or (ours? filename) (hys? filename)))

(defn notes [error]
  (.join "" (gfor  note (getattr error "__notes__" [])  f"{note}\n")))


;; Frames

(defclass Frames [traceback.StackSummary]
  "Frames whose marks are columns of characters."

  (defn format-frame-summary [self frame #** _]  ; from Python 3.11 on
    (setv lines [f"  File \"{frame.filename}\", line {frame.lineno}, in {frame.name}\n"])
    (when frame.line
      (.append lines f"    {frame.line}\n")
      (when (and (is-not frame.colno None) (< 0 (- frame.end-colno frame.colno) (len frame.line)))
        (.append lines (+ "    "
          (in-place-of (cut frame.line frame.colno) " ")
          (in-place-of (cut frame.line frame.colno frame.end-colno) "^")
          "\n"))))
    (.join "" lines)))

(defn in-place-of [text mark]
  "Marks that take the room of this text on a terminal."
  (.join "" (gfor
    c text
    (cond
      (= c "\t") (if (= mark " ") c mark)
      (combining c) ""
      (in (east-asian-width c) "WF") (* mark 2)
      True mark))))

(defn rewritten [frame]
  "The frame, with the line and the columns that are to be shown."
  (setv source (or (linecache.getline frame.filename frame.lineno) frame.line "")
        line (.rstrip source)
        [start end] (columns frame line)
        [line start end] (excerpt line start end))
  (summary frame line start end))

(defn summary [frame line start end]
  (setv name (if (ANONYMOUS.fullmatch frame.name) "<lambda>" frame.name)
        columns (if (hasattr frame "colno")
          {"end_lineno" frame.lineno  "colno" start  "end_colno" end}
          {}))
  (traceback.FrameSummary frame.filename frame.lineno name
    :lookup-line False :line line #** columns))

(defn columns [frame line]
  "What failed on this line, from and to, in characters; None where nothing tells."
  (setv start (getattr frame "colno" None)
        end (getattr frame "end_colno" None))
  (when (or (is start None) (is end None))
    (return [None None]))
  (when (!= frame.end-lineno frame.lineno)
    (setv end (len (utf-8 line))))
  (if (hy? frame.filename)
    [(- start (first-column)) (if (= frame.end-lineno frame.lineno) end (len line))]
    [(characters line start) (characters line end)]))

(defn hy? [filename]
  (or (.endswith filename ".hy")
      (.startswith filename "<remote ")
      ; What was typed at a prompt, of either language.
      (and (.startswith filename "<")
           (.startswith (.lstrip (.join "" (linecache.getlines filename))) #("(" ";")))))

(defn characters [line n]
  "How many characters so many bytes of a line are."
  (len (.decode (cut (utf-8 line) n) :errors "replace")))

(defn utf-8 [text]
  (.encode text "utf-8" "surrogatepass"))

(defn [(lru-cache :maxsize 1)] first-column []
  "What Hy takes for the first column of a line."
  (setv code (. (hy.eval (hy.read "(fn [] b)")) __code__))
  (- (max (gfor  [_ _ column _] (.co-positions code)  :if (is-not column None)  column)) 7))

(defn excerpt [line start end]
  "The line without its indentation, and, if it is long, what matters of it; and the
  columns there."
  (setv bare (.lstrip line)
        indent (- (len line) (len bare)))
  (unless (is start None)
    (setv start (max 0 (- start indent))
          end (max start (- end indent))))
  (if (<= (len bare) WIDEST)
    [bare start end]
    (around bare (or start 0) end)))

(defn around [line start end]
  (setv stop (min (or end WIDEST) (+ start WIDEST))
        first (max 0 (- start AROUND))
        last (min (len line) (+ stop AROUND))
        before (if first "… " "")
        after (if (< last (len line)) " …" "")
        moved (- (len before) first))
  [(+ before (cut line first last) after)
   (unless (is end None) (+ start moved))
   (unless (is end None) (+ stop moved))])
