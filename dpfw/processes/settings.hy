"What slaves on this machine are started with, checked: names, labels, environment,
memory, how long they live, and their share of the processors."

(import
  os
  sys
  dpfw.dispatch.options [check-text]
  dpfw.net.about [LONGEST MOST-LABELS]
  dpfw.serve.leave [seconds-of]
  dpfw.serve.memory-limit [checked-limit])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; How many threads the libraries that have any start. Where OMP's is set, those of
  ; most others follow.
  OMP "OMP_NUM_THREADS"
  KIN [OMP "OPENBLAS_NUM_THREADS" "MKL_NUM_THREADS" "BLIS_NUM_THREADS" "VECLIB_MAXIMUM_THREADS" "NUMEXPR_NUM_THREADS"]
  MOST-TASKS 999,999,999  ; that the command line takes
  OURS #{"DPFW_COOKIE"})  ; variables that are not the user's to set


(defclass Settings []
  "Of ``n`` slaves that are launched together. Raises `TypeError` and `ValueError`."

  (defn __init__ [self n [name None] [labels None] [env None] [memory None] [lifetime None] [tasks None]]
    (setv
      self.n n
      self.name (checked-name name n)
      self.labels (checked-labels labels)
      self.env (checked-env env)
      self.memory (checked-memory memory)
      self.lifetime (checked-lifetime lifetime)
      self.tasks (checked-tasks tasks)))

  (defn name-of [self i]
    "The name of one of them, from 0, or None."
    (if (and self.name (> self.n 1))
      f"{self.name}-{(+ i 1)}"
      self.name))

  (defn options [self i]
    "For the command line."
    (setv name (.name-of self i))
    [#* (if name [f"--name={name}"] [])
     #* (gfor  label self.labels  f"--label={label}")
     #* (gfor
       option ["memory" "lifetime" "tasks"]
       :setv value (getattr self option)
       :if (is-not value None)
       f"--{option}={value}")])

  (defn environment [self node]
    "What a process imports, prints and authenticates with."
    (setv given {#** os.environ  #** self.env})
    {#** given
     #** (dfor  variable (if (in OMP given) [] KIN)  :if (not-in variable given)
           variable (str (share-of-processors self.n)))
     "PYTHONPATH" (.join os.pathsep (filter None [(.get self.env "PYTHONPATH") #* sys.path]))
     "PYTHONUNBUFFERED" "1"
     "DPFW_COOKIE" (.decode (.secret node))}))


(defn share-of-processors [n]
  "Of each of n processes, and at least one."
  (max 1 (// (if (hasattr os "sched_getaffinity")
               (len (os.sched-getaffinity 0))
               (or (os.cpu-count) 1))
             (max 1 n))))

(defn checked-name [name n]
  (unless (is name None)
    (check-text "name" name "worker")
    (when (> (len f"{name}-{n}") LONGEST)
      (raise (ValueError f"the name has {(len name)} characters; with a number behind it, it may have {LONGEST}"))))
  name)

(defn checked-labels [labels]
  (when (is labels None)
    (return []))
  (unless (isinstance labels #(list tuple set frozenset))
    (raise (TypeError f"the labels are {labels !r}; give a list of texts, such as [\"gpu\"]")))
  (for [label labels]
    (check-text "label" label "gpu"))
  (when (> (len labels) MOST-LABELS)
    (raise (ValueError f"there are {(len labels)} labels; give {MOST-LABELS} at most")))
  (sorted (set labels)))

(defn checked-env [env]
  (when (is env None)
    (return {}))
  (unless (isinstance env dict)
    (raise (TypeError f"the environment is {env !r}; give a dict of texts, such as {{\"CUDA_VISIBLE_DEVICES\" \"0\"}}")))
  (for [[name value] (.items env)]
    (unless (and (isinstance name str) (isinstance value str))
      (raise (TypeError f"in the environment, {name !r} is {value !r}; give texts, such as \"1\"")))
    (when (or (not name) (in "=" name) (in "\0" (+ name value)))
      (raise (ValueError f"no environment can have {name !r} as {value !r}")))
    (when (in name OURS)
      (raise (ValueError f"{name} is what launched slaves have from their master; leave it out"))))
  env)

(defn checked-memory [memory]
  "In bytes, or None."
  (unless (is memory None)
    (checked-limit memory)))

(defn checked-lifetime [lifetime]
  (unless (is lifetime None)
    (unless (isinstance lifetime str)
      (raise (TypeError f"the lifetime is {lifetime !r}; give a text such as \"90s\", \"30m\", \"2h\" or \"1d\"")))
    (seconds-of lifetime))
  lifetime)

(defn checked-tasks [tasks]
  (unless (or (is tasks None) (and (is (type tasks) int) (<= 1 tasks MOST-TASKS)))
    (raise ((if (is (type tasks) int) ValueError TypeError)
      f"the tasks are {tasks !r}; give after how many a slave is replaced, 1 or more")))
  tasks)
