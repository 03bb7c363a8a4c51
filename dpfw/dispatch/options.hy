"What tasks and calls over collections can be asked for, checked."

(import
  copy [copy]
  math [isnan]
  time
  dpfw.net.about [LONGEST text?])
(eval-when-compile (require hyrule.control [unless]))


(defclass Options []
  "How a call over a collection is to be done, from now on. ``timeout`` is in seconds,
  for the whole call; ``errors`` says what becomes of those of items."

  (defn __init__ [self [chunk-size None] [retries 0] [progress False] [timeout None]
                  [errors "raise"] [on None] [priority 0]]
    (setv
      self.chunk-size chunk-size  ; which `Pace` checks
      self.retries (checked-retries retries)
      self.progress progress
      self.timeout (checked-timeout timeout)
      self.deadline (when (is-not timeout None) (+ (time.monotonic) timeout))
      self.returned (returned? errors)
      self.on (checked-label on)
      self.priority (checked-priority priority)))

  (defn late [self]
    (and (is-not self.deadline None) (>= (time.monotonic) self.deadline)))

  (defn in-chunks-of [self size]
    "The same, for a further pass over what came of the items."
    (setv options (copy self)
          options.chunk-size size
          options.progress False)
    options)

  (defn refuse-returned [self why]
    (when self.returned
      (raise (ValueError f"errors \"return\" puts an error in the place of a result, and {why}")))
    self))

(defn checked-timeout [timeout]
  (unless (is timeout None)
    (check-seconds "timeout" timeout))
  timeout)

(defn check-seconds [name seconds]
  (when (or (isinstance seconds bool) (not (isinstance seconds #(int float))))
    (raise (TypeError f"the {name} is {seconds !r}; give a number of seconds")))
  (unless (and (number? seconds) (>= seconds 0))
    (raise (ValueError f"the {name} is {seconds !r}; give a number of seconds, 0 or more"))))

(defn number? [x]
  "Is it one, and within what a float can be?"
  (try
    (not (isnan x))
    (except [OverflowError]
      False)))

(defn checked-retries [retries]
  (unless (and (is (type retries) int) (>= retries 0))
    (raise ((if (is (type retries) int) ValueError TypeError)
      f"the retries are {retries !r}; give how often a task may run again, 0 or more")))
  retries)

(defn returned? [errors]
  "Are errors to be returned, and not raised?"
  (unless (and (is (type errors) str) (in errors ["raise" "return"]))
    (raise (ValueError (+ f"errors is {errors !r}; give \"raise\", or \"return\" to have the error of an item "
      "in the place of its result"))))
  (= errors "return"))

(defn checked-label [label [slave None]]
  "The label of ``:on``; a task with it cannot be for one ``slave`` as well."
  (unless (is label None)
    (check-text "label" label "gpu")
    (when slave
      (raise (ValueError f"the task is for {slave !r}, and for any slave with the label {label !r}; give one of the two"))))
  label)

(defn checked-name [name]
  (unless (is name None)
    (check-text "name" name "report"))
  name)

(defn checked-priority [priority]
  (unless (and (in (type priority) [int float]) (number? priority))
    (raise ((if (in (type priority) [int float]) ValueError TypeError)
      f"the priority is {priority !r}; give a number, higher for what is more urgent, such as 1")))
  priority)

(defn check-text [what text example]
  (unless (and (text? text) text)
    (raise ((if (is (type text) str) ValueError TypeError)
      f"the {what} is {text !r}; give a text of printable characters, {LONGEST} at most, such as \"{example}\""))))
