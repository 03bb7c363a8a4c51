#[=[SRFI-69, Basic hash tables, over Python's dicts.

All of the SRFI's procedures, under its names and with its arguments; see
https://srfi.schemers.org/srfi-69/srfi-69.html. ::

    (setv t (make-hash-table))
    (hash-table-set! t "a" 1)
    (hash-table-update! t "a" (fn [n] (+ n 1)))
    (hash-table-update!/default t "b" (fn [n] (+ n 1)) 0)
    t  ; => {"a" 2  "b" 1}

A table is a plain dict, and any dict is a table, one of a subclass too, unless
an equivalence other than Python's ``=`` was asked for. For anything else, the
procedures raise a :class:`TypeError` that names procedure and argument. By
``=``, ``1``, ``1.0`` and ``True`` are one key. A table keeps its keys in the
order in which they came.

Tables may be shared by threads: the masters of one slave process share one.
Each procedure that alters a table does so in one step, and the updating
procedures count as one step from the old value to the new one. Those that go
through a table (walking, folding, listing, merging) go through it as it was
when they were called, and what they call may alter it.]=]

(import
  builtins
  collections.abc [Mapping Set]
  inspect
  operator
  reprlib
  threading [RLock]
  zlib [crc32]
  hy.pyops)
(eval-when-compile (require hyrule.control [unless]))


;; The default bound of the hash functions: larger than any table, and what
;; Python reduces integers by, so that small ones are their own hashes.
(setv BOUND (- (** 2 61) 1))

;; What a lookup gives for a key that is not there, as None may be a value.
(setv ABSENT (object))

;; One lock for all tables. A plain dict has no room for one of its own, and an
;; update of one table may update another: with a lock for each, two threads
;; that do so the opposite way round would wait for each other for ever. It is
;; re-entrant because the updating function may use the table itself.
;; Looking up one key takes no lock: a dict does that in one step.
(setv LOCK (RLock))


;; Hash functions

(defn within [n bound]
  (when (< bound 1)
    (raise (ValueError f"a hash function's bound must be 1 or more, not {bound !r}")))
  (% n bound))

(defn text-hash [text]
  ; Not builtins.hash, which gives a string another number in each process.
  (crc32 (.encode text "utf-8" "surrogatepass")))

(defn check-string [procedure x]
  (unless (isinstance x str)
    (raise (TypeError
      f"{procedure} wants a string, not {x !r}; `hash` takes any object"))))

(defn structural-hash [x]
  (cond
    (isinstance x str)
      (text-hash x)
    (isinstance x #(int float))
      (builtins.hash x)
    (is x None)
      0
    (isinstance x #(bytes bytearray memoryview))
      (crc32 (bytes x))
    ; From here on builtins.hash only mixes integers, which it does alike in
    ; every process.
    (isinstance x #(tuple list))
      (builtins.hash (tuple (map structural-hash x)))
    (isinstance x Mapping)
      ; A value of 0 is left out because a Counter equals one that lacks it.
      (builtins.hash (frozenset
        (gfor  [k v] (.items x)
               :setv h (structural-hash v)
               :if h
               #((structural-hash k) h))))
    (isinstance x Set)
      (builtins.hash (frozenset (map structural-hash x)))
    (isinstance x hy.models.Keyword)
      (text-hash x.name)
    True
      ; What Python does not hash may still equal another object, so there is
      ; but one number for all of it. A memoryview's refusal is a ValueError.
      (try
        (builtins.hash x)
        (except [[TypeError ValueError]]
          0))))

(defn hash [object [bound BOUND]]
  #[=[Return a hash value of any ``object``, an integer from 0 to below the
  integer ``bound``. Objects that are ``=`` have the same. ::

    (= (hash [1 {"a" 2}]) (hash [1.0 {"a" 2}]))  ; => True
    (hash "a")     ; => 3904355907
    (hash "a" 10)  ; => 7

  Python's own ``hash`` refuses lists, dicts and sets, and hashes strings
  differently in each process. This one gives the same number on every slave
  (of the same word size) for numbers, strings, symbols, keywords, bytes,
  ``None``, and tuples, lists, sets and dicts of these, so that ``(hash key n)``
  can share keys out among n slaves. Other objects hash as Python has it;
  those that Python cannot hash all have one number.

  Raises :class:`ValueError` for a ``bound`` below 1. (SRFI-69)]=]

  (within (structural-hash object) bound))


(defn string-hash [string [bound BOUND]]
  #[=[Return `hash` of a str. ::

    (string-hash "a" 10)  ; => 7

  Raises :class:`TypeError` if ``string`` is none, :class:`ValueError` for a
  ``bound`` below 1. (SRFI-69)]=]

  (check-string "string-hash" string)
  (within (text-hash string) bound))


(defn string-ci-hash [string [bound BOUND]]
  #[=[Return a hash value of a str that is the same for all strings with the
  same :meth:`str.casefold`; otherwise like `string-hash`. ::

    (= (string-ci-hash "Straße") (string-ci-hash "STRASSE"))  ; => True

  Raises what `string-hash` does. (SRFI-69)]=]

  (check-string "string-ci-hash" string)
  (within (text-hash (.casefold string)) bound))


(defn hash-by-identity [object [bound BOUND]]
  #[=[Return a hash value that belongs to this very ``object`` while it lives,
  an integer from 0 to below the integer ``bound``. ::

    (setv x [1])
    (= (hash-by-identity x) (hash-by-identity x))  ; => True

  Raises :class:`ValueError` for a ``bound`` below 1. (SRFI-69)]=]

  (within (id object) bound))


;; Tables of another equivalence

(defclass Key []
  "A key as its `HashTable` sees it: hashed and compared that table's way."

  (setv __slots__ #("key" "digest" "equal"))

  (defn __init__ [self key digest equal]
    (setv self.key key
          self.digest digest
          self.equal equal))

  (defn __hash__ [self]
    self.digest)

  (defn __eq__ [self other]
    (self.equal self.key other.key)))

(defn of-key-alone [hash-function]
  ; SRFI-69 calls a hash function with a key and a bound; those of Python take
  ; a key only.
  (try
    (setv signature (inspect.signature hash-function))
    (except [ValueError]
      (return hash-function)))
  (try
    (.bind signature None)
    hash-function
    (except [TypeError]
      (fn [key] (hash-function key BOUND)))))


(defclass HashTable []
  "A table whose equivalence is not ``=``: a dict of `Key`, with those of a
  dict's methods that this file calls."

  (defn __init__ [self equal hash-function]
    (setv self.equal equal
          self.hash-function hash-function
          self.digest (of-key-alone hash-function)
          self.entries {}))

  (defn wrap [self key]
    (Key key (operator.index (self.digest key)) self.equal))

  (defn get [self key default]
    (.get self.entries (.wrap self key) default))

  (defn __setitem__ [self key value]
    (setv (get self.entries (.wrap self key)) value))

  (defn pop [self key default]
    (.pop self.entries (.wrap self key) default))

  (defn items [self]
    (lfor  [k v] (list (.items self.entries))  #(k.key v)))

  (defn copy [self]
    (setv new (HashTable self.equal self.hash-function)
          new.entries (.copy self.entries))
    new)

  (defn __len__ [self]
    (len self.entries))

  (defn __repr__ [self]
    f"<HashTable {(.items self) !r}>"))


;; What the procedures call a table.
(setv TABLES #(dict HashTable))


(defn check-table [procedure table [argument "table"]]
  ; Python's own words would be about a method, or a list would be altered.
  (unless (isinstance table TABLES)
    (raise (TypeError
      (+ f"{procedure} wants a hash table as its argument `{argument}`, not the "
         f"{(. (type table) __name__)} {(reprlib.repr table)}; make one with (make-hash-table)")))))


;; Constructors and reflection

(setv EQUAL #(operator.eq hy.pyops.=)
      IDENTICAL #(operator.is_ hy.pyops.is))


(defn default-hash [equal]
  (cond
    (in equal EQUAL)
      hash
    (in equal IDENTICAL)
      hash-by-identity
    True
      (raise (TypeError (+
        f"no hash function is known for the equivalence {equal !r}; "
        "give one that is the same for equivalent keys, as in "
        "(make-hash-table string-ci=? string-ci-hash), or `hash` if keys "
        "that differ by Python's = are never equivalent")))))

(defn make-hash-table [[equal operator.eq] [hash-function None]]
  #[=[Return a new, empty table. ::

    (make-hash-table)  ; => {}

  ``equal`` is a function of two keys: are they the same key? It must be
  reflexive, symmetric and transitive. With ``operator.eq`` or
  ``hy.pyops.=`` the table is a dict. With any other, such as ``operator.is_``,
  it is not, and only the procedures of SRFI-69 and ``len`` apply. ::

    (defn string-ci=? [a b]
      (= (.casefold a) (.casefold b)))
    (setv t (make-hash-table string-ci=? string-ci-hash))
    (hash-table-set! t "Content-Type" "text/plain")
    (hash-table-ref t "content-type")  ; => "text/plain"

  ``hash-function`` is a function of a key, or of a key and a bound, to an
  integer that is the same for equivalent keys. It can be left out for ``=``
  (`hash`) and ``is`` (`hash-by-identity`). For any other equivalence it must
  be given, or :class:`TypeError` is raised. The SRFI leaves further arguments
  to the implementation; there are none. (SRFI-69)]=]

  (when (is hash-function None)
    (setv hash-function (default-hash equal)))
  (if (and (in equal EQUAL) (in hash-function #(hash builtins.hash)))
    {}
    (HashTable equal hash-function)))


(defn hash-table? [object]
  #[=[Return whether ``object`` is a table: a dict, or what `make-hash-table`
  returned. ::

    (hash-table? {})      ; => True
    (hash-table? [[1 2]])  ; => False

  (SRFI-69)]=]

  (isinstance object TABLES))


(defn hash-table-equivalence-function [table]
  #[=[Return the function that tells whether two keys of ``table`` are the
  same. A dict's is ``operator.eq``. ::

    (import operator)
    (= (hash-table-equivalence-function {}) operator.eq)  ; => True

  (SRFI-69)]=]

  (check-table "hash-table-equivalence-function" table)
  (if (isinstance table dict)
    operator.eq
    table.equal))


(defn hash-table-hash-function [table]
  #[=[Return the hash function of ``table``. A dict's is `hash`. ::

    (= (hash-table-hash-function {}) hash)  ; => True

  (SRFI-69)]=]

  (check-table "hash-table-hash-function" table)
  (if (isinstance table dict)
    hash
    table.hash-function))


;; One key

(defn at-key [method key #* arguments]
  "Call a method of a table for a key. Python's word on a list as a key,
  \"unhashable type\", does not say what to do about it; this does."
  (try
    (method key #* arguments)
    (except [e TypeError]
      (when (not-in "unhashable" (str e))
        (raise))
      (raise
        (TypeError (+
          f"{key !r} cannot be a key ({e}), for it can change; use a tuple, "
          "#(1 2), in place of a list, a frozenset in place of a set"))
        :from e))))

(defn hash-table-ref [table key [thunk None]]
  #[=[Return the value of ``key`` in ``table``; if there is none, what
  ``thunk``, a function of no arguments, returns. ::

    (setv t {"a" 1})
    (hash-table-ref t "a")           ; => 1
    (hash-table-ref t "b" (fn [] 0))  ; => 0
    (hash-table-ref t "b")           ; => KeyError

  Raises :class:`KeyError` for an absent key without a ``thunk``, and
  :class:`TypeError` for a key that cannot be one. (SRFI-69)]=]

  (check-table "hash-table-ref" table)
  (setv value (at-key table.get key ABSENT))
  (cond
    (is-not value ABSENT)
      value
    (is thunk None)
      (raise (KeyError (+
        f"the table has no key {key !r}; give a function for its first value, "
        "such as (fn [] 0), as the last argument, or use the procedure of "
        "this name that ends in /default")))
    True
      (thunk)))


(defn hash-table-ref/default [table key default]
  #[=[Return the value of ``key`` in ``table``; if there is none, ``default``. ::

    (hash-table-ref/default {"a" 1} "b" 0)  ; => 0

  Raises :class:`TypeError` for a key that cannot be one. (SRFI-69)]=]

  (check-table "hash-table-ref/default" table)
  (at-key table.get key default))


(defn hash-table-set! [table key value]
  #[=[Give ``key`` the ``value`` in ``table``. ::

    (setv t (make-hash-table))
    (hash-table-set! t "a" 1)
    t  ; => {"a" 1}
    (hash-table-set! t [1 2] "a list can change")  ; => TypeError

  Returns ``None``. Raises :class:`TypeError` for a key that cannot be one.
  (SRFI-69)]=]

  (check-table "hash-table-set!" table)
  (with [LOCK]
    (at-key table.__setitem__ key value)))


(defn hash-table-delete! [table key]
  #[=[Take ``key`` and its value out of ``table``, if it is there. ::

    (setv t {"a" 1})
    (hash-table-delete! t "a")
    (hash-table-delete! t "b")
    t  ; => {}

  Returns ``None``. Raises :class:`TypeError` for a key that cannot be one.
  (SRFI-69)]=]

  (check-table "hash-table-delete!" table)
  (with [LOCK]
    (at-key table.pop key None))
  None)


(defn hash-table-exists? [table key]
  #[=[Return whether ``key`` is in ``table``. ::

    (hash-table-exists? {"a" None} "a")  ; => True

  Raises :class:`TypeError` for a key that cannot be one. (SRFI-69)]=]

  (check-table "hash-table-exists?" table)
  (is-not (at-key table.get key ABSENT) ABSENT))


(defn hash-table-update! [table key function [thunk None]]
  #[=[Set ``key`` to ``(function value)``, where ``value`` is its value in
  ``table``; if there is none, what ``thunk``, a function of no arguments,
  returns. ::

    (setv t {"a" 1})
    (hash-table-update! t "a" (fn [n] (+ n 1)))
    (hash-table-update! t "b" (fn [n] (+ n 1)) (fn [] 0))
    t  ; => {"a" 2  "b" 1}
    (hash-table-update! t "c" (fn [n] (+ n 1)))  ; => KeyError

  No other thread alters any table in between, so ``function`` must not wait
  for one that may. If it raises, ``key`` is left as it was.

  Returns ``None``. Raises :class:`KeyError` for an absent key without a
  ``thunk``, and :class:`TypeError` for a key that cannot be one. (SRFI-69)]=]

  (check-table "hash-table-update!" table)
  (with [LOCK]
    (hash-table-set! table key (function (hash-table-ref table key thunk)))))


(defn hash-table-update!/default [table key function default]
  #[=[Set ``key`` to ``(function value)``, where ``value`` is its value in
  ``table``, or ``default`` if there is none; otherwise like
  `hash-table-update!`. ::

    (setv t {"a" 1})
    (hash-table-update!/default t "a" (fn [n] (+ n 1)) 0)
    (hash-table-update!/default t "b" (fn [n] (+ n 1)) 0)
    t  ; => {"a" 2  "b" 1}

  Returns ``None``. Raises :class:`TypeError` for a key that cannot be one.
  (SRFI-69)]=]

  (check-table "hash-table-update!/default" table)
  (hash-table-update! table key function (fn [] default)))


;; The whole table

(defn hash-table-size [table]
  #[=[Return the number of keys in ``table``. ::

    (hash-table-size {"a" 1  "b" 2})  ; => 2

  (SRFI-69)]=]

  (check-table "hash-table-size" table)
  (len table))


(defn hash-table->alist [table]
  #[=[Return a new list of the keys and values in ``table``, as tuples. ::

    (hash-table->alist {"a" 1  "b" 2})  ; => [#("a" 1) #("b" 2)]

  (SRFI-69)]=]

  (check-table "hash-table->alist" table)
  (with [LOCK]
    (list (.items table))))


(defn hash-table-keys [table]
  #[=[Return a new list of the keys in ``table``. ::

    (hash-table-keys {"a" 1  "b" 2})  ; => ["a" "b"]

  (SRFI-69)]=]

  (check-table "hash-table-keys" table)
  (lfor  [key _] (hash-table->alist table)  key))


(defn hash-table-values [table]
  #[=[Return a new list of the values in ``table``. ::

    (hash-table-values {"a" 1  "b" 2})  ; => [1 2]

  (SRFI-69)]=]

  (check-table "hash-table-values" table)
  (lfor  [_ value] (hash-table->alist table)  value))


(defn hash-table-walk [table procedure]
  #[=[Call ``(procedure key value)`` for each key that is in ``table`` now. It
  may alter the table. ::

    (setv t {"a" 1  "b" 2})
    (hash-table-walk t (fn [key value]
      (hash-table-delete! t key)
      (hash-table-set! t value key)))
    t  ; => {1 "a"  2 "b"}

  Returns ``None``. (SRFI-69)]=]

  (check-table "hash-table-walk" table)
  (for [[key value] (hash-table->alist table)]
    (procedure key value)))


(defn hash-table-fold [table function initial]
  #[=[Return what ``(function key value accumulated)`` returns for the last key
  in ``table``, where ``accumulated`` is what it returned for the one before;
  for the first, and if there are none, that is ``initial``. ::

    (hash-table-fold {"a" 1  "b" 2} (fn [key value sum] (+ value sum)) 0)  ; => 3

  (SRFI-69)]=]

  (check-table "hash-table-fold" table)
  (for [[key value] (hash-table->alist table)]
    (setv initial (function key value initial)))
  initial)


(defn hash-table-copy [table]
  #[=[Return a new table of the same equivalence, with the same keys and
  values. ::

    (setv t {"a" 1}
          new (hash-table-copy t))
    (hash-table-set! new "b" 2)
    t  ; => {"a" 1}

  (SRFI-69)]=]

  (check-table "hash-table-copy" table)
  (with [LOCK]
    (.copy table)))


(defn hash-table-merge! [table source]
  #[=[Set all the keys in the table ``source`` to their values there in
  ``table``, also those that have another value there (as in the SRFI's own
  implementation), and return ``table``. ::

    (hash-table-merge! {"a" 1} {"a" 2  "b" 3})  ; => {"a" 2  "b" 3}

  Raises :class:`TypeError` for a key that cannot be one in ``table``.
  (SRFI-69)]=]

  (check-table "hash-table-merge!" table)
  (check-table "hash-table-merge!" source "source")
  (with [LOCK]
    (for [[key value] (hash-table->alist source)]
      (hash-table-set! table key value)))
  table)


(defn alist->hash-table [alist [equal operator.eq] [hash-function None]]
  #[=[Return a new table made from an iterable of pairs of a key and a value;
  a pair is any iterable of two. Of pairs with the same key the first counts.
  ``equal`` and ``hash-function`` are those of `make-hash-table`. ::

    (alist->hash-table [#("a" 1) ["b" 2] #("a" 3)])  ; => {"a" 1  "b" 2}

  Raises what `make-hash-table` does, and :class:`TypeError` for a key that
  cannot be one. (SRFI-69)]=]

  (setv table (make-hash-table equal hash-function))
  (for [[key value] alist]
    (unless (hash-table-exists? table key)
      (hash-table-set! table key value)))
  table)


(export :objects [
  make-hash-table hash-table? alist->hash-table
  hash-table-equivalence-function hash-table-hash-function
  hash-table-ref hash-table-ref/default hash-table-set! hash-table-delete!
  hash-table-exists? hash-table-update! hash-table-update!/default
  hash-table-size hash-table-keys hash-table-values
  hash-table-walk hash-table-fold hash-table->alist
  hash-table-copy hash-table-merge!
  hash string-hash string-ci-hash hash-by-identity])
