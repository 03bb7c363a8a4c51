"SRFI-69's tables do what the SRFI says, for dicts and for other equivalences,
and in threads; and the checker of docstrings, `doc-examples`, finds what is
wrong."

(import
  builtins
  collections [Counter defaultdict deque OrderedDict]
  fractions [Fraction]
  operator
  os
  pathlib [Path]
  subprocess
  sys
  textwrap [dedent]
  threading [Barrier Thread]
  types [ModuleType]
  hy.pyops
  hypothesis [given strategies :as st]
  pytest
  dpfw
  dpfw.srfi-69
  dpfw.srfi-69 *
  tests.doc-examples [check-docstrings])


(defclass Subdict [dict])


(defn ci=? [a b]
  (= (.casefold a) (.casefold b)))


(defn add-1 [n]
  (+ n 1))


(defn holds [got wanted]
  (assert (= got wanted) f"got {got !r}, wanted {wanted !r}"))


;; Every kind of table, empty.
(setv MAKERS {
  "dict" make-hash-table
  "subclass" Subdict
  "defaultdict" (fn [] (defaultdict list))
  "case-insensitive" (fn [] (make-hash-table ci=? string-ci-hash))
  "identity" (fn [] (make-hash-table operator.is-))
  "collisions" (fn [] (make-hash-table operator.eq (fn [key bound] 0)))})

(defn [(pytest.fixture :params (list MAKERS))] table [request]
  ((get MAKERS request.param)))


;; * The names

(defn test-exports-are-the-names-of-the-srfi []
  (holds
    (sorted (map hy.unmangle dpfw.srfi-69.__all__))
    (sorted (.split "
      make-hash-table hash-table? alist->hash-table
      hash-table-equivalence-function hash-table-hash-function
      hash-table-ref hash-table-ref/default hash-table-set! hash-table-delete!
      hash-table-exists? hash-table-update! hash-table-update!/default
      hash-table-size hash-table-keys hash-table-values hash-table-walk
      hash-table-fold hash-table->alist hash-table-copy hash-table-merge!
      hash string-hash string-ci-hash hash-by-identity"))))

(defn test-examples-in-docstrings []
  (assert (> (check-docstrings dpfw.srfi-69) 30)))

(defn test-each-procedure-has-an-example-and-names-its-source []
  (for [name dpfw.srfi-69.__all__]
    (setv doc (. (getattr dpfw.srfi-69 name) __doc__))
    (assert (and (in "; =>" doc) (in "(SRFI-69)" doc)) (hy.unmangle name))))


;; * Making tables

(defn test-a-table-by-default-is-a-plain-dict []
  (for [arguments [[] [operator.eq] [hy.pyops.=] [operator.eq hash]
                   [hy.pyops.= builtins.hash]]]
    (setv t (make-hash-table #* arguments))
    (assert (is (type t) dict) arguments)
    (holds t {})))

(defn test-a-copy-of-the-parameters-makes-a-table-of-the-same-kind [table]
  (setv new (make-hash-table
    (hash-table-equivalence-function table)
    (hash-table-hash-function table)))
  (holds (isinstance new dict) (isinstance table dict))
  (assert (is (hash-table-equivalence-function new)
              (hash-table-equivalence-function table)))
  (assert (is (hash-table-hash-function new) (hash-table-hash-function table))))

(defn [(pytest.mark.parametrize "same" [operator.is- hy.pyops.is])]
      test-identity-needs-no-hash-function [same]
  (setv
    t (make-hash-table same)
    [a b] [[1] [1]])
  (hash-table-set! t a "a")
  (hash-table-set! t b "b")
  (holds (hash-table-ref t a) "a")
  (holds (hash-table-ref t b) "b")
  (assert (not (hash-table-exists? t [1])))
  (assert (is (hash-table-hash-function t) hash-by-identity)))

(defn test-keys-may-differ-in-what-the-equivalence-ignores []
  (setv t (make-hash-table ci=? string-ci-hash))
  (hash-table-set! t "Straße" 1)
  (hash-table-set! t "STRASSE" 2)
  (holds (hash-table->alist t) [#("Straße" 2)])
  (hash-table-delete! t "strasse")
  (holds (hash-table-size t) 0))

(defn test-an-unknown-equivalence-needs-a-hash-function []
  (for [make [make-hash-table (fn [equal] (alist->hash-table [] equal))]]
    (with [e (pytest.raises TypeError :match "no hash function is known")]
      (make ci=?))
    (assert (in "(make-hash-table string-ci=? string-ci-hash)" (str e.value)))))

(defn test-hash-functions-may-take-a-bound-or-not []
  (for [f [(fn [key] (len key))
           (fn [key bound] (% (len key) bound))
           (fn [key [bound 3]] (% (len key) bound))
           (fn [#* arguments] 1)
           len
           (fn [key] (** 2 100))]]
    (setv t (make-hash-table ci=? f))
    (hash-table-set! t "A" 1)
    (holds (hash-table-ref t "a") 1)))

(defn test-hash-functions-without-a-signature-take-the-key []
  (setv t (make-hash-table operator.eq int))
  (hash-table-set! t "12" 1)
  (holds (hash-table-ref t "12") 1))

(defn test-a-hash-function-of-ones-own-is-used-with-equality-too []
  (setv t (make-hash-table operator.eq (fn [key] (hash key))))
  (hash-table-set! t [1 2] "a list as key")
  (holds (hash-table-ref t [1 2]) "a list as key"))

(defn test-hash-functions-must-give-integers []
  (setv t (make-hash-table ci=? str.casefold))
  (with [(pytest.raises TypeError :match "integer")]
    (hash-table-set! t "a" 1)))

(defn test-hash-functions-must-be-functions []
  (with [(pytest.raises TypeError :match "100")]
    (make-hash-table ci=? 100)))

(defn test-no-further-arguments-are-taken []
  (with [(pytest.raises TypeError)]
    (make-hash-table operator.eq hash 100)))

(defn test-what-is-a-table [table]
  (holds (hash-table? table) True)
  (for [x [None [] [#(1 2)] "a" hash-table?]]
    (holds (hash-table? x) False)))

(defn test-alist-pairs-may-be-of-any-type []
  (holds (alist->hash-table [#("a" 1) ["b" 2] '[c 3]])
         {"a" 1  "b" 2  'c '3})
  (holds (alist->hash-table (iter [])) {}))

(defn test-the-first-pair-of-a-key-counts []
  (holds (alist->hash-table [#("a" 1) #("b" 2) #("a" 3)]) {"a" 1  "b" 2})
  (holds (alist->hash-table [#("a" None) #("a" 3)]) {"a" None})
  (holds (hash-table->alist
           (alist->hash-table [#("a" 1) #("A" 2)] ci=? string-ci-hash))
         [#("a" 1)]))


;; * One key

(defn test-set-then-ref [table]
  (holds (hash-table-set! table "a" 1) None)
  (holds (hash-table-ref table "a") 1)
  (holds (hash-table-ref/default table "a" 2) 1)
  (hash-table-set! table "a" 2)
  (holds (hash-table-ref table "a") 2)
  (holds (hash-table-size table) 1))

(defn test-ref-of-an-absent-key-calls-the-thunk [table]
  (holds (hash-table-ref table "a" (fn [] 5)) 5)
  (holds (hash-table-ref/default table "a" 6) 6)
  (holds (hash-table-size table) 0))

(defn test-ref-of-a-present-key-does-not-call-the-thunk [table]
  (hash-table-set! table "a" None)
  (holds (hash-table-ref table "a" (fn [] (/ 1 0))) None))

(defn test-ref-of-an-absent-key-without-thunk-says-what-to-do [table]
  (for [f [hash-table-ref (fn [t k] (hash-table-update! t k add-1))]]
    (with [e (pytest.raises KeyError)]
      (f table "absent"))
    (for [part ["'absent'" "(fn [] 0)" "/default"]]
      (assert (in part (str e.value)) (str e.value))))
  (holds (hash-table-size table) 0))

(defn test-delete [table]
  (hash-table-set! table "a" 1)
  (holds (hash-table-delete! table "a") None)
  (assert (not (hash-table-exists? table "a")))
  (holds (hash-table-delete! table "a") None))

(defn test-exists-is-true-of-a-value-of-None [table]
  (holds (hash-table-exists? table "a") False)
  (hash-table-set! table "a" None)
  (holds (hash-table-exists? table "a") True))

(defn test-update [table]
  (hash-table-set! table "a" 1)
  (holds (hash-table-update! table "a" add-1) None)
  (holds (hash-table-ref table "a") 2)
  (hash-table-update! table "a" add-1 (fn [] (/ 1 0)))
  (holds (hash-table-ref table "a") 3))

(defn test-update-applies-the-function-to-the-default-too [table]
  (hash-table-update! table "a" add-1 (fn [] 10))
  (holds (hash-table-ref table "a") 11)
  (holds (hash-table-update!/default table "b" add-1 20) None)
  (holds (hash-table-ref table "b") 21)
  (hash-table-update!/default table "b" add-1 20)
  (holds (hash-table-ref table "b") 22))

(defn test-the-original-s-example-of-a-closure-as-default [table]
  (defn values [x] x)
  (hash-table-update!/default table "uniqID" values
    (let [n 0] (fn [] (nonlocal n) (+= n 1) n)))
  (holds (lfor  _ (range 3)  ((hash-table-ref table "uniqID"))) [1 2 3])
  (hash-table-update!/default table "uniqID" values (fn [] 100))
  (holds ((hash-table-ref table "uniqID")) 4))

(defn test-an-update-that-raises-changes-nothing-and-frees-the-lock [table]
  (hash-table-set! table "a" 1)
  (for [update [(fn [] (hash-table-update! table "a" (fn [n] (/ n 0))))
                (fn [] (hash-table-update! table "b" add-1 (fn [] (/ 1 0))))
                (fn [] (hash-table-update!/default table "b" (fn [n] (/ n 0)) 1))]]
    (with [(pytest.raises ZeroDivisionError)]
      (update)))
  (holds (hash-table->alist table) [#("a" 1)])
  (setv other (Thread :target hash-table-set! :args [table "a" 2] :daemon True))
  (.start other)
  (.join other 10)
  (holds (hash-table->alist table) [#("a" 2)]))

(defn test-an-update-may-use-the-table [table]
  (hash-table-set! table "a" 1)
  (hash-table-update! table "a" (fn [n]
    (hash-table-update!/default table "b" add-1 n)
    (hash-table-ref table "b")))
  (holds (hash-table->alist table) [#("a" 2) #("b" 2)]))

(defn [(pytest.mark.parametrize "key" [[1 2] {"a" 1} #{1} #([1] 2) (bytearray b"a")])]
      test-a-key-that-can-change-is-refused-with-the-cure [key]
  (for [f [(fn [t] (hash-table-set! t key 1))
           (fn [t] (hash-table-delete! t key))
           (fn [t] (hash-table-ref t key))
           (fn [t] (hash-table-ref/default t key 1))
           (fn [t] (hash-table-exists? t key))
           (fn [t] (hash-table-update!/default t key add-1 1))
           (fn [t] (hash-table-merge! t
             (alist->hash-table [#(key 1)] operator.is-)))
           (fn [t] (alist->hash-table [#(key 1)]))]]
    (setv t {"x" 0})
    (with [e (pytest.raises TypeError :match "cannot be a key .*; use a tuple")]
      (f t))
    (assert (in (repr key) (str e.value)) (str e.value))
    (holds t {"x" 0})))

(defn test-a-TypeError-of-the-equivalence-is-not-taken-for-that []
  (setv t (make-hash-table (fn [a b] (< (len a) b)) (fn [key] 0)))
  (hash-table-set! t "a" 1)
  (with [(pytest.raises TypeError :match "^'<' not supported")]
    (hash-table-set! t [1] 1)))

(defn test-1-and-True-are-one-key-to-a-dict-and-two-by-identity []
  (setv keys [1 1.0 True])
  (holds (hash-table-size (alist->hash-table (gfor  k keys  #(k 0)))) 1)
  (holds (hash-table-size (alist->hash-table (gfor  k keys  #(k 0)) operator.is-))
         3))


;; * What is no table

(setv TAKERS {
  "hash-table-equivalence-function" hash-table-equivalence-function
  "hash-table-hash-function" hash-table-hash-function
  "hash-table-ref" (fn [t] (hash-table-ref t 0 (fn [] 1)))
  "hash-table-ref/default" (fn [t] (hash-table-ref/default t 0 1))
  "hash-table-set!" (fn [t] (hash-table-set! t 0 1))
  "hash-table-delete!" (fn [t] (hash-table-delete! t 0))
  "hash-table-exists?" (fn [t] (hash-table-exists? t 0))
  "hash-table-update!" (fn [t] (hash-table-update! t 0 add-1 (fn [] 1)))
  "hash-table-update!/default" (fn [t] (hash-table-update!/default t 0 add-1 1))
  "hash-table-size" hash-table-size
  "hash-table-keys" hash-table-keys
  "hash-table-values" hash-table-values
  "hash-table-walk" (fn [t] (hash-table-walk t (fn [k v])))
  "hash-table-fold" (fn [t] (hash-table-fold t (fn [k v x]) 0))
  "hash-table->alist" hash-table->alist
  "hash-table-copy" hash-table-copy
  "hash-table-merge!" (fn [t] (hash-table-merge! t {1 2}))})

(defn [(pytest.mark.parametrize "name" (list TAKERS))
       (pytest.mark.parametrize "no_table" [[5 6] [] [#("a" 1)] "text" None #(1 2) (.items {}) (deque [1]) hash-table?]
         :ids (fn [x] (. (type x) __name__)))]
      test-what-is-no-table-is-named [name no-table]
  (setv before (repr no-table))
  (with [e (pytest.raises TypeError)]
    ((get TAKERS name) no-table))
  (for [part [f"{name} wants a hash table as its argument `table`" (. (type no-table) __name__) "(make-hash-table)"]]
    (assert (in part (str e.value)) [part (str e.value)]))
  (assert (< (len (str e.value)) 300) (str e.value))
  (holds (repr no-table) before))

(defn test-a-huge-one-is-not-shown-whole []
  (with [e (pytest.raises TypeError)]
    (hash-table-set! (list (range 100,000)) 0 1))
  (assert (< (len (str e.value)) 300) (len (str e.value))))

(defn test-every-procedure-on-tables-is-among-these []
  (holds (sorted TAKERS) (sorted (gfor
    name (map hy.unmangle dpfw.srfi-69.__all__)
    :if (and (.startswith name "hash-table") (!= name "hash-table?"))
    name))))

(defn test-what-is-merged-is-a-table-too [table]
  (for [source [[#("a" 1)] None "ab"]]
    (with [e (pytest.raises TypeError :match "hash-table-merge! wants a hash table as its argument `source`")]
      (hash-table-merge! table source)))
  (holds (hash-table-size table) 0))

(defn test-nor-is-the-thunk-called []
  (for [f [(fn [thunk] (hash-table-ref [] 0 thunk)) (fn [thunk] (hash-table-update! [] 0 add-1 thunk))]]
    (with [(pytest.raises TypeError :match "wants a hash table")]
      (f (fn [] (/ 1 0))))))


;; * The whole table

(defn filled [table]
  (hash-table-set! table "a" 1)
  (hash-table-set! table "b" 2)
  table)

(defn test-size-keys-values-and-alist [table]
  (holds (hash-table-size table) 0)
  (holds (hash-table->alist table) [])
  (filled table)
  (holds (hash-table-size table) 2)
  (holds (hash-table-keys table) ["a" "b"])
  (holds (hash-table-values table) [1 2])
  (holds (hash-table->alist table) [#("a" 1) #("b" 2)]))

(defn test-walk-gives-key-and-value [table]
  (setv seen [])
  (holds (hash-table-walk (filled table) (fn [k v] (.append seen #(k v)))) None)
  (holds seen [#("a" 1) #("b" 2)]))

(defn test-fold-gives-key-value-and-what-came-before [table]
  (holds (hash-table-fold table (fn [k v acc] (/ 1 0)) "none") "none")
  (holds (hash-table-fold (filled table) (fn [k v acc] [k v acc]) None)
         ["b" 2 ["a" 1 None]]))

(defn test-walk-and-fold-may-alter-the-table [table]
  (setv seen [])
  (defn alter [k v [_ None]]
    (.append seen k)
    (hash-table-delete! table "b")
    (hash-table-set! table (+ k "'") v))
  (hash-table-walk (filled table) alter)
  (holds seen ["a" "b"])
  (holds (hash-table-keys table) ["a" "a'" "b'"])
  (hash-table-fold table alter None)
  (holds (cut seen 2 None) ["a" "a'" "b'"]))

(defn test-walk-and-fold-do-not-hold-the-lock [table]
  (for [go-through [hash-table-walk
                    (fn [t f] (hash-table-fold t (fn [k v _] (f k v)) None))]]
    (go-through (filled table) (fn [k v]
      (setv other (Thread :target hash-table-set! :args [table k 0] :daemon True))
      (.start other)
      (.join other 10)
      (holds (hash-table-ref table k) 0)))))

(defn test-copy-is-independent-and-of-the-same-kind [table]
  (setv new (hash-table-copy (filled table)))
  (hash-table-set! new "c" 3)
  (hash-table-set! table "a" 0)
  (holds (hash-table->alist table) [#("a" 0) #("b" 2)])
  (holds (hash-table->alist new) [#("a" 1) #("b" 2) #("c" 3)])
  (holds (isinstance new dict) (isinstance table dict))
  (for [f [hash-table-equivalence-function hash-table-hash-function]]
    (assert (is (f new) (f table)))))

(defn test-merge-prefers-the-second-table-and-returns-the-first [table]
  (setv source {"b" 20  "c" 30})
  (assert (is (hash-table-merge! (filled table) source) table))
  (holds (hash-table->alist table) [#("a" 1) #("b" 20) #("c" 30)])
  (holds source {"b" 20  "c" 30})
  (holds (hash-table-merge! {"a" 0} table) {"a" 1  "b" 20  "c" 30}))

(defn test-merge-with-itself [table]
  (hash-table-merge! (filled table) table)
  (holds (hash-table->alist table) [#("a" 1) #("b" 2)]))

(defn test-repr-shows-keys-and-values []
  (setv t (make-hash-table operator.is-))
  (hash-table-set! t "a" 1)
  (holds (repr t) "<HashTable [('a', 1)]>"))


;; * Against a model: a list of [key value], searched from front to back

(defn model-find [model equal key]
  (for [entry model]
    (when (equal (get entry 0) key)
      (return entry))))

(defn model-set [model equal key value]
  (setv entry (model-find model equal key))
  (if entry
    (setv (get entry 1) value)
    (.append model [key value])))

(defn model-delete [model equal key]
  ;; By identity: the entries of two equal objects can be equal.
  (setv
    entry (model-find model equal key)
    (cut model) (lfor  e model  :if (is-not e entry)  e)))

(setv
  NUMBERS (st.sampled-from [0 0.0 False 1 1.0 True 2 (Fraction 2) -1 -2])
  WORDS (st.sampled-from ["" "a" "A" "ß" "ss" "SS" "ab" "aB"])
  OBJECTS (st.sampled-from [[] [] {} {} [1] "a" 1 1.0 True])
  KINDS {
    "=" [NUMBERS operator.eq None]
    "= with collisions" [NUMBERS operator.eq (fn [key bound] 0)]
    "is" [OBJECTS operator.is- None]
    "is with collisions" [OBJECTS operator.is- (fn [key] 7)]
    "case" [WORDS ci=? string-ci-hash]
    "case with collisions" [WORDS ci=? (fn [key] (% (string-ci-hash key) 2))]
    "modulo 3" [(st.integers -9 9) (fn [a b] (= (% a 3) (% b 3))) (fn [k] (% k 3))]})

(defn [(pytest.mark.parametrize "kind" (list KINDS))
       (given :data (st.data))]
      test-a-table-does-as-an-association-list [kind data]
  (setv [keys equal hash-function] (get KINDS kind)
        table (make-hash-table equal hash-function)
        model [])
  (for [[what key n] (.draw data (st.lists (st.tuples
      (st.sampled-from ["set" "delete" "update" "merge" "copy"])
      keys
      (st.integers 0 9))))]
    (setv entry (model-find model equal key))
    (holds (hash-table-exists? table key) (bool entry))
    (holds (hash-table-ref table key (fn [] None)) (when entry (get entry 1)))
    (cond
      (= what "set") (do
        (hash-table-set! table key n)
        (model-set model equal key n))
      (= what "delete") (do
        (hash-table-delete! table key)
        (model-delete model equal key))
      (= what "update") (do
        (hash-table-update!/default table key add-1 n)
        (model-set model equal key (+ 1 (if entry (get entry 1) n))))
      (= what "merge") (do
        (setv alist (.draw data (st.lists (st.tuples keys (st.integers)))))
        (hash-table-merge! table (alist->hash-table alist equal hash-function))
        ; The first of a key counts, so it is set last; but all take their
        ; places in the order in which they come.
        (for [pairs [alist (reversed alist)]  [k v] pairs]
          (model-set model equal k v)))
      (= what "copy")
        (setv table (hash-table-copy table)))
    (holds (hash-table-size table) (len model))
    (holds (lfor  [k v] (hash-table->alist table)  #((id k) v))
           (lfor  [k v] model  #((id k) v)))))


;; * Threads

(defn [pytest.fixture] fast-switches []
  (setv before (sys.getswitchinterval))
  (sys.setswitchinterval 1e-6)
  (yield)
  (sys.setswitchinterval before))

(defn run-threads [#* functions]
  (setv
    start (Barrier (len functions))
    threads (lfor  f functions
      (Thread :target (fn [f] (.wait start) (f)) :args [f] :daemon True)))
  (for [thread threads]
    (.start thread))
  (for [thread threads]
    (.join thread 60)
    (assert (not (.is-alive thread)) "the threads wait for each other")))

(defn test-updates-by-many-threads-are-all-counted [table fast-switches]
  (hash-table-set! table "a" 0)
  (defn count []
    (for [_ (range 1000)]
      (hash-table-update! table "a" add-1)
      (hash-table-update!/default table "b" add-1 0)))
  (run-threads #* (* [count] 8))
  (holds (hash-table->alist table) [#("a" 8000) #("b" 8000)]))

(defn test-updates-of-two-tables-inside-each-other-do-not-deadlock [fast-switches]
  (setv [a b] [{"n" 0} {"n" 0}])
  (defn nested [outer inner]
    (for [_ (range 500)]
      (hash-table-update! outer "n" (fn [n]
        (hash-table-update! inner "n" add-1)
        (+ n 1)))))
  (run-threads (fn [] (nested a b)) (fn [] (nested b a)))
  (holds [a b] [{"n" 1000} {"n" 1000}]))

(defn test-listing-while-others-add-and-delete [table fast-switches]
  (setv done False)
  (defn churn []
    (nonlocal done)
    (for [i (range 2000)]
      (hash-table-set! table (* "k" (% i 50)) i)
      (hash-table-delete! table (* "k" (% (* 7 i) 50))))
    (setv done True))
  (defn list-all []
    (while (not done)
      (hash-table-walk table (fn [k v] None))
      (hash-table-copy table)
      (hash-table-merge! (make-hash-table) table)))
  (run-threads churn list-all))

(defn during-an-update [table function do-meanwhile [patience 0.1]]
  "Update ``\"n\"`` while another thread does something: it gets ``patience``
  seconds to do so before ``function`` computes the value."

  (setv other (Thread :target do-meanwhile :daemon True))
  (hash-table-update! table "n" (fn [n]
    (.start other)
    (.join other patience)
    (function n)))
  (.join other 60)
  (assert (not (.is-alive other)) "the other thread waits for ever"))

(setv WRITERS {
  "set!" (fn [t] (hash-table-set! t "n" 100))
  "update!" (fn [t] (hash-table-update! t "n" (fn [n] 100)))
  "update!/default" (fn [t] (hash-table-update!/default t "n" (fn [n] 100) 0))
  "delete!" (fn [t] (hash-table-delete! t "n") (hash-table-set! t "n" 100))
  "merge!" (fn [t] (hash-table-merge! t {"n" 100}))})

(defn [(pytest.mark.parametrize "writer" (list WRITERS))]
      test-no-change-is-lost-inside-an-update [writer]
  (setv table {"n" 0})
  (during-an-update table add-1 (fn [] ((get WRITERS writer) table)))
  (holds table {"n" 100}))

(defn test-no-deletion-is-lost-inside-an-update []
  (setv table {"n" 0})
  (during-an-update table add-1 (fn [] (hash-table-delete! table "n")))
  (holds table {}))

(defn walk-keys [table]
  (setv keys [])
  (hash-table-walk table (fn [k v] (.append keys k)))
  keys)

(setv READERS {
  "->alist" hash-table->alist
  "keys" hash-table-keys
  "values" hash-table-values
  "copy" hash-table-copy
  "walk" walk-keys
  "fold" (fn [t] (hash-table-fold t (fn [k v keys] [k #* keys]) []))
  "merge!" (fn [t] (hash-table-merge! {} t))})

(defn [(pytest.mark.parametrize "reader" (list READERS))]
      test-nobody-lists-a-half-done-update [reader]
  (setv
    table {"n" 0}
    seen []
    other (Thread :daemon True
      :target (fn [] (.append seen (len ((get READERS reader) table))))))
  (hash-table-update! table "n" (fn [n]
    (hash-table-set! table "half" 0)
    (.start other)
    (.join other 0.1)
    (hash-table-delete! table "half")
    n))
  (.join other 60)
  (holds seen [1]))

(defn test-looking-up-does-not-wait-for-updates [table]
  (hash-table-set! table "n" 0)
  (setv seen [])
  (during-an-update table
    (fn [n] (holds seen [0 0 True 1]) (+ n 1))
    (fn [] (.extend seen [(hash-table-ref table "n")
                          (hash-table-ref/default table "n" None)
                          (hash-table-exists? table "n")
                          (hash-table-size table)]))
    :patience 60))


;; * Hash functions

(defn twin [x]
  "An equal object, of other types where there are any."
  (cond
    (isinstance x bool) (int x)
    (isinstance x int) (Fraction x)
    (isinstance x bytes) (bytearray x)
    (isinstance x list) (lfor  y x  (twin y))
    (isinstance x tuple) (tuple (map twin x))
    (isinstance x dict) (OrderedDict
      (gfor  [k v] (reversed (list (.items x)))  #(k (twin v))))
    (isinstance x frozenset) (.keys (dict.fromkeys x))
    True x))

;; A function with a name: of one without, hypothesis would look up the source,
;; and read it as Python.
(defn nested [inner]
  (|
    (st.lists inner)
    (.map (st.lists inner) tuple)
    (st.dictionaries (st.text) inner)))

(setv DATA (st.recursive
  (|
    (st.none) (st.booleans) (st.integers) (st.floats :allow-nan False)
    (st.text) (st.binary) (st.frozensets (st.integers)))
  nested
  :max-leaves 20))

(defn [(given DATA)]
      test-equal-objects-hash-equal [x]
  (setv y (twin x))
  (holds y x)
  (holds (hash y) (hash x)))

(defn [(given DATA (st.integers 1 100))]
      test-hashes-are-from-0-to-below-the-bound [x bound]
  (for [f [hash hash-by-identity]]
    (assert (<= 0 (f x bound) (- bound 1)))
    (assert (<= 0 (f x) (** 2 61)))))

(defn [(given (st.text) (st.integers 1 100))]
      test-string-hashes-are-from-0-to-below-the-bound [s bound]
  (for [f [string-hash string-ci-hash]]
    (assert (<= 0 (f s bound) (- bound 1))))
  (holds (string-hash s) (hash s)))

(defn [(given (st.text))]
      test-case-does-not-matter-to-string-ci-hash [s]
  (holds (string-ci-hash (.casefold s)) (string-ci-hash s)))

(defn test-hash-tells-unequal-objects-apart []
  (setv objects ["a" "b" "" 0 1 1.5 [1 2] [2 1] [] [[]] {"a" 1} {"a" 2} {"b" 1}
                 #{"a"} #{"b"} b"x" :key #((Fraction 1 3) None) "\ud800"])
  ;; "" and 0 share one.
  (holds (len (set (map hash objects))) (- (len objects) 1)))

(defn test-hash-by-identity-tells-equal-objects-apart []
  (setv
    [a b] [[1] [1]]
    before (hash-by-identity a))
  (assert (!= (hash-by-identity a) (hash-by-identity b)))
  (.append a 2)
  (holds (hash-by-identity a) before))

(defn test-a-Counter-hashes-like-its-equals []
  (holds (hash (Counter :a 1 :b 0)) (hash (Counter :a 1)))
  (holds (hash (Counter :a 1)) (hash {"a" 1})))

(defn test-hash-takes-what-Python-does-not-hash []
  (setv [a b] [(deque [1]) (deque [1])])
  (holds (hash a) (hash b))
  (holds (hash (memoryview (bytearray b"a"))) (hash b"a")))

(defn test-hash-is-the-same-in-each-process []
  (setv
    program (dedent "
      import hy
      from fractions import Fraction
      from dpfw.srfi_69 import hash, string_hash, string_ci_hash
      data = ['a', b'b', ('c', None, True), ['d', 1.5, -1],
              {'e': ['f', Fraction(1, 3)]}, {'g', 'h'}, hy.models.Symbol('i'), hy.models.Keyword('j')]
      print([hash(x) for x in data], hash(data), string_hash('k'), string_ci_hash('L'))
      ")
    outputs (sfor  seed ["1" "2"]
      (subprocess.check-output
        [(getattr hy "sys_executable" sys.executable) "-c" program]
        :cwd (. (Path dpfw.__file__) parent parent)
        :env {#** os.environ  "PYTHONHASHSEED" seed}
        :text True)))
  (assert (= (len outputs) 1) outputs))

(defn test-string-hashes-take-strings-only []
  (for [[name f] [["string-hash" string-hash] ["string-ci-hash" string-ci-hash]]
        x [1 b"a" None]]
    (with [(pytest.raises TypeError :match f"{name} wants a string")]
      (f x))))

(defn [(pytest.mark.parametrize "bound" [0 -1])]
      test-a-bound-is-positive [bound]
  (for [f [hash string-hash string-ci-hash hash-by-identity]]
    (with [(pytest.raises ValueError :match "bound must be 1 or more")]
      (f "a" bound))))


;; * The checker of docstrings

(defn documented [doc #* objects]
  "A module with a docstring, and with objects of its own."
  (setv module (ModuleType "documented" (dedent doc)))
  (for [x objects]
    (setv x.__module__ "documented")
    (setattr module x.__name__ x))
  module)

(defn test-checker-runs-and-counts-the-examples []
  (holds (check-docstrings (documented "
    What it does. ::

        (setv x 1)  ; a remark
        ; and one more
        (+ x 1)  ; => 2
        (get [] 0)  ; => IndexError
        IndexError  ; => IndexError

    This line is followed by no block::

    And then::

        (lfor  y [1 2]
          (* y x))
        ; => [1
        ;     2]

    (+ 1 1)  ; => 3, but this is no example.")) 4))

(defn [(pytest.mark.parametrize #("example" "got") [
         #("(+ 1 1)  ; => 3" "2")
         #("(+ 1 1)  ; => 2.0" "2")
         #("(= 1 1)  ; => 1" "True")
         #("(+ 1 1)  ; => IndexError" "2")
         #("(get [] 0)  ; => 1" "IndexError")
         #("(get [] 0)  ; => KeyError" "IndexError")
         #("(get [] 0)\n    (+ 1 1)  ; => 2" "IndexError")
         #("(+ 1 1)  ; => nonsense" "NameError")
         #("(+ 1 1)  ; => 2 of course" "cannot be read")
         #("(+ 1 1)  ; =>" "cannot be read")
         #("(+ 1 1)  ; => <two>>)" "cannot be read")
         #("(+ 1 1  ; => 2" "cannot be read")
         #("[\n      1]\n    ; => [2]" "[1]")])]
      test-checker-finds-what-is-wrong [example got]
  (with [e (pytest.raises AssertionError)]
    (check-docstrings (documented f"Sum. ::\n\n    {example}")))
  (assert (in got (str e.value)) (str e.value)))

(defn test-checker-says-where-and-what []
  (defn inc [n]
    "Add one. ::

      (inc 1)  ; => 3"
    (+ n 1))
  (with [e (pytest.raises AssertionError)]
    (check-docstrings (documented "" inc)))
  (for [part ["documented inc" "(inc 1)" "wanted: 3" "got:    2"]]
    (assert (in part (str e.value)) (str e.value))))

(defn test-checker-looks-into-classes []
  (defclass Shape []
    (defn [property] sides [self] "::\n\n  (+ 1 1)  ; => 3" 2)
    (defn [classmethod] of [self] "::\n\n  (+ 1 1)  ; => 4" 2)
    (defn draw [self] "::\n\n  (+ 1 1)  ; => 5" 2))
  (for [name ["sides" "of" "draw"]]
    (setv x (get (vars Shape) name)
          x (or (getattr x "fget" None) x))
    (setv x.__module__ "documented"))
  (for [name ["sides" "of" "draw"]]
    (with [(pytest.raises AssertionError :match f"documented Shape {name}: ")]
      (check-docstrings (documented "" Shape)))
    (delattr Shape name))
  (holds (check-docstrings (documented "" Shape)) 0))

(defn test-checker-looks-into-macros []
  (setv module (documented "The macro, in use. ::\n\n  (twice 2)  ; => 4"))
  (defn twice [x] "::\n\n  (twice 3)  ; => 6" `(* 2 ~x))
  (setv twice.__module__ "documented"
        module._hy-macros {"twice" twice})
  (holds (check-docstrings module) 2))

(defn test-checker-leaves-the-macros-of-the-module-as-they-were []
  (setv
    module (documented "::\n\n  (defmacro thrice [x] `(* 3 ~x))\n  (thrice 2)  ; => 6")
    module._hy-macros {})
  (holds (check-docstrings module) 1)
  (holds module._hy-macros {}))

(defn test-checker-leaves-alone-what-is-no-example []
  (defn foreign [] "Not of the module. ::\n\n  (+ 1 1)  ; => 3" 2)
  (setv module (documented "A picture::\n\n  master <---) slave\n\nThe end."))
  (setv module.foreign foreign)
  (holds (check-docstrings module) 0))

(defn test-checker-keeps-docstrings-apart []
  (defn f [] "::\n\n  (setv x 1)\n  x  ; => 1" 2)
  (defn g [] "::\n\n  x  ; => 1" 2)
  (setv module (documented "" f))
  (holds (check-docstrings module) 1)
  (assert (not (hasattr module "x")))
  (with [(pytest.raises AssertionError :match "NameError")]
    (check-docstrings (documented "" f g))))
