"A cross-validated search for the parameters of a classifier, by scikit-learn, on its own
data: 1,797 handwritten digits.

Run it with: hy examples/gallery/parameters.hy

Nothing in `search` knows of dpfw. scikit-learn gives its work to joblib, and joblib to
whatever backend the `with` names: its processes, or the slaves of this program, which may
be on many machines. They need scikit-learn there, as this program needs it here:
pip install 'dpfw[gallery]'."

(import
  argparse
  pathlib [Path]
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(try
  (import
    dpfw.joblib :as _
    joblib [parallel-config]
    numpy :as np
    sklearn.datasets [load-digits]
    sklearn.model-selection [GridSearchCV]
    sklearn.svm [SVC])
  (except [ImportError]
    (raise (SystemExit "this needs scikit-learn, joblib and cloudpickle: pip install 'dpfw[gallery]'"))))

(setv FOLDS 3)

(defn grid [n]
  "n values of each of the two parameters."
  {"C" (list (map float (np.logspace -1 3 n)))
   "gamma" (list (map float (np.logspace -5 -1 n)))})

(defn search [n]
  "Try all pairs of parameters, each with three parts of the data that it has not seen.
  The search, with the accuracy of each pair, and the best."
  (setv [images digits] (load-digits :return-X-y True))
  (.fit (GridSearchCV (SVC) (grid n) :cv FOLDS :n-jobs -1) images digits))

(defn on-slaves [n]
  (with [_ (parallel-config :backend "dpfw")]
    (search n)))

(defn accuracies [search n]
  "A row for each C, a column for each gamma."
  (.reshape (get search.cv-results- "mean_test_score") #(n n)))

(defn main []
  (setv parser (argparse.ArgumentParser :description "A search for parameters"))
  (.add-argument parser "--size" :type int :default 7 :help "values of each parameter")
  (.add-argument parser "--slaves" :type int :default 2)
  (.add-argument parser "--picture" :type Path :help "a file for it")
  (setv options (.parse-args parser))
  (when options.picture
    (import pictures))  ; or say now that it cannot
  (dpfw-launch options.slaves)
  (setv search (on-slaves options.size))
  (setv best search.best-params-)
  (print f"{(* FOLDS (** options.size 2))} fits; the best is C = {(:C best) :.4g}, gamma = {(:gamma best) :.4g}, with {search.best-score- :.6f}")
  (when options.picture
    (pictures.draw-grid (accuracies search options.size) (grid options.size) options.picture))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
