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
  signal
  socket
  subprocess
  sys
  threading
  hy.models [Keyword]
  hypothesis [example given settings strategies :as st]
  numpy :as np
  pytest
  dpfw.data.codec [decode encode takes-packed?]
  dpfw.data.packed [pack small?]
  dpfw.data.sexp [read-datum register-type write-datum]
  dpfw.dispatch [mapping]
  dpfw.errors [DatumSyntaxError DpfwError RemoteError SettingError SlaveLost UnwritableError WireError]
  dpfw.master [Master]
  dpfw.net.addresses [format-address]
  dpfw.net.cookie [cookie]
  dpfw.net.handshake [dial-handshake new-session]
  dpfw.net.wire [Connection]
  dpfw.task.ports [read read-result write]
  dpfw.task.remote [as-remote values-of values-payload]
  tests.data.memory [peak-of]
  tests.helpers [begin holds message outcome until]
  tests.processes [await-slaves ended error-of launched run-task slave-command slave-process slave-server WAIT]
  tests.serve.sessions [answer ends fails hangs-up serving task])
(require hyrule.control [unless])

(setv
  MARK b"\xff"
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
  (lfor  n (range 200)  (f n)))

(setv LARGE {
  "integers" (list (range -500 500))
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
  "forms" (many (fn [n] ['(f x) 'a n]))
  "array" (array "d" (range 300))
  "ndarray" (/ (np.arange 3000.) 7)
  "small ndarray" (np.array [[1 2] [3 4]] "<i2")
  "columns" (np.asfortranarray (.reshape (np.arange 600) 20 30))
  "big-endian" (.astype (np.arange 300) ">i4")
  "large ndarray" (.astype (np.arange 100,000) "<f4")
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
    (yield)))

(defn [contextmanager] tapped [mine first second]
  "A master with two slaves, and the taps between."
  (with [one (slave-server #* QUIET :DPFW_TEXT first)
         two (slave-server #* QUIET :DPFW_TEXT second)
         _ (setting mine)
         master (Master)]
    (setv taps (lfor  server [one two]  (Tap (tuple (cut server 1 None)))))
    (try
      (for [tap taps]
        (.connect master #* tap.address))
      (.broadcast master POINTS)
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

(defn [(pytest.mark.parametrize "name" LARGE)] test-large-data-go-there-and-back [master name]
  (setv x (get LARGE name))
  (same (run-task master `(fn [i o] ~x)) x)
  (same (run-task master `(fn [i o] [1 ~x {"k" ~x}])) [1 x {"k" x}])
  (same (run-task master `(fn [i o] [~x ~5 ~"small" ~x ~[x]])) [x 5 "small" x [x]])
  ; The slave has an equal value, not only one that comes back as such. (Strings in a set
  ; have another order in each process.)
  (unless (= name "frozensets")
    (holds (run-task master `(fn [i o]
        (import hashlib [sha256] dpfw.data.sexp [write-datum])
        (.hexdigest (sha256 (.encode (write-datum ~x))))))
      (.hexdigest (sha256 (.encode (write-datum x)))))))

(setv LOCALS {
  "read-result" read-result
  "one's own" (fn [i o] (read i))
  "text" (fn [i o] (read-datum (.read i)))
  "bytes" (fn [i o] (read-datum (.decode (.read i.buffer))))
  "a line" (fn [i o] (read-datum (.readline i)))
  "characters" (fn [i o] (read-datum (.join "" (iter (fn [] (.read i 999)) ""))))})

(defn [(pytest.mark.parametrize "local" LOCALS)
       (pytest.mark.parametrize "name" LARGE)]
  test-a-large-result-is-the-same-to-every-local-procedure [master name local]
  (setv x (get LARGE name))
  (same (run-task master `(fn [i o] ~x) (get LOCALS local)) x))

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
  (for [name ["ndarray" "small ndarray" "columns" "big-endian" "large ndarray"]]
    (setv x (get LARGE name))
    (for [local [read-result (fn [i o] (read i))]]
      (setv [got] (run-task master
        `(fn [i o] (setv a ~x) (+= (get a 0) 1) [(- a 1)]) local))
      (assert got.flags.writeable)
      (+= got 1)
      (setv wanted (.copy x)
            (get wanted 0) (+ (get wanted 0) 1))
      (assert (np.array-equal got wanted)))
    (for [got (.map master '(fn [a] a) [x x])]
      (setv (get got 0) 7))))

(defn test-each-evaluation-of-an-array-makes-a-new-one [master]
  (setv x (np.zeros 1000))
  (holds (run-task master `(fn [i o]
      (setv all [])
      (for [_ (range 3)]
        (setv a ~x)
        (.append all (float (.sum a)))
        (.fill a 1))
      all))
    [0.0 0.0 0.0]))

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

(defn [(pytest.mark.parametrize "name" [
        "integers" "strings" "a string" "a bytes" "tuple" "records" "a set" "keywords"])]
  test-code-sees-large-data [master name]
  (.broadcast master '(do (defmacro kind [x] (. (type x) __name__)) (fn [i o])))
  (setv x (get LARGE name)
        model (hy.as-model x))
  (setv got (run-task master `(fn [i o] [(kind ~x) '~x ~x])))
  (holds (get got 0) (. (type model) __name__))
  (assert (= (get got 1) model))
  (same (get got 2) x))

(defn test-patterns-may-be-large [master]
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

(defn [(pytest.mark.parametrize #("make" "place") [
    #((fn [bad] [#* (range 100) bad]) "[100]")
    #((fn [bad] {"a" (* [1] 100)  "b" bad}) "[\"b\"]")
    #((fn [bad] (* [[1 bad]] 100)) "[0][1]")
    #((fn [bad] [(* "x" 10,000) {"k" #(bad)}]) "[1][\"k\"][0]")
    #((fn [bad] [(np.arange 100) bad]) "[1]")])
  (pytest.mark.parametrize "bad" [(fn []) (np.array ["text"]) (np.array [None]) (io.StringIO)])]
  test-what-cannot-be-written-is-named-before-a-byte-is-sent [network make place bad]
  (setv [master taps] network
        said (fn [] (lfor  tap taps  (len tap.said)))
        before (said))
  (for [local [read-result (fn [i o] (read i))]]
    (setv error (error-of master.make-task `(fn [i o] (f 1 ~(make bad))) local))
    (assert (is (type error) UnwritableError) (repr error))
    ; `(fn [i o] (f 1 X))`
    (assert (in (+ "(at [2][2]" place ")") (str error)) (str error)))
  (holds (said) before))

(defn [(pytest.mark.parametrize "local" ["read-result" "one's own"])]
  test-a-large-result-that-cannot-be-written-is-named [master local]
  (setv error (error-of run-task master '(fn [i o] [(list (range 1000)) {"k" [1 i]}]) (get LOCALS local)))
  (assert (and (isinstance error RemoteError) (isinstance error TypeError)) (repr error))
  (assert (in "(at [1][\"k\"][1])" (str error)) (str error)))
