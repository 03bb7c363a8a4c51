"Packed data on the wire: where both ends take them, where one or both do not, and what
is made of those that are wrong. Whatever travels, and however, is what it was."

(import
  array [array]
  collections [deque]
  contextlib [contextmanager suppress]
  datetime [date]
  decimal [Decimal]
  fractions [Fraction]
  hashlib [sha256]
  io
  os
  select
  socket
  threading
  hy.models [Keyword]
  hypothesis [example given strategies :as st]
  numpy :as np
  pytest
  dpfw.data.codec [decode encode takes-packed?]
  dpfw.data.packed [pack small?]
  dpfw.data.sexp [read-datum register-type write-datum]
  dpfw.errors [DatumSyntaxError DpfwError RemoteError SettingError SlaveLost UnwritableError WireError]
  dpfw.master [Master]
  dpfw.net.addresses [format-address]
  dpfw.net.cookie [cookie]
  dpfw.net [threads]
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.wire [Connection]
  dpfw.task.ports [read read-result write]
  dpfw.task.remote [Datum as-remote values-of values-payload]
  tests.data.memory [peak-of]
  tests.helpers [begin holds message outcome until]
  tests.processes [await-slaves ended error-of false-slave run-task slave-process slave-server WAIT]
  tests.serve.sessions [answer ends hangs-up serving task])
(require hyrule.control [unless])

(setv
  MARK b"\xff"
  THREADS 8  ; more than the master's tasks ever take at once
  LIMIT (* 1024 1024)  ; the least that a frame limit may be
  QUIET ["--log-level" "error"])


;; * Values

(defclass Point []
  (defn __init__ [self x y]
    (setv self.x x  self.y y))
  (defn __eq__ [self other]
    (= [self.x self.y] [other.x other.y]))
  (defn __hash__ [self]
    (hash #(self.x self.y))))

(register-type Point "tests.Point" (fn [p] [p.x p.y]) Point)

(setv POINTS '(do
  (import dpfw.data.sexp [register-type])
  (defclass Point []
    (defn __init__ [self x y]
      (setv self.x x  self.y y)))
  (register-type Point "tests.Point" (fn [p] [p.x p.y]) Point)
  (fn [i o])))

(defn many [f]
  (lfor  n (range 100)  (f n)))

(setv LARGE {
  "integers" (list (range -200 200))
  "long integers" (many (fn [n] (** -3 n)))
  "floats" [#* (many (fn [n] (/ n 7))) -0.0 (float "nan") (float "-inf")]
  "complex" (many (fn [n] (complex n -0.0)))
  "truth" (* [True False None] 100)
  "strings" (many (fn [n] f"é\n\0 \u2028 😀 \ud800 {n}"))
  "a string" (* "a\nlong \"line\"\0" 1000)
  "bytes" (many (fn [n] (bytes (range n))))
  "a bytes" (* (bytes (range 256)) 100)
  "a bytearray" (bytearray (* (bytes (range 256)) 100))
  "tuple" (tuple (range 200))
  "records" (many (fn [n] {"name" f"n{n}"  "size" n  "odd" (bool (% n 2))}))
  "dicts" (many (fn [n] {n (str n)  (str n) [n]}))
  "keywords" (many (fn [n] {:name (Keyword f"k{(% n 3)}")  :size n}))
  "a dict" (dict (many (fn [n] #(f"key {n}" [n]))))
  "a set" (set (range 300))
  "frozensets" (many (fn [n] (frozenset [n (str n)])))
  "a mixture" (many (fn [n] (get [n (str n) [n] #(n) {n n} None 1.5 :k (Fraction n 3) #{n}] (% n 10))))
  "nested" (many (fn [n] [[n [[n]]] {"a" {"b" #(n)}}]))
  "standard types" (many (fn [n] #((Fraction n 7) (Decimal n) (date 2024 2 29) (deque [n] 5) (range n))))
  "registered" (many (fn [n] (Point n [n])))
  "array" (array "d" (range 300))
  "ndarray" (/ (np.arange 300.) 7)
  "small ndarray" (np.array [[1 2] [3 4]] "<i2")
  "columns" (np.asfortranarray (.reshape (np.arange 600) 20 30))
  "big-endian" (.astype (np.arange 300) ">i4")
  "large ndarray" (.astype (np.arange 20,000) "<f4")
  "empty ndarray" (np.zeros #(0 3))
  "scalar ndarray" (np.array 1.5)
  "times" (.astype (np.arange 300) "M8[s]")
  "arrays within" {"a" [(np.arange 300) {"b" #((np.ones #(2 3)) "text")}]  "n" (np.float32 1.5)}})

(defn alike [a b]
  "Equal, and of the same types all the way down."
  (and
    (is (type a) (type b))
    (cond
      (isinstance a np.ndarray)
        (= [a.dtype a.shape (.tobytes a)] [b.dtype b.shape (.tobytes b)])
      (isinstance a #(list tuple deque))
        (and (= (len a) (len b)) (all (map alike a b)))
      (isinstance a dict)
        (and (alike (list a) (list b)) (alike (list (.values a)) (list (.values b))))
      (isinstance a #(float complex np.generic))
        (= (repr a) (repr b))
      True
        (= a b))))

(defn same [got wanted]
  (assert (alike got wanted) f"got {(repr got) :.500}, wanted {(repr wanted) :.500}"))

(defn test-these-values-would-not-travel-as-text []
  (holds (lfor  [name x] (.items LARGE)  :if (small? x)  name) []))


;; * Networks, of ends that take packed data and ends that do not

(defclass Tap []
  "Passes on what goes between who dials it and who listens at ``target``; ``said`` has
  all that was said."

  (defn __init__ [self target]
    (setv
      self.target target
      self.said (bytearray)
      self.listener (socket.create-server #("127.0.0.1" 0))
      self.address (.getsockname self.listener)
      self.thread (threading.Thread :target self.run :name "tap" :daemon True))
    (.start self.thread))

  (defn run [self]
    (with [near (get (.accept self.listener) 0)
           far (socket.create-connection self.target WAIT)]
      (setv ways {near far  far near})
      (with [_ (suppress OSError)]  ; one of them is gone
        (while True
          (for [source (get (select.select [near far] [] []) 0)]
            (setv chunk (.recv source 65536))
            (unless chunk
              (return))
            (.extend self.said chunk)
            (.sendall (get ways source) chunk))))))

  (defn close [self]
    (.join self.thread WAIT)
    (.close self.listener)))

(setv WAYS {  ; $DPFW_TEXT of the master, and of the two slaves
  "packed" ["" "" ""]
  "text at the master" ["1" "" ""]
  "text at the slaves" ["" "1" "1"]
  "text at both" ["1" "1" "1"]
  "one slave of each kind" ["" "0" "1"]})

(defn [contextmanager] setting [text]
  "With this ``DPFW_TEXT`` in this process."
  (with [patch (pytest.MonkeyPatch.context)]
    (.setenv patch "DPFW_TEXT" text)
    (yield patch)))

(defn [contextmanager] tapped [mine first second]
  "A master with two slaves, and the taps between."
  (with [one (slave-server #* QUIET :DPFW_TEXT first)
         two (slave-server #* QUIET :DPFW_TEXT second)
         patch (setting mine)
         master (Master)]
    (setv taps (lfor  server [one two]  (Tap (tuple (cut server 1 None)))))
    (try
      (for [tap taps]
        (.connect master #* tap.address))
      (.broadcast master POINTS)
      ; No test is to end with a thread more than it began with.
      (.setattr patch threads "PARKED" 1000)
      (setv all-there (threading.Barrier THREADS))
      (for [_ (range THREADS)]
        (.run master.node.threads all-there.wait WAIT))
      (yield #(master taps))
      (finally
        (.close master)
        (for [tap taps]
          (.close tap))))))

(defn [(pytest.fixture :scope "module" :params WAYS)] network [request]
  (setv [mine #* theirs] (get WAYS request.param))
  (with [both (tapped mine #* theirs)]
    (yield both)
    (setv [_ taps] both)
    (for [[text tap] (zip theirs taps)]
      (assert (not (and (in "1" [mine text]) (in MARK tap.said)))))))

;; For what the other ways cannot change.
(setv at-some-ways (pytest.mark.parametrize "network" ["packed" "one slave of each kind"]
  :indirect True :scope "module"))

(defn [pytest.fixture] master [network]
  (setv [master _] network)
  (yield master)
  (holds (.broadcast master '(fn [i o] "fine")) ["fine" "fine"]))

(defn test-large-data-are-packed-only-where-both-ends-take-them [network request]
  (setv [master taps] network
        [mine #* theirs] (get WAYS (get request.node.callspec.params "network")))
  (for [tap taps]
    (.clear tap.said))
  (.broadcast master `(fn [i o] ~(get LARGE "integers")))
  (holds (lfor  tap taps  (in b"(values " tap.said)) [True True])
  (holds (lfor  tap taps  (in MARK tap.said))
    (lfor  text theirs  (not-in "1" [mine text])))
  ; What is small, is text everywhere.
  (for [tap taps]
    (.clear tap.said))
  (.broadcast master `(fn [i o] ~[1 "a" {"k" 2.5}]))
  (holds (lfor  tap taps  (in b"[1 \"a\" {\"k\" 2.5}]" tap.said)) [True True])
  (holds (lfor  tap taps  (in MARK tap.said)) [False False]))

(defn test-data-are-not-packed-in-vain []
  (for [[text cls] [["" list] ["1" str]]]
    (with [_ (setting text)]
      (setv values (. (as-remote `(fn [i o] ~(get LARGE "records"))) values))
      (holds (list (map type values)) [cls]))))

(defn [(pytest.mark.parametrize "text" ["nonsense" "2" "yes" " 1" "1 "])]
  test-a-setting-that-makes-no-sense-is-told-of [text]
  (with [_ (setting text)]
    (for [make [takes-packed? Master]]
      (with [raised (pytest.raises SettingError)]
        (make))
      (message raised f"DPFW_TEXT is {text !r}; give it 1"))))

(defn test-a-slave-with-a-setting-that-makes-no-sense-says-so []
  (with [slave (slave-process "0" :DPFW_TEXT "nonsense")]
    (setv [status out err] (ended slave)))
  (assert (= #(status out) #(1 "")) #(status out))
  (assert (in "DPFW_TEXT is 'nonsense'; give it 1 to have all data travel as text" err) err)
  (assert (not-in "Traceback" err) err))

(defn test-a-slave-that-dials-says-what-it-takes-too []
  (for [[text packed] [["" True] ["1" False]]]
    (with [master (Master)]
      (setv tap (Tap (.listen master :host "127.0.0.1")))
      (try
        (with [_ (slave-process "--connect" (format-address tap.address) #* QUIET :DPFW_TEXT text)]
          (await-slaves master 1)
          (same (run-task master `(fn [i o] ~(get LARGE "records"))) (get LARGE "records"))
          (holds (in MARK tap.said) packed))
        (finally
          (.close master)
          (.close tap))))))


;; * Data beside a remote, and results

(defn test-large-data-go-there-and-back [master]
  (for [x (.values LARGE)]
    (same (run-task master `(fn [i o] ~x)) x)
    (same (run-task master `(fn [i o] [1 ~x {"k" ~x}])) [1 x {"k" x}])
    (same (run-task master `(fn [i o] [~x ~5 ~"small" ~x ~[x]])) [x 5 "small" x [x]])))

(defn test-the-slave-has-what-was-sent [master]
  "Not only something that comes back as that."
  (for [[name x] (.items LARGE)
        ; Strings in a set have another order in each process.
        :if (!= name "frozensets")]
    (holds (run-task master `(fn [i o]
        (import hashlib [sha256] dpfw.data.sexp [write-datum])
        (.hexdigest (sha256 (.encode (write-datum ~x))))))
      (.hexdigest (sha256 (.encode (write-datum x)))))))

(defn test-large-forms-are-data-too [master]
  (setv x (many (fn [n] ['(f x) 'a [n '(b "c")]])))
  (same (run-task master `(fn [i o] ~(Datum x))) x)
  (same (.map master '(fn [x] x) x) x))

(setv LOCALS {
  "read-result" read-result
  "one's own" (fn [i o] (read i))
  "text" (fn [i o] (read-datum (.read i)))
  "bytes" (fn [i o] (read-datum (.decode (.read i.buffer))))
  "a line" (fn [i o] (read-datum (.readline i)))
  "characters" (fn [i o] (read-datum (.join "" (iter (fn [] (.read i 999)) ""))))})

(defn [(pytest.mark.parametrize "local" LOCALS)]
  test-a-large-result-is-the-same-to-every-local-procedure [master local]
  (for [x (.values LARGE)]
    (same (run-task master `(fn [i o] ~x) (get LOCALS local)) x)))

(defn [(pytest.mark.parametrize "name" ["integers" "a string" "arrays within"])]
  test-a-large-result-stands-on-a-line-of-its-own [master name]
  (setv x (get LARGE name)
        remote (fn [text] `(fn [i o] (.write o ~text) ~x)))
  (for [text ["out\n" "out" "out\nand" "\n\n" "(out)\n\n"]]
    (setv got (run-task master (remote text) (fn [i o] (.read i)))
          told (if (.endswith text "\n") text (+ text "\n")))
    (assert (.startswith got told) (cut got 100))
    (same (read-datum (cut got (len told) None)) x)
    (holds (get got -1) "\n"))
  (same (run-task master (remote "out\n") (fn [i o] [(.readline i) (read i)])) ["out\n" x])
  (same (run-task master (remote "out") (fn [i o] [(.readline i) (read i)])) ["out\n" x])
  ; What is blank is passed over; anything else is what is read.
  (for [text ["" "\n" " \n\n" "  "]]
    (same (run-task master (remote text)) x))
  (for [text ["5" "5\n" "\n5" "5\nout"]]
    (same (run-task master (remote text)) 5)))

(defn test-a-broadcast-brings-large-results [master]
  (for [x (.values LARGE)]
    (same (.broadcast master `(fn [i o] ~x)) [x x])))

(defn test-arrays-that-arrive-can-be-written-to [master]
  (for [name ["ndarray" "small ndarray" "columns" "big-endian" "large ndarray"]
        local [read-result (fn [i o] (read i))]]
    (setv x (get LARGE name)
          wanted (.copy x)
          (get wanted 0) 1)
    (setv got (run-task master `(fn [i o] (setv a ~x  (get a 0) 1) a) local))
    (same got wanted)
    (holds got.flags.f-contiguous x.flags.f-contiguous)
    (setv (get got 0) (get x 0))
    (same got x)
    (for [got (.map master '(fn [a] (setv (get a 0) 1) a) [x x])]
      (same got wanted)
      (setv (get got 0) (get x 0))
      (same got x))))

(defn test-each-evaluation-of-an-array-makes-a-new-one [master]
  ; The second one is received into memory that can be written to.
  (for [n [1000 20,000]]
    (setv x (np.zeros n))
    (holds (run-task master `(fn [i o]
        (setv all [])
        (for [_ (range 3)]
          (setv a ~x)
          (.append all (float (.sum a)))
          (.fill a 1))
        all))
      [0.0 0.0 0.0])))

(defn test-small-and-large-data-in-one-remote [master]
  (setv values (lfor  n (range 60)  (if (% n 3) n (list (range n (+ n 100))))))
  (same (run-task master `(fn [i o] [~@(gfor  x values  `(do ~x))])) values))

(defn test-more-data-than-holes [master]
  ; As they would be compiled, one of them being large.
  (setv values [(list (range 1000)) #* (range 150) (get LARGE "records")])
  (same (run-task master `(fn [i o] [~@values])) values)
  ; And where there is no notation for one of them.
  (setv values [#* values (get LARGE "ndarray")])
  (same (run-task master `(fn [i o] [~@values])) values))

(defn [at-some-ways] test-code-sees-large-data [master]
  (.broadcast master '(do (defmacro kind [x] (. (type x) __name__)) (fn [i o])))
  (for [name ["long integers" "a string" "a bytes" "tuple" "a set" "keywords"]]
    (setv x (get LARGE name)
          model (hy.as-model x)
          [kind quoted got] (run-task master `(fn [i o] [(kind ~x) '~x ~x])))
    (holds kind (. (type model) __name__))
    (assert (= quoted model))
    (same got x)))

(defn [at-some-ways] test-patterns-may-be-large [master]
  (setv text (get LARGE "a string"))
  (holds (run-task master `(fn [i o] (match ~text  ~text "the same"  _ "another"))) "the same"))

(defn [(pytest.mark.parametrize "name" ["ndarray" "standard types" "a bytearray" "registered"])]
  test-code-that-looks-at-large-data-without-a-notation-is-told [master name]
  (setv x (get LARGE name))
  (for [body [`'~x `(do (defmacro m [x] None) (m ~x))]]
    (setv error (error-of run-task master `(fn [i o] ~body)))
    (assert (isinstance error RemoteError) (repr error))
    (assert (in "Hy has no notation for it" (str error)) (str error))
    (assert (< (len (str error)) 1000) (str error))))

(defn [at-some-ways] test-what-cannot-be-written-is-named-before-a-byte-is-sent [network]
  (setv [master taps] network
        said (fn [] (lfor  tap taps  (len tap.said)))
        before (said))
  (for [bad [(fn []) (np.array ["text"]) (np.array [None]) (io.StringIO)]
        [x place] [
          [[#* (range 100) bad] "[100]"]
          [{"a" (* [1] 100)  "b" bad} "[\"b\"]"]
          [(* [[1 bad]] 100) "[0][1]"]
          [[(* "x" 10,000) {"k" #(bad)}] "[1][\"k\"][0]"]
          [[(np.arange 100) bad] "[1]"]]
        local [read-result (fn [i o] (read i))]]
    (setv error (error-of master.make-task `(fn [i o] (f 1 ~x)) local))
    (assert (is (type error) UnwritableError) (repr error))
    (assert (in f"(at [2][2]{place})" (str error)) (str error)))
  (holds (said) before))

(defn test-a-large-result-that-cannot-be-written-is-named [master]
  (for [local (.values LOCALS)]
    (setv error (error-of run-task master '(fn [i o] [(list (range 1000)) {"k" [1 i]}]) local))
    (assert (and (isinstance error RemoteError) (isinstance error TypeError)) (repr error))
    (assert (in "(at [1][\"k\"][1])" (str error)) (str error))))


;; * Maps

(defn [(pytest.mark.parametrize "chunk_size" [None 7])]
  test-all-of-it-goes-through-a-map [master chunk-size]
  (setv xs [#* (.values LARGE) 1 "small" None])
  (for [items [xs (iter xs) (tuple xs)]]
    (same (.map master '(fn [x] x) items :chunk-size chunk-size) xs))
  (same (.map master '(fn [x n] [n x]) xs (range 1000) :chunk-size chunk-size)
        (lfor  [n x] (enumerate xs)  [n x]))
  (same (sorted (.map-unordered master '(fn [p] p) (enumerate xs) :chunk-size chunk-size)
          :key (fn [p] (get p 0)))
        (list (enumerate xs)))
  (same (.reduce master '(fn [a b] (+ a b)) (lfor  x xs  [x]) :chunk-size chunk-size) xs)
  (same (.reduce master '(fn [a b] (+ a b)) (lfor  x xs  [x]) [xs] :chunk-size chunk-size) [xs #* xs])
  (same (.map-reduce master '(fn [x] [x]) '(fn [a b] (+ a b)) xs :chunk-size chunk-size) xs))

(defn [at-some-ways] test-all-of-it-can-be-the-items-of-a-map [master]
  (for [[name x] (.items LARGE)
        :if (not-in name ["a string" "a bytes" "a bytearray" "large ndarray" "empty ndarray" "scalar ndarray"])]
    (same (.map master '(fn [x] x) x) (list x))))

(defn test-for-each-gets-what-was-sent [master]
  (.broadcast master '(fn [i o] (setv (get (dpfw-slave-ht) "seen") []) None))
  (setv xs (* [(np.arange 100) "text" {"k" [1.5 :a]}] 50))
  (.for-each master '(fn [p] (.append (get (dpfw-slave-ht) "seen") p)) (enumerate xs) :chunk-size 70)
  (setv seen (.broadcast master '(fn [i o] (get (dpfw-slave-ht) "seen"))))
  (same (sorted (sum seen []) :key (fn [p] (get p 0))) (list (enumerate xs))))

(defn [at-some-ways] test-an-array-is-a-collection-like-others [master]
  "It gives what iterating over it gives: scalars of its own, or rows."
  (for [x [(np.arange 300) (/ (np.arange 300.) 7) (np.array [True False]) (.astype (np.arange 300) "M8[D]")
           (.reshape (np.arange 600) 200 3) (np.zeros #(0 3)) (np.zeros #(3 0)) (array "d" (range 300))]
        size [None 1 64]]
    (unless (and (= size 1) (> (len x) 10))
      (same (.map master '(fn [x] x) x :chunk-size size) (list x))
      (same (list (.map-unordered master '(fn [x] x) (cut x 1))) (list (cut x 1)))))
  ; Also if the array itself is no data.
  (same (.map master '(fn [x] x) (np.array [1 "a" None [2]] object)) [1 "a" None [2]])
  (holds (.for-each master 'abs (np.arange 5)) None)
  (same (.map master '(fn [a b] (+ a b)) (np.arange 300) (np.arange 300)) (list (* 2 (np.arange 300))))
  (same (.reduce master '(fn [a b] (+ a b)) (np.arange 300)) (np.sum (np.arange 300)))
  (same (.reduce master '(fn [a b] (+ a b)) (.reshape (np.arange 600) 200 3) (np.zeros 3))
        (.sum (.reshape (np.arange 600.) 200 3) 0))
  (same (.map-reduce master '(fn [row] (* 2 row)) '(fn [a b] (+ a b)) (.reshape (np.arange 600) 200 3) :chunk-size 50)
        (* 2 (.sum (.reshape (np.arange 600) 200 3) 0)))
  (with [(pytest.raises TypeError)]
    (.map master 'abs (np.array 5))))

(defn [at-some-ways (pytest.mark.parametrize "chunk_size" [100 1000])]
  test-an-item-among-many-that-cannot-be-written-is-named [master chunk-size]
  (for [[bad says] [[(fn []) "function"] [[1 {"k" (fn [])}] "function (at [1][\"k\"])"]
                    [(np.array ["text"]) "items of dtype"] [(np.array [None]) "items of dtype"]]
        filler [1 (np.arange 3)]]
    (setv items [#* (* [filler] 150) bad #* (* [filler] 50)])
    (for [call [(fn [] (.map master '(fn [x] x) items :chunk-size chunk-size))
                (fn [] (list (.map-unordered master '(fn [x] x) items :chunk-size chunk-size)))
                (fn [] (.for-each master '(fn [x] x) items :chunk-size chunk-size))
                (fn [] (.reduce master '(fn [a b] 1) items :chunk-size chunk-size))
                (fn [] (.map-reduce master '(fn [x] 1) '(fn [a b] 1) items :chunk-size chunk-size))]]
      (with [raised (pytest.raises UnwritableError)]
        (call))
      (message raised "item 150: " says))))

(defn [at-some-ways (pytest.mark.parametrize "chunk_size" [100 1000])]
  test-a-result-among-many-that-cannot-be-written-is-named [master chunk-size]
  (for [[bad says] [['abs "builtin_function_or_method"] ['[1 {"k" abs}] "(at [1][\"k\"])"]
                    ['(numpy.array ["text"]) "items of dtype"]]
        filler [1 '(numpy.arange 3)]]
    (setv f `(fn [x] (import numpy) (if (= x 150) ~bad ~filler)))
    (for [call [(fn [] (.map master f (range 200) :chunk-size chunk-size))
                (fn [] (list (.map-unordered master f (range 200) :chunk-size chunk-size)))]]
      (setv error (error-of call))
      (assert (and (isinstance error RemoteError) (isinstance error TypeError)) (repr error))
      (holds error.index 150)
      (assert (and (.startswith (str error) "item 150: ") (in says (str error))) (str error)))))

(defn nested [n]
  (setv x [])
  (for [_ (range (- n 1))]
    (setv x [x]))
  x)

(defn [at-some-ways] test-items-may-be-nested-almost-as-deep-as-data [master]
  ; A chunk is a list of columns.
  (for [items [[(nested 198)] (* [(nested 198)] 100) [1 (nested 198)]]]
    (same (.map master '(fn [x] x) items) items))
  (for [n [199 200 201]
        before [0 3 100]]
    (setv items [#* (* [1] before) (nested n)])
    (with [raised (pytest.raises UnwritableError)]
      (.map master '(fn [x] x) items :chunk-size 1000))
    (message raised "levels deep")
    ; As deep as that may be beside a remote.
    (when (<= n 200)
      (same (run-task master `(fn [i o] ~(nested n))) (nested n)))))

(defn [at-some-ways] test-results-may-be-nested-almost-as-deep-as-data [master]
  (setv f '(fn [n] (setv x []) (for [_ (range (- n 1))] (setv x [x])) x))
  (for [n [198 199]]
    (same (.map master f [n]) [(nested n)])
    (same (.map master f (* [n] 100)) (* [(nested n)] 100)))
  (for [n [200 201]]
    (setv error (error-of (fn [] (.map master f [1 1 n]))))
    (assert (and (isinstance error RemoteError) (isinstance error TypeError)) (repr error))
    (assert (in "levels deep" (str error)) (str error))))

(defn [at-some-ways] test-large-results-of-a-map-are-longer-than-a-frame [master monkeypatch]
  (setv f '(fn [x] (* "long" 300,000)))
  (same (.map master f [1 2 3] :chunk-size 3) (* [(* "long" 300,000)] 3)))


;; * Limits

(defn said-by [taps]
  (lfor  tap taps  (len tap.said)))

(defn [at-some-ways] test-what-is-above-the-limit-is-not-sent [network monkeypatch]
  (setv [master taps] network)
  (.setattr monkeypatch master.node "frame_limit" LIMIT)
  (setv before (said-by taps))
  (for [x [(np.zeros LIMIT) (* "x" LIMIT) (lfor  n (range 150,000)  (** 2 60)) (bytes LIMIT)]]
    (setv error (error-of master.make-task `(fn [i o] (len ~x)) read-result))
    (assert (is (type error) OverflowError) (repr error))
    (assert (in "the remote's values take" (str error)) (str error))
    (assert (in "DPFW_FRAME_LIMIT" (str error)) (str error))
    (for [size [1 1000]]
      (with [raised (pytest.raises OverflowError)]
        (.map master 'len [x] :chunk-size size))
      (message raised "item 0: " "DPFW_FRAME_LIMIT")))
  (holds (said-by taps) before)
  (setv items [#* (* [[1]] 100) (* "x" LIMIT)])
  (with [raised (pytest.raises OverflowError)]
    (.map master 'len items :chunk-size 50))
  (message raised "item 100: "))

(defn test-a-result-above-the-limit-is-an-error-of-the-remote []
  (for [text ["" "1"]]
    (with [[_ #* address] (slave-server #* QUIET :DPFW_TEXT text :DPFW_FRAME_LIMIT (str LIMIT))
           master (Master)]
      (.connect master #* address)
      (for [form ['(/ (numpy.arange 200,000) 7) '(* "x" 2,000,000) '(lfor  n (range 200,000)  (** 2 60))]]
        (setv error (error-of run-task master `(fn [i o] (import numpy) ~form)))
        (assert (and (isinstance error RemoteError) (isinstance error OverflowError)) (repr error))
        (assert (in "DPFW_FRAME_LIMIT" (str error)) (str error)))
      (holds (run-task master '(fn [i o] 5)) 5))))


;; * Slaves that die

(defn test-a-task-that-runs-again-is-sent-what-its-slave-takes [tmp-path]
  "First packed, then as text, or the other way round."
  (setv been (str (/ tmp-path "been"))
        x (get LARGE "arrays within")
        remote `(fn [i o]
          (import os)
          (setv x ~x)
          (try
            (os.mkdir ~been)
            (except [FileExistsError]
              [x ~(get LARGE "records")])
            (else (os._exit 1)))))
  (for [[first second] [["" "1"] ["1" ""]]]
    (with [[one #* one-address] (slave-server #* QUIET :DPFW_TEXT first)
           [_ #* two-address] (slave-server #* QUIET :DPFW_TEXT second)
           master (Master)]
      (.connect master #* one-address)
      (setv promise (.make-task master remote read-result :retries 1))
      (.connect master #* two-address)
      (same (.result promise WAIT) [x (get LARGE "records")])
      (.wait one WAIT)
      ; And a chunk.
      (os.rmdir been))))

(defn test-a-chunk-that-runs-again-is-sent-what-its-slave-takes [tmp-path]
  (setv been (str (/ tmp-path "been"))
        items (* [(get LARGE "ndarray")] 10))
  (with [[_ #* text-address] (slave-server #* QUIET :DPFW_TEXT "1")
         [_ #* packed-address] (slave-server #* QUIET)
         master (Master)]
    (.connect master #* packed-address)
    (.connect master #* text-address)
    (same (.map master
        `(fn [x]
          (import os)
          (try
            (os.mkdir ~been)
            (except [FileExistsError])
            (else (os._exit 1)))
          x)
        items :chunk-size 2 :retries 1)
      items)))

(defn test-what-each-slave-runs-first-is-sent-as-each-takes-it []
  (setv x (get LARGE "arrays within"))
  (with [[_ #* packed-address] (slave-server #* QUIET)
         [_ #* text-address] (slave-server #* QUIET :DPFW_TEXT "1")
         master (Master)]
    (.connect master #* packed-address)
    (.on-connect master `(fn [i o] (setv (get (dpfw-slave-ht) "x") ~x) None))
    ; One that comes later, too.
    (.connect master #* text-address)
    (same (.broadcast master '(fn [i o] (get (dpfw-slave-ht) "x"))) [x x])))

(defn test-packed-data-go-through-tls []
  (setv x (/ (np.arange 200,000) 7))
  (with [[master _] (serving :tls True)]
    (assert master.packed)
    (for [number [2 3]]
      ; Its thread has to read meanwhile.
      (.send-buffers master "values" number (values-payload [(pack x) "5"]))
      (task master number "(fn [i o] [(value$0) (value$1)])")
      (setv [kind _ payload] (answer master))
      (holds kind "end")
      (same (decode payload) [x 5]))))


;; * Packed data that were not agreed upon

(setv NOT-AGREED "sent packed data, which was not agreed upon")

(defn joined [x]
  (.join b"" (pack x)))

(defn next-task [slave]
  "Take the next task; returns its number, and the values beside it."
  (setv beside b"")
  (while True
    (setv [kind number payload] [#* (cut (.receive-header slave) 2) (bytes (.receive-payload slave))])
    (cond
      (= kind "values") (setv beside payload)
      (= kind "task") (return #(number beside)))))

(defn hangs-up-on [slave]
  (with [_ (pytest.raises OSError)]
    (while True
      (.receive-header slave))))

(defn test-a-slave-that-has-not-agreed-takes-no-packed-data []
  (for [values [(values-payload [(pack 5)]) (values-payload ["5" (pack "text")]) [MARK] [b"\xff[1]\n5"]]]
    (with [[master session] (serving)]
      (.send-buffers master "values" 2 values)
      (until (fn [] session.error))
      (assert (is (type session.error) WireError) (repr session.error))
      (assert (in NOT-AGREED (str session.error)) (str session.error))))
  ; The process says so, too, and serves the next master.
  (with [[process #* address] (slave-server)]
    (with [sock (socket.create-connection address WAIT)]
      (setv master (Connection sock))
      (dial-handshake master "master" (new-session) (cookie) False)
      (.send-buffers master "values" 1 (values-payload [(pack 5)]))
      (hangs-up master))
    (with [master (Master)]
      (.connect master #* address)
      (holds (run-task master `(fn [i o] ~(list (range 100)))) (list (range 100))))
    (.terminate process)
    (setv [_ _ err] (ended process)))
  (assert (in NOT-AGREED err) err))

(defn [(pytest.mark.parametrize "local" LOCALS)]
  test-a-master-that-has-not-agreed-takes-no-packed-result [local]
  (with [[master slave] (false-slave :packed False)]
    (setv promise (.make-task master `(fn [i o] ~(list (range 100))) (get LOCALS local))
          [number beside] (next-task slave))
    (assert (not-in MARK beside) beside)
    (.send slave "end" number (joined 5))
    (setv error (error-of promise.result WAIT))
    (assert (is (type error) SlaveLost) (repr error))
    (assert (in NOT-AGREED (str error)) (str error))
    (hangs-up-on slave)
    (holds (.slaves master) [])))

(defn test-a-map-that-has-not-agreed-takes-no-packed-result []
  (with [[master slave] (false-slave :packed False)]
    (setv calling (begin (fn [] (.map master 'abs (range 10) :chunk-size 10)))
          [number _] (next-task slave))
    (.send slave "end" number (joined 0.5))
    (setv error (error-of outcome calling))
    (assert (is (type error) SlaveLost) (repr error))
    (assert (in NOT-AGREED (str error)) (str error))))


;; * Packed data that are wrong

(defn forged [plan [body b""]]
  (+ MARK (.encode (write-datum plan)) b"\n" body))

(setv
  A-LIST (joined (list (range 100)))
  WRONG {
    "a mark" MARK
    "no plan" b"\xff\n"
    "no line feed" (cut A-LIST (.index A-LIST b"\n"))
    "no columns" (cut A-LIST (+ 1 (.index A-LIST b"\n")))
    "cut short" (cut A-LIST -1)
    "too long" (+ A-LIST b"x")
    "two" (+ A-LIST A-LIST)
    "no value" (forged [])
    "a plan that is no list" (forged {"a" 1})
    "a plan that is a long range" b"\xff(range 0 1000000000000 1)\n"
    "a plan that is code" b"\xff(print 5)\n"
    "a plan that is no UTF-8" b"\xff\xff\xfe\n"
    "no such kind" (forged [["pickle" 1 1]] b"x")
    "more values than bytes" (forged [["list" 1 4] ["u1" (** 10 12) 1]] b"\1\0\0\0x")
    "more values than can be" (forged [["list" 1 4] ["constant" (** 10 12) (** 10 12)]] b"\xff\xff\xff\xff")
    "a size below zero" (forged [["u1" 1 -1]])
    "a count below zero" (forged [["u1" -1 1]] b"x")
    "lengths that lie" (forged [["list" 1 4] ["u1" 3 3]] b"\xff\xff\xff\xffabc")
    "columns that are missing" (forged [["list" 1 4 (** 10 9)]] b"\0\0\0\0")
    "too deep" (forged (* [["list" 1 4]] 300) (* b"\1\0\0\0" 300))
    "a text that is wrong" (forged [["text" 1 3]] b"(((")
    "a string that is no UTF-8" (forged [["line" 1 3]] b"\xff\xfe\n")
    "an array that is too large" (forged
      [["array" 1 0 "ndarray"] ["text" 1 29] ["u1" 1 1]] b"[\"<f8\" [1000000000000] \"C\"]  \0")
    "an array of objects" (forged [["array" 1 0 "ndarray"] ["text" 1 12] ["u1" 1 1]] b"[\"|O\" [0] 1]\0")
    "a tag that is not registered" (forged [["tagged" 1 0 "os.system"] ["text" 1 4]] b"[1]\n")
    "unhashable" (forged [["set" 1 4] ["list" 1 4] ["u1" 1 1]] b"\1\0\0\0\1\0\0\0x")}
  WRONG-VALUES {
    "a mark" MARK
    "no line feed" b"\xff[1 2"
    "no lengths" b"\xff\n"
    "no list" b"\xff{1 2}\n123"
    "a range" b"\xff(range 0 1000000000000 1)\n"
    "code" b"\xff(print 5)\n"
    "no UTF-8" b"\xff\xff\n"
    "too little" b"\xff[2 2]\n123"
    "too much" b"\xff[2]\n123"
    "one above the other" b"\xff[3 -1]\n12"
    "more than can be" (+ b"\xff[" (* b"9" 4000) b"]\n1")
    "no integers" b"\xff[1.0]\n1"
    "truth" b"\xff[True]\n1"
    "nested" b"\xff[[1]]\n1"
    "a value that is no UTF-8" b"\xff[2]\n\xc3("
    "text that is no UTF-8" b"5\n\xc3("
    "a value of nothing" b"\xff[0]\n"
    "fewer values than holes" b"\xff[]\n"
    #** (dfor  [name data] (.items WRONG)
      f"a value: {name}" (+ MARK (.encode f"[{(len data)} 1]") b"\n" data b"5"))})

(defn test-values-that-are-wrong-fail-their-task-alone []
  (with [[process #* address] (slave-server #* QUIET)
         sock (socket.create-connection address WAIT)]
    (setv master (Connection sock)
          number 0)
    (dial-handshake master "master" (new-session) (cookie))
    (.settimeout sock WAIT)
    (for [[name values] (.items WRONG-VALUES)]
      (+= number 1)
      (.send master "values" number values)
      (task master number "(fn [i o] [(value$0)])")
      (setv [kind got payload] (answer master))
      (assert (= [kind got] ["error" number]) #(name kind got (bytes payload)))
      (setv told (get (read-datum (str payload "utf-8")) "type"))
      (assert (in told ["dpfw.errors.DatumSyntaxError" "NameError" "UnicodeDecodeError"]) #(name told))
      ; Nothing of it reaches the next task.
      (+= number 1)
      (task master number "(fn [i o] 5)")
      (ends master number "5"))
    (holds (.poll process) None)))

(defn end-with [local payload]
  "What a promise ends with whose slave answers this, and whether it is kept."
  (with [[master slave] (false-slave)]
    (setv promise (.make-task master '(fn [i o]) local)
          [number _] (next-task slave))
    (.send slave "end" number payload)
    (setv error (error-of promise.result WAIT))
    (when (.slaves master)
      (setv next (.make-task master '(fn [i o]) read-result))
      (.send slave "end" (get (next-task slave) 0) b"5")
      (holds (.result next WAIT) 5))
    error))

(defn [(pytest.mark.parametrize "name" WRONG)] test-a-result-that-is-wrong-is-told-of [name]
  (setv payload (get WRONG name))
  (for [local [read-result (fn [i o] (read i)) (fn [i o] (.read i))]]
    (setv error (end-with local payload))
    (assert (isinstance error DpfwError) (repr error))
    (assert (isinstance error #(DatumSyntaxError SlaveLost)) (repr error)))
  ; Also if it is long, and so not read by who receives it.
  (when (in name ["cut short" "too long" "lengths that lie"])
    (setv payload (forged [["list" 1 4] ["u1" 100,001 100,001]] (+ b"\0\0\1\0" (bytes 100,001))))
    (assert (is (type (end-with read-result payload)) DatumSyntaxError))))

(defn chunk-answered [results seconds]
  "What a map of ten items ends with, of which a slave says this."
  (with [[master slave] (false-slave)]
    (setv calling (begin (fn [] (.map master 'abs (range 10) :chunk-size 10)))
          [number _] (next-task slave))
    (when results
      (.send slave "data" number results))
    (.send slave "end" number seconds)
    (error-of outcome calling)))

(defn test-results-of-a-chunk-that-are-wrong-are-told-of []
  (for [data (.values WRONG)
        both [[data b"0.5"] [(joined (list (range 10))) data] [b"[0 1 2 3 4 5 6 7 8 9]" data]]]
    (setv error (chunk-answered #* both))
    (assert (isinstance error #(DatumSyntaxError WireError)) (repr error))))

(defn test-a-chunk-answered-with-another-number-of-results-is-told-of []
  (holds (chunk-answered (joined (list (range 10))) (joined 0.5)) None)
  (for [results [[] (list (range 9)) (list (range 11)) (list (range 100)) (* [None] 200) (* [[1]] 10,000)]]
    (setv error (chunk-answered (joined results) b"0.5"))
    (assert (is (type error) WireError) (repr error))
    (assert (in f"answered 10 items with {(len results)} results, not 10" (str error)) (str error)))
  (for [[results seconds] [[(range 10) 0.5] [(tuple (range 10)) 0.5] ["0123456789" 0.5] [(np.arange 10) 0.5]
                           [(dict (enumerate (range 10))) 0.5] [5 0.5] [(list (range 10)) "0.5"]
                           [(list (range 10)) (np.array 0.5)] [(list (range 10)) None] [(list (range 10)) True]]]
    (setv error (chunk-answered (joined results) (joined seconds)))
    (assert (is (type error) WireError) (repr error))
    (assert (in (if (is (type results) list) "no seconds" "no list of results") (str error)) (str error)))
  (assert (isinstance (chunk-answered b"" b"0.5") DpfwError)))

(defn bounded-by [most procedure]
  (setv peak (peak-of procedure))
  (assert (< peak most) f"it took {peak} bytes"))

(defn test-a-frame-that-is-announced-takes-no-memory []
  (for [local [read-result (fn [i o] (read i))]
        size [(* 300 1000 1000) (** 10 14)]]
    (with [[master slave] (false-slave)]
      (bounded-by 5,000,000 (fn []
        (setv promise (.make-task master '(fn [i o]) local)
              [number _] (next-task slave))
        (.send-line slave f"(end {number} {size})")
        (setv error (error-of promise.result WAIT))
        (assert (is (type error) SlaveLost) (repr error))
        (assert (in f"announced a end frame of {size} bytes" (str error)) (str error))))
      (hangs-up-on slave))))

(defn test-a-short-answer-that-says-it-is-long-takes-no-memory []
  (for [data (.values WRONG)
        call [(fn [] (end-with read-result data))
              (fn [] (end-with (fn [i o] (read i)) data))
              (fn [] (chunk-answered data b"0.5"))]]
    (bounded-by 5,000,000 call)))


;; * The payload of a `values` frame

(setv
  texts (.map (st.one-of (st.integers) (st.text :max-size 9)) write-datum)
  packs (.map (st.lists (st.one-of (st.integers) (st.text :max-size 9) (st.none)) :max-size 9) pack)
  shaped (st.builds
    (fn [head tail] (+ MARK head b"\n" tail))
    (st.one-of (st.binary :max-size 9)
      (.map (st.lists (st.integers -1 9) :max-size 4) (fn [xs] (.encode (write-datum xs)))))
    (st.binary :max-size 20)))

(defn [(given (st.lists (st.one-of texts packs) :min-size 1 :max-size 6))]
  test-values-come-out-as-they-went-in [values]
  (setv got (values-of (.join b"" (values-payload values))))
  (holds (lfor  value got  (if (isinstance value str) value (bytes value)))
    (lfor  value values  (if (isinstance value str) value (.join b"" value)))))

(defn [(given (st.one-of (st.binary :max-size 40) shaped))
       (example b"") (example MARK) (example b"\xff[]\n") (example b"\xff[0 0]\n")
       (example b"\xff[1]\n\xff") (example b"\xff[2 1]\n\xff\xff5")]
  test-any-bytes-are-values-or-an-error [data]
  (for [payload [data (memoryview data)]]
    (try
      (setv values (values-of payload))
      (except [[DatumSyntaxError UnicodeDecodeError]]
        (continue))
      (else
        (if (.startswith data MARK)
          (holds (.join b"" (gfor  value values  (if (isinstance value str) (.encode value) value)))
            (cut data (+ 1 (.index data b"\n")) None))
          (holds (.encode (.join "\n" values)) data))))))


;; * Where text and packed data could differ

(defclass OneWay []
  "Can be written here, but what comes of reading it cannot, or nothing does.")

(defn unreadable [#* _]
  (raise (ValueError "only slaves can read this")))

(register-type OneWay "tests.OneWay" (fn [x] [1]) unreadable)

(setv ON-A-SLAVE '(do
  (import dpfw.data.sexp [register-type])
  (defclass Here [])
  (register-type Here "tests.OneWay" (fn [x] [1]) (fn [x] (Here)))
  (fn [i o])))

(defn [contextmanager] connected [[text ""] #** environment]
  (with [[_ #* address] (slave-server #* QUIET :DPFW_TEXT text #** environment)
         master (Master)]
    (.connect master #* address)
    (yield master)))

(defn [(pytest.mark.parametrize "n" [1 100])]
  test-a-result-that-only-the-slave-can-read-leaves-the-slave-to-its-master [n]
  (with [master (connected)]
    (run-task master ON-A-SLAVE)
    (for [local [read-result (fn [i o] (read i))]]
      (setv error (error-of run-task master `(fn [i o] (lfor  _ (range ~n)  (Here))) local))
      (assert (is (type error) DatumSyntaxError) (repr error))
      (assert (= (len (.slaves master)) 1)))
    (holds (run-task master '(fn [i o] 5)) 5)))

(defclass Foreign [])
(defclass Other [])

; What is read is no longer of a type that can be written.
(register-type Foreign "tests.Foreign" (fn [x] [1]) (fn [x] (Other)))

(defn [(pytest.mark.parametrize "n" [1 100])]
  test-a-result-that-cannot-be-written-again-leaves-the-slave-to-its-master [n]
  (with [master (connected)]
    (run-task master '(do
      (import dpfw.data.sexp [register-type])
      (defclass Here [])
      (register-type Here "tests.Foreign" (fn [x] [1]) (fn [x] (Here)))
      (fn [i o])))
    (setv remote `(fn [i o] (lfor  _ (range ~n)  (Here))))
    (holds (lfor  x (run-task master remote)  (type x)) (* [Other] n))
    (setv promise (.make-task master remote (fn [i o] (read i))))
    (error-of promise.result 5)
    (setv next (.make-task master '(fn [i o] 5) read-result))
    (holds (.result next 5) 5)))

(defn test-data-that-the-master-cannot-read-go-to-no-slave-that-takes-text-only []
  "They are packed before anybody knows which slave will have them. Small ones go."
  (with [master (connected "1")]
    (run-task master ON-A-SLAVE)
    (defn of [n]
      (.make-task master `(fn [i o] (len ~(lfor  _ (range n)  (OneWay)))) read-result))
    (for [local [read-result (fn [i o] (read i))]]
      (setv promise (.make-task master `(fn [i o] (len ~(lfor  _ (range 100)  (OneWay)))) local))
      (assert (isinstance (error-of promise.result WAIT) DatumSyntaxError)))
    (holds (.result (of 1) WAIT) 1)))

(defn test-a-text-above-the-limit-is-an-error-and-no-lost-slave []
  (with [master (connected "1" :DPFW_FRAME_LIMIT (str LIMIT))]
    (setv master.node.frame-limit LIMIT)
    (for [x [(* [True] 500,000) (* [{(* "key" 100) 1}] 20,000)]]
      (setv error (error-of run-task master `(fn [i o] (len ~x))))
      (assert (isinstance error OverflowError) (repr error))
      (setv error (error-of (fn [] (.map master 'len [x]))))
      (assert (isinstance error OverflowError) (repr error)))
    (holds (len (.slaves master)) 1)))

(defn [(pytest.mark.parametrize "data" [
    (forged [["list" 1 4] ["record" 100 400 [[(* "k" 1,000,000)]]] ["u1" 100 100]]
      (+ b"\x64\0\0\0" (bytes 400) (bytes 100)))
    (forged [["list" 1 4] ["keyword" 100 400] ["line" 1 1,000,001]]
      (+ b"\x64\0\0\0" (bytes 400) (* b"k" 1,000,000) b"\n"))])]
  test-the-text-of-a-short-result-takes-little-memory [data]
  "100 times a name of a million characters, which the packed data have once."
  (with [(pytest.raises DatumSyntaxError)]
    (decode data))
  (bounded-by 20,000,000 (fn [] (end-with (fn [i o] (.read i 10)) data))))

(defn [(pytest.mark.parametrize "n" [1000 100,000])]
  test-what-the-master-changes-in-an-array-later-is-not-sent [n]
  (with [master (connected)]
    (setv x (np.zeros n)
          gate (threading.Event)
          busy (.make-task master '(fn [i o] 0) (fn [i o] (.wait gate WAIT) (read i)))
          promise (.make-task master `(fn [i o] (float (.sum ~x))) read-result))
    (.fill x 1)
    (.set gate)
    (.result busy WAIT)
    (holds (.result promise WAIT) 0.0)))

(defn [(pytest.mark.parametrize "place" [0 3 100])]
  test-what-is-a-level-too-deep-for-a-chunk-is-named [place]
  (with [master (connected)]
    (with [raised (pytest.raises UnwritableError)]
      (.map master '(fn [x] x) [#* (* [1] place) (nested 200) #* (* [1] 10)] :chunk-size 1000))
    (message raised f"item {place}: ")
    (setv error (error-of (fn []
      (.map master
        `(fn [n]
          (setv x [])
          (when (= n ~place)
            (for [_ (range 199)]
              (setv x [x])))
          x)
        (range (+ place 10)) :chunk-size 1000))))
    (assert (and (isinstance error RemoteError) (isinstance error TypeError)) (repr error))
    (holds error.index place)))

(defn [(pytest.mark.parametrize "data" [b"\xc3(" b"\"\xc3(\""])]
  test-a-result-that-is-no-utf-8-is-an-error-of-dpfw [data]
  (assert (is (type (end-with read-result data)) DatumSyntaxError)))
