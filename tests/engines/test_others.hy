"Slaves on Ray and on IPython Parallel, as they are."

(import
  tests.engines.scenarios [heavy needs says told]
  tests.helpers [holds])

(defn check [seen nowhere room]
  (holds (get seen "names") ["w-1" "w-2"])
  (assert (get seen "right") f"{seen}")
  (says (get seen "nowhere") #* nowhere)
  (says (get seen "no room") "LaunchError" "did not come up" "within 1 seconds" room))

(defn [heavy (needs "ray")] test-ray []
  (check (told "on_others.py" "ray") ["LaunchError" "(ray.init)"] "has 2 processors, and 0 free; each slave takes one"))

(defn [heavy (needs "ipyparallel")] test-ipython-parallel []
  (setv seen (told "on_others.py" "ipyparallel"))
  (check seen ["TypeError" "is no client of IPython Parallel's"] "has 2 engines, and each slave takes one")
  (says (get seen "closed") "LaunchError" "the client is closed"))
