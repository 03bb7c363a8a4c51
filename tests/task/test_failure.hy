"Exceptions as data: a slave can describe any, and what a master reads of one is
an error it can raise, print and keep, whoever wrote it."

(import
  builtins
  json
  traceback
  unicodedata
  pytest
  dpfw.data.sexp [write-datum]
  dpfw.errors [RemoteError]
  dpfw.net.frames [LOWEST-LIMIT]
  dpfw.task.failure :as failure
  dpfw.task.failure [
    DEEPEST-GROUP LONGEST MOST-EXCEPTIONS describe remote-error]
  tests.data.memory [peak-of])

(setv
  LIMIT (* 16 1024 1024)  ; bytes of a payload
  TOLD {"type" "ValueError"  "builtin" "ValueError"  "message" "no"  "args" "#(\"no\")"
        "traceback" "Traceback: no\n"}
  groups (pytest.mark.skipif (not (hasattr builtins "ExceptionGroup"))
    :reason "exception groups came with Python 3.11"))


(defn read [told]
  "What a master makes of a payload: a datum, or the text of one."
  (remote-error (.encode (if (isinstance told str) told (write-datum told))) "there:7000"))

(defn raised [error]
  (try
    (raise error)
    (except [e BaseException] e)))

(defn both-ways [error]
  (remote-error (describe (raised error) LIMIT) "there:7000"))

(defn check-refused [told #* parts]
  (with [e (pytest.raises ValueError)]
    (read told))
  (for [part parts]
    (assert (in part (str e.value)) f"{part !r} is not in {e.value}")))

;; Shown to people

(defn shown [error]
  "What Python, and those who use it, show of an error."
  (.join "" (traceback.format-exception (type error) error None)))

(defn test-the-traceback-is-shown-once-and-last []
  (setv back (both-ways (ValueError "no"))
        text (shown back))
  (assert (= (.count text "(raise error)") 1) text)
  (assert (in back.traceback text) text)
  (when (hasattr back "add_note")
    (assert (.endswith text back.traceback) text)
    (assert (= [back.__cause__ back.__context__] [None None]))))

(defn [groups] test-each-of-a-group-is-shown-once []
  (setv back (both-ways (ExceptionGroup "many" [(raised (ValueError 1)) (raised (KeyError "k"))]))
        text (shown back))
  (assert (= (.count text "(raise error)") 3) text)
  (for [member back.exceptions]
    (assert (in "(raise error)" (shown member)) (shown member))))

(defn check-printable [error]
  "It can be shown, in as much text as it was told in."
  (setv text (.join "" (traceback.format-exception (type error) error None)))
  (assert (< (len text) (* 20 LONGEST)) (len text)))

;; What comes back

(defn [(pytest.mark.parametrize "error" [
        (ValueError "no") (KeyError "k") (ZeroDivisionError) (ValueError 1 [2 "x"])
        (FileNotFoundError 2 "No such file" "name") (UnicodeDecodeError "utf-8" b"\xff" 0 1 "why")
        (SyntaxError "bad" #("file" 3 5 "some text\n")) (SyntaxError "bad") (OSError "text")
        (SyntaxError "bad" #("file" 3 5 "some text\n" 3 7)) (SyntaxError "bad" #(None None None None))
        (json.JSONDecodeError "bad" "[1" 2)] :ids repr)]
    test-an-exception-comes-back [error]
  (setv back (both-ways error)
        base (next (gfor  c (. (type error) __mro__)  :if (= c.__module__ "builtins")  c)))
  (assert (isinstance back #(RemoteError)) (repr back))
  (assert (isinstance back base) (repr back))
  (assert (= back.message (str back) (str error)) (repr back))
  (assert (= back.type-name (failure.class-name (type error))) back.type-name)
  (assert (in "there:7000" (shown back)) (shown back))
  (check-printable back))

(defn test-a-syntax-error-keeps-its-place []
  (setv back (both-ways (SyntaxError "bad" #("file" 3 5 "some text\n"))))
  (assert (= [back.msg back.filename back.lineno back.offset back.text]
             ["bad" "file" 3 5 "some text\n"])
    (repr back)))

(defn [groups] test-a-group-comes-back []
  (setv back (both-ways (ExceptionGroup "many" [(ValueError 1) (ExceptionGroup "in it" [(KeyError "k")])])))
  (assert (isinstance back #(ExceptionGroup)) (repr back))
  (assert (isinstance back RemoteError))
  (setv [one two] back.exceptions)
  (assert (and (isinstance one ValueError) (= one.args #(1))) (repr one))
  (assert (isinstance (get two.exceptions 0) KeyError) (repr two)))


;; What a terminal would act on is shown, and stays data

(setv WILD "\x1b[2J\x1b]0;title\x07\x7f\x9b31m")

(defn all-shown [error]
  "Everything that Python, or a user, prints of an error."
  (.join "" [(shown error) (str error) error.message error.type-name error.traceback (repr error)]))

(defn check-tame [error]
  (setv text (all-shown error))
  (for [c text]
    (assert (or (in c "\n\t") (not (.startswith (unicodedata.category c) "Cc"))) (ascii text)))
  (assert (in r"\x1b[2J\x1b]0;title\x07\x7f\x9b31m" text) (ascii text)))

(defn [(pytest.mark.parametrize "error" [
        (ValueError WILD) (KeyError WILD) (OSError 2 WILD WILD) (SyntaxError WILD)
        (SyntaxError WILD #(WILD 1 2 WILD)) ((type WILD #(ValueError) {}) 1)]
        :ids ["message" "key" "file name" "no place" "place" "class"])]
    test-no-control-character-of-a-slave-reaches-the-terminal [error]
  (setv back (both-ways error))
  (check-tame back)
  (assert (= back.args error.args) back.args))

(defn test-nor-one-of-its-traceback []
  (setv error (read {#** TOLD  "traceback" f"Traceback:\n\t{WILD}\r\n"}))
  (check-tame error)
  (setv text error.traceback)
  (assert (in "Traceback:\n\t" text) text)
  (assert (.endswith text "\\x0d\n") text))

(defn [groups] test-nor-one-of-a-group-or-its-parts []
  (setv back (both-ways (ExceptionGroup WILD [(ValueError WILD)])))
  (for [error [back #* back.exceptions]]
    (check-tame error))
  ; As `except*` takes it apart.
  (assert (not-in "\x1b" (str (.subgroup back ValueError)))))


;; Nobody takes it for the end of something

(defn [(pytest.mark.parametrize "cls" [StopIteration StopAsyncIteration])]
    test-an-end-of-iteration-is-a-RuntimeError-to-the-master [cls]
  (setv back (both-ways (cls "the end")))
  (assert (isinstance back RemoteError) (repr back))
  (assert (isinstance back RuntimeError) (repr back))
  (assert (not (isinstance back #(StopIteration StopAsyncIteration GeneratorExit))) (repr back))
  (assert (= back.type-name cls.__name__) back.type-name)
  (assert (= (str back) back.message "the end") (repr back))
  (assert (= back.args #("the end")) back.args))

(defclass Finished [StopIteration])

(defn test-nor-does-a-class-made-from-one []
  (setv back (both-ways (Finished 5)))
  (assert (isinstance back RuntimeError) (repr back))
  (assert (not (isinstance back StopIteration)) (repr back))
  (assert (.endswith back.type-name ".Finished") back.type-name))

(defn [(pytest.mark.parametrize "name" ["StopIteration" "StopAsyncIteration" "GeneratorExit"])]
    test-whatever-a-slave-calls-it [name]
  (setv back (read {#** TOLD  "builtin" name}))
  (assert (isinstance back RemoteError) (repr back))
  (assert (isinstance back RuntimeError) (repr back))
  (assert (not (isinstance back #(StopIteration StopAsyncIteration GeneratorExit))) (repr back)))


;; What no slave of ours writes

(setv FIELDS ["type" "builtin" "message" "args" "traceback"])

(defn [(pytest.mark.parametrize "field" FIELDS)] test-each-field-must-be-there [field]
  (check-refused (dfor  [k v] (.items TOLD)  :if (!= k field)  k v) field))

(defn [(pytest.mark.parametrize #("field" "value") [
        #("type" None) #("type" b"x") #("type" 5) #("builtin" 5) #("builtin" ["ValueError"])
        #("builtin" b"ValueError") #("message" None) #("message" ["m"]) #("args" [1]) #("args" #("ab"))
        #("args" None) #("args" {1 2}) #("args" (range 3)) #("traceback" None) #("traceback" b"t")
        #("exceptions" #()) #("exceptions" None) #("exceptions" {}) #("exceptions" "ab")
        #("exceptions" []) #("exceptions" [5]) #("exceptions" [{}]) #("exceptions" [{#** TOLD  "args" []}])])]
    test-each-field-has-its-type [field value]
  (check-refused {#** TOLD  field value}))

(defn [(pytest.mark.parametrize "told" [None 5 "text" [] #() [TOLD] '(a b)])]
    test-it-is-a-dict [told]
  (check-refused (write-datum told) "dict"))

(defn [(pytest.mark.parametrize "name"
        ["ValueError" "SyntaxError" "OSError" "ExceptionGroup" "UnicodeDecodeError" "KeyError"])]
    test-a-range-is-not-expanded [name]
  "A line of a hundred characters took two gigabytes."
  (setv many (range 3,000,000))
  (for [args [many #("m" many) #("m" [many]) #("m" "n" many many many)]]
    (setv text (write-datum {#** TOLD  "builtin" name  "args" (write-datum args)}))
    (defn call []
      (try
        (read text)
        (except [ValueError])))
    (setv peak (peak-of call))
    (assert (< peak 200,000) [args peak])))

(defn test-nor-where-an-exception-reads-a-sequence []
  (for [value [(range 4) [None 1 1 None] {1 2  3 4  5 6  7 8}]]
    (setv back (read {#** TOLD  "builtin" "SyntaxError"  "args" (write-datum #("m" value))}))
    (assert (isinstance back SyntaxError) (repr back))
    (assert (= back.args #("m" value)) back.args)
    (check-printable back)))

(defn [(pytest.mark.parametrize "place" [
        #("f" "1" 1 "t") #("f" 1 "1" "t") #("f" 1 1 b"t") #(5 1 1 "t") #("f" [1] 1 "t")
        #("f" (** 10 5000) 1 "t") #("f" 1 (** 10 5000) "t") #("f" 1 1 "t" 1 (** 10 12))
        #("f" 1 1 "t" (** 10 5000) 2) #("f" 1 1 "t" "1" 2) #("f" 1 (- (** 10 12)) "t" 1 2)
        #("f" 1 1) #() #("f" 1 1 "t" 1)] :ids (fn [x] ""))]
    test-a-place-in-a-syntax-error-that-no-traceback-could-show [place]
  (setv back (read {#** TOLD  "builtin" "SyntaxError"  "args" (write-datum #("m" place))}))
  (assert (isinstance back SyntaxError) (repr back))
  (assert (= back.args #("m" place)))
  (assert (= (str back) "no"))
  (check-printable back))

(defn test-a-name-that-is-no-exception []
  (for [name ["print" "int" "BaseException" "Exception" "SystemExit" "KeyboardInterrupt" "__import__"
              "hy" "" "no such" "\ud800" "a\0b" "__doc__"]]
    (setv back (read {#** TOLD  "builtin" name}))
    (assert (is (type back) RemoteError) [name (type back)])))

(defn test-names-are-not-kept []
  "Else a slave that invents some could fill the master's memory."
  (setv before (.cache-info failure.remote-class))
  (for [n (range 500)]
    (read {#** TOLD  "builtin" f"Name{n}"}))
  (assert (= (. (.cache-info failure.remote-class) currsize) before.currsize)))

(defn group-of [members]
  {#** TOLD  "builtin" "ExceptionGroup"  "exceptions" members})

(defn [groups] test-groups-within-groups-are-bounded []
  (defn deep [n]
    (setv told TOLD)
    (for [_ (range n)]
      (setv told (group-of [told])))
    told)
  (assert (isinstance (read (deep DEEPEST-GROUP)) ExceptionGroup))
  (check-refused (deep (+ DEEPEST-GROUP 1)) "deep")
  (check-refused (deep 80) "deep"))

(defn [groups] test-members-of-groups-are-bounded []
  (setv most (group-of (* [TOLD] (- MOST-EXCEPTIONS 1))))
  (assert (= (len (. (read most) exceptions)) (- MOST-EXCEPTIONS 1)))
  (check-refused (group-of (* [TOLD] MOST-EXCEPTIONS)) (str MOST-EXCEPTIONS))
  (check-refused (group-of [most TOLD]) (str MOST-EXCEPTIONS)))

(defn [groups] test-a-group-without-members-is-none []
  (setv back (read {#** TOLD  "builtin" "ExceptionGroup"}))
  (assert (is (type back) RemoteError) (repr back)))

(defn [groups] test-members-of-what-is-no-group []
  (setv back (read {#** (group-of [TOLD])  "builtin" "ValueError"}))
  (check-printable back)
  (assert (isinstance back ValueError) (repr back)))


;; What a slave makes of anything

(defn [groups] test-a-group-too-large-is-told-as-one-error []
  (setv back (both-ways (ExceptionGroup "many" (* [(ValueError)] (+ MOST-EXCEPTIONS 1)))))
  (assert (is (type back) RemoteError) (repr back))
  (assert (in "many" (str back)))
  (assert (= back.type-name "ExceptionGroup")))

(defn [groups] test-a-group-of-groups-that-are-shared []
  "Two to the thousandth power of members, in a thousand objects."
  (setv error (ValueError))
  (for [_ (range 1000)]
    (setv error (ExceptionGroup "g" [error error])))
  (for [told [error (behind error (ValueError "no"))]]
    (setv back (both-ways told))
    (assert (isinstance back RemoteError) (repr back))
    (assert (in "in raised" back.traceback) back.traceback)
    (assert (in (str told) back.traceback) back.traceback)))

(defn behind [cause error]
  (setv error.__cause__ cause)
  error)

(defclass Odd [ValueError]
  (setv args (range (** 10 12))))

(defn test-arguments-that-are-no-tuple-are-left-out []
  (setv back (both-ways (Odd)))
  (assert (= back.args #()) back.args)
  ; Nothing else is.
  (assert (isinstance back ValueError) (repr back)))

(defclass Wicked [Exception]
  (defn __str__ [self] (raise (KeyboardInterrupt)))
  (defn __repr__ [self] (/ 1 0))
  (defn [property] args [self] (/ 1 0)))

(defn test-an-exception-that-cannot-be-described []
  (setv back (remote-error (describe (Wicked) LIMIT) "there:7000"))
  (assert (isinstance back RemoteError) (repr back))
  (check-printable back))

(defn test-a-description-fits-in-the-lowest-limit []
  (for [c ["a" "é" "😀" "\u2028" "\ud800" "\\" "\n" "\0"]]
    (setv payload (describe (raised (ValueError (* c 1,000,000))) LOWEST-LIMIT))
    (assert (<= (len payload) LOWEST-LIMIT) (len payload))
    (setv back (remote-error payload "there:7000"))
    (assert (in "characters left out" (str back)) (cut (str back) 100))))
