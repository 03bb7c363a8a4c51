"The types that have a tag, with what writes and what reads their values: those of the
standard library, which are looked up when they are met, and those that users register.

Readers of users' are code of theirs: they may take long, wait for others, or end their
thread. So there are threads that may not run them, and say so by `without-users-code`."

(import
  functools [partial]
  importlib [import-module]
  threading
  dpfw.data.standard_types [BY-CLASS BY-TAG])

(setv
  WRITERS {}  ; class: #(tag writer)
  READERS {}  ; tag: #(class reader)
  registry-lock (threading.Lock))


(defn register [cls tag writer reader]
  "Note a type of a user's, in the place of another one of its name. Raises `ValueError`
  if the tag or the type is taken."
  (with [_ registry-lock]
    (setv [old-tag _] (or (find-writer cls) #(tag None)))
    (when (!= old-tag tag)
      (raise (ValueError f"{cls !r} is already registered, under the tag {old-tag}")))
    (setv [old-cls _] (or (find-reader tag) #(cls None)))
    (when (!= (name-of old-cls) (name-of cls))
      (raise (ValueError f"the tag {tag} is taken, by {old-cls !r}")))
    (.pop WRITERS old-cls None)
    (setv
      (get READERS tag) #(cls (of-user reader))
      (get WRITERS cls) #(tag writer))))

(defn name-of [cls]
  #(cls.__module__ cls.__qualname__))

(defn find-writer [type]
  (or (.get WRITERS type) (do
    (setv row (.get BY-CLASS (name-of type)))
    (when row
      (note-row #* row)
      (.get WRITERS type)))))

(defn find-reader [tag]
  (or (.get READERS tag) (do
    (setv row (.get BY-TAG tag))
    (when row
      (note-row #* row)
      (get READERS tag)))))

(defn note-row [module name writer reader]
  ; Two threads may do this at once: they do the same.
  (setv cls (getattr (import-module module) name))
  (setv
    (get READERS name) #(cls (partial reader cls))
    (get WRITERS cls) #(name writer)))


;; Where no code of a user's may run

(defclass UsersCode [BaseException]
  "A reader of a user's would have to run, where none may. No `Exception`, so nobody takes
  it for a fault of the data.")

(defclass Here [threading.local]
  (setv barred False))  ; may no reader of a user's run in this thread now?

(setv here (Here))

(defn without-users-code [procedure #* arguments]
  "What the procedure gives. Raises `UsersCode` if it comes to read a value of a type that
  a user has registered."
  (setv barred here.barred
        here.barred True)
  (try
    (procedure #* arguments)
    (finally
      (setv here.barred barred))))

(defn of-user [reader]
  (fn [#* arguments]
    (when here.barred
      (raise (UsersCode)))
    (reader #* arguments)))
