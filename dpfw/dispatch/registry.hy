"The registry: the slaves that a master has, those it had, and what each must run
before anything else, its preparations."

(import
  collections [Counter OrderedDict]
  weakref [WeakValueDictionary]
  dpfw.dispatch.line [Line])
(eval-when-compile (require hyrule.control [unless]))

(setv REMEMBERED 1000)  ; slaves that are gone whose preparations are known


(defclass Slave []
  "A slave, as its master sees it: a process, which may come back on another
  connection. ``id`` is the process's session id, ``name`` what its user calls it, or
  else its host and process id, ``labels`` what tasks may ask for, ``address`` where it is,
  ``state`` one of joining, preparing, idle, busy, leaving and lost; ``busy`` and ``lost``
  say the same of the two that most programs ask for."

  (defn __init__ [self id master]
    (setv
      self.id id
      self.master master      ; whose it is
      self.name None
      self.labels []
      self.address None       ; where its last connection led to
      self.process None       ; the `subprocess.Popen` of one that was launched here
      self.linked None        ; the `processes/linked.Linked` of one that was launched
      self.session None       ; the last `Session` with it
      self.line (Line)        ; tasks that wait for this slave
      self.let-go False       ; drained by this master, which did not dial it since?
      self.prepared (set)))   ; the numbers of the preparations that it has run

  (defn [property] state [self]
    (cond
      (not self.session) "lost"
      (and self.session.drained (!= self.session.state "lost")) "leaving"
      True self.session.state))

  (defn [property] lost [self]
    (= self.state "lost"))

  (defn [property] busy [self]
    (in self.state ["joining" "preparing" "busy"]))

  (defn __repr__ [self]
    (setv labels (if self.labels f" ({(.join " " self.labels)})" ""))
    f"<slave {self.name}{labels} at {self.address}, {self.state}>"))


(defn note-about [slave about]
  "Take note of what a slave says of itself, as ``net/about`` has it."
  (setv
    slave.name (or (.get about "name")
                   (.join "/" (gfor  key ["host" "pid"]  :if (in key about)  (str (get about key))))
                   (cut slave.id 8))
    slave.labels (list (dict.fromkeys (.get about "labels" [])))))  ; each counts once


(defclass Registry []
  "Who is here, in order of joining, and who was. Used with the dispatcher's lock."

  (defn __init__ [self]
    (setv
      self.connected {}                  ; id -> slave, in order of joining
      self.labels (Counter)              ; of those of them that any task may be given to
      self.lent {}                       ; id -> slave, of those to which only their own are
      self.known (WeakValueDictionary)   ; id -> slave, lost ones too
      self.gone (OrderedDict)            ; lost slaves -> None, to keep them known
      self.preparations {}               ; number -> remote that every slave runs first, in order
      self.keyed {}                      ; key -> number, of those that others can replace
      self.count-of-preparations 0))     ; that there have been

  (defn slave [self id master]
    "The slave with this id, perhaps a new one."
    (setv slave (.get self.known id))
    (when (is slave None)
      (setv slave (Slave id master)
            (get self.known id) slave))
    slave)

  (defn enter [self slave]
    (.pop self.gone slave None)
    (setv (get self.connected slave.id) slave)
    (.update self.labels slave.labels))

  (defn leave [self slave]
    (when (and (.pop self.connected slave.id None)
               (not (.pop self.lent slave.id None)))
      (.subtract self.labels slave.labels))
    (setv (get self.gone slave) None)
    (when (> (len self.gone) REMEMBERED)
      (.popitem self.gone :last False)))

  (defn lend [self slave]
    "It works for another slave; answers whether it did not before."
    (when (and (in slave.id self.connected) (not-in slave.id self.lent))
      (setv (get self.lent slave.id) slave)
      (.subtract self.labels slave.labels)
      True))

  (defn take-back [self slave]
    "It does so no more; answers whether it did."
    (when (.pop self.lent slave.id None)
      (.update self.labels slave.labels)
      True))

  (defn count [self [label None]]
    "Of the slaves that any task may be given to, or any with this label."
    (if label
      (get self.labels label)
      (- (len self.connected) (len self.lent))))

  (defn prepare-with [self remote [key None] [last True]]
    "Every slave is to run this before anything else. It replaces what had its key,
    and has that one's place unless it is to be the last. Returns its number, and
    that of what it replaces."
    (setv number self.count-of-preparations
          before (.get self.keyed key)
          order (list self.preparations)
          behind (if (or last (is before None)) [] (cut order (+ (.index order before) 1) None)))
    (+= self.count-of-preparations 1)
    (.discard self key)
    (unless (is key None)
      (setv (get self.keyed key) number))
    (setv (get self.preparations number) remote)
    (for [n behind]
      (setv (get self.preparations n) (.pop self.preparations n)))
    #(number before))

  (defn discard [self key]
    "Returns the number that it had, or None."
    (setv number (.pop self.keyed key None))
    (.pop self.preparations number None)
    (for [slave (.values self.known)]
      (.discard slave.prepared number))
    number)

  (defn unprepared [self slave]
    "The numbers of the preparations that this slave has not run."
    (lfor  n self.preparations  :if (not-in n slave.prepared)  n)))
