"The slaves as a backend of joblib, and so of scikit-learn: to import this registers it.

::

    import dpfw.joblib
    from joblib import Parallel, delayed, parallel_config

    with parallel_config(backend=\"dpfw\"):
        print(Parallel(n_jobs=2)(delayed(pow)(2, n) for n in range(5)))

``master=`` in `parallel_config` is a `Master`, else the default one. Callables, arguments,
results and exceptions travel as pickles.

Source: joblib's documentation of `register_parallel_backend`."

(try
  (import
    cloudpickle :as _  ; which an `Executor` needs for what joblib has it call
    joblib [register-parallel-backend]
    joblib.parallel [AutoBatchingMixin ParallelBackendBase])
  (except [e ImportError]
    (raise (ImportError
      f"dpfw.joblib needs joblib and cloudpickle ({e}); install them with: pip install 'dpfw[joblib]'") :from e)))
(import
  dpfw.executor [Executor])
(eval-when-compile (require hyrule.control [unless]))

(setv NO-SLAVE (+ "the backend has no slave; start some with dpfw.launch(2), or connect to one with "
                  "dpfw.connect(host, port)"))


(defclass Backend [AutoBatchingMixin ParallelBackendBase]
  "Batches of joblib's, as the calls of an `Executor`."

  (setv
    supports-retrieve-callback True
    default-n-jobs -1)  ; where neither `Parallel` nor `parallel_config` says

  (defn __init__ [self [master None] #** options]
    (.__init__ (super) #** options)
    (setv self.executor (Executor master :results "pickle")))

  (defn effective-n-jobs [self n-jobs]
    "How many batches run side by side: as many as there are slaves for -1, one less for -2."
    (when (= n-jobs 0)
      (raise (ValueError "n_jobs is 0; give the number of slaves to use, or -1 for all")))
    (setv slaves (len (.slaves self.executor.master)))
    (unless slaves
      (raise (RuntimeError NO-SLAVE)))
    (cond
      (is n-jobs None) 1
      ; What it takes for a single job, joblib does itself, here.
      (< n-jobs 0) (max 2 (+ slaves 1 n-jobs))
      True n-jobs))

  (defn submit [self function [callback None]]
    (setv promise (.submit self.executor function))
    (when callback
      (.add-done-callback promise callback))
    promise)

  (defn retrieve-result-callback [self promise]
    (.result promise))

  (defn abort-everything [self [ensure-ready True]]
    (for [call (.calls self.executor)]
      (.cancel call))))

(register-parallel-backend "dpfw" Backend)
