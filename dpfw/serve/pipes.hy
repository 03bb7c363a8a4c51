"The descriptors 1 and 2, led into pipes of the process's own, so that what C code and
child processes print is heard.

::

    C code, children ── 1, 2 ──> pipes ──> reactor ──> `Printer`
                    saved: 1 and 2 as they were

A pipe that is full makes its writer wait, until it is read. So C code that prints more
than a pipe holds while it keeps Python's interpreter to itself would wait for ever,
since nobody can read: hence the large pipes, and ``DPFW_OUTPUT=python``, which leaves
the descriptors alone."

(import
  faulthandler
  fcntl
  functools [partial]
  os
  select
  sys
  threading
  dpfw.errors [SettingError]
  dpfw.net.reactor [EPOLL new-set])
(eval-when-compile (require hyrule.control [unless]))

(setv
  CAPACITY (* 256 1024)  ; bytes; the system gives each user some 64 MiB for all pipes
  CHUNK 65536            ; bytes that are read at once,
  MOST-CHUNKS 16         ; and so many times in one go
  STREAMS {"stdout" 1  "stderr" 2}
  SETTING "DPFW_OUTPUT"
  ready-made {})  ; stream -> the ends of a pipe that the process was started with


(defn wanted? []
  "Does ``$DPFW_OUTPUT`` let us have the descriptors? Raises `SettingError`."
  (setv text (os.environ.get SETTING ""))
  (unless (in text ["" "all" "python"])
    (raise (SettingError f"{SETTING} is {text !r}; give it all, or python for what Python code prints alone")))
  (!= text "python"))

(defn there? []
  "Are the descriptors 1 and 2 what this process was started with? If they were closed
  then, they may be any file by now."
  (try
    (= (lfor  file [sys.__stdout__ sys.__stderr__]  (.fileno file)) [1 2])
    (except [[AttributeError ValueError OSError]]
      False)))


(defclass Pipes []
  "In the place of descriptors 1 and 2, from `take-place` until `restore`. What is
  written to them meanwhile is for ``printer``."

  (defn __init__ [self printer]
    (setv
      self.printer printer
      self.reactor printer.reactor
      self.lock (threading.RLock)  ; of reading, and of what was read
      self.saved {}     ; stream -> file that leads where its descriptor led
      self.ends {}      ; stream -> the end of its pipe that is read
      self.set (new-set)
      self.poll (if EPOLL (partial self.set.poll 0 2) self.look)
      self.used False   ; has anything come?
      self.reading False  ; is somebody about to hand on what was read?
      self.paused False
      self.inlets {})   ; stream -> the end that is written, at first
    (try
      (for [[stream descriptor] (.items STREAMS)]
        (.make self stream descriptor))
      (except [OSError]
        (.close-inlets self)
        (.close self)
        (raise))))

  (defn make [self stream descriptor]
    (setv (get self.saved stream) (open (os.dup descriptor) "w" :buffering 1
            :encoding "utf-8" :errors "backslashreplace")
          [end inlet] (or (.pop ready-made stream None) (os.pipe))
          (get self.ends stream) (open end "rb" :buffering 0)
          (get self.inlets stream) inlet)
    (os.set-blocking end False)
    (try
      (fcntl.fcntl end fcntl.F-SETPIPE-SZ CAPACITY)
      (except [[AttributeError OSError]]))  ; no Linux, or this user has too many
    (.register self.set end select.POLLIN))

  (defn take-place [self]
    (for [[stream inlet] (.items self.inlets)]
      (.flush (getattr sys f"__{stream}__"))
      (os.dup2 inlet (get STREAMS stream)))
    (.close-inlets self)
    (line-buffer)
    (when (faulthandler.is-enabled)
      ; It writes when the process is about to end, and nobody reads any more.
      (faulthandler.enable (get self.saved "stderr")))
    (.watch self))

  (defn close-inlets [self]
    (for [inlet (.values self.inlets)]
      (os.close inlet))
    (.clear self.inlets))

  (defn watch [self]
    (for [[stream end] (.items self.ends)]
      (.watch self.reactor end select.POLLIN (fn [[stream stream]] (.read self stream)))))

  (defn restore [self]
    "Have the descriptors lead where they led. A child process that still has our end
    of a pipe goes on to be read, and is then heard there."
    (.catch-up-to-end self)
    (setv self.printer None)
    (for [[stream descriptor] (.items STREAMS)]
      (os.dup2 (.fileno (get self.saved stream)) descriptor))
    (when (faulthandler.is-enabled)
      (faulthandler.enable sys.__stderr__))
    (.go-on self))

  (defn close [self]
    "Read no more. Idempotent."
    (with [_ self.lock]
      (for [stream (list self.ends)]
        (.end self stream))
      (.release self)))

  (defn forsake [self]
    "In a child process that was forked: what it prints, its parent reads."
    (for [end (.values self.ends)]
      (.close end))
    (.release self))

  (defn release [self]
    (.close self.set)
    (for [file (.values self.saved)]
      (.close file)))

  ;; Reading

  ; A task that prints nothing pays for `catch-up-to-end`, so it takes no lock: who
  ; reads says so before, and who asks looks for that last.

  (defn something? [self]
    "Is there something to read?"
    (try
      (self.poll)
      (except [[ValueError OSError]]
        ; Another thread has closed them, perhaps in this very moment: a second session
        ; began or ended.
        False)))

  (defn catch-up [self]
    "Read what has been written, for any thread."
    (when (or (.something? self) self.reading)
      (.read-all self)))

  (defn catch-up-to-end [self]
    "Also what C has in its buffer."
    (when flush-c
      (flush-c))
    (when (or (.something? self) self.reading)
      (.read-all self)))

  (defn look [self]
    ; A poll object is for one thread at a time.
    (with [_ self.lock]
      (.poll self.set 0)))

  (defn read-all [self]
    (with [_ self.lock]
      (for [_ (range MOST-CHUNKS)]
        (unless (and self.ends (.something? self))
          (break))
        (for [stream (list self.ends)]
          (.read self stream)))))

  (defn read [self stream]
    (with [_ self.lock]
      (unless (in stream self.ends)
        (return))
      (setv self.reading True)
      (try
        (setv data (.read (get self.ends stream) CHUNK))
        (cond
          (= data b"") (.end self stream)  ; nobody can write there any more
          (is data None) None              ; another thread was faster
          True (do
            (setv self.used True)
            (.hand-on self stream data)))
        (finally
          (setv self.reading False)))))

  (defn hand-on [self stream data]
    (if (and self.printer self.printer.open)
      (do
        (.take self.printer stream data)
        (when (.full self.printer)
          ; So that who writes has to wait, too.
          (.pause self)))
      (let [file (get self.saved stream)]
        (try
          (.write file (str data "utf-8" "backslashreplace"))
          (.flush file)
          (except [OSError])))))  ; nobody hears it there either

  (defn pause [self]
    (setv self.paused True)
    (for [end (.values self.ends)]
      (.unwatch self.reactor end)))

  (defn go-on [self]
    (with [_ self.lock]
      (when (and self.paused (not (and self.printer (.full self.printer))))
        (setv self.paused False)
        (.watch self))))

  (defn end [self stream]
    (setv end (.pop self.ends stream))
    (.unwatch self.reactor end)
    (.unregister self.set (.fileno end))
    (.close end)
    (unless self.ends
      (.release self))))


;; What is still in buffers

(setv
  _IOLBF 1       ; C's word for line by line
  flush-c None)  ; flushes C's standard output

(defn line-buffer []
  "Let C's standard output be written line by line, as on a terminal, so that the lines
  of C code and of Python code come in their order."
  (global flush-c)
  (try
    (import ctypes)  ; takes 3 ms
    (setv c (ctypes.CDLL None)
          file (next (gfor
            name ["stdout" "__stdoutp"]  ; on Linux, and on macOS
            :if (hasattr c name)
            (.in-dll ctypes.c-void-p c name))))
    (c.setvbuf file None _IOLBF (ctypes.c-size-t 0))
    (setv c.fflush.argtypes [ctypes.c-void-p]
          flush-c (partial c.fflush file.value))
    (except [[ImportError OSError AttributeError ValueError StopIteration]])))
