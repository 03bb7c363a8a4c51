"Modules that masters send: `dpfw-load`.

They are imported like those that stand in files here, and before them; but they
stand nowhere, so what lies beside them on the master is not here."

(import
  importlib [import-module]
  importlib.abc [Loader MetaPathFinder]
  importlib.util [spec-from-loader]
  io
  linecache
  os
  sys
  hy.reader.hy-reader [HyReader]
  dpfw.serve.code [lines-of]
  dpfw.serve.process [evaluator])
(eval-when-compile (require hyrule.control [unless]))

(setv sent {})  ; name -> `Sent`


(defclass Sent [Loader]
  "A module's text. ``file`` is where it stands on the master."

  (defn __init__ [self name text file package]
    (setv
      self.name name
      self.text text
      self.file file
      self.package package))

  (defn spec [self]
    (setv spec (spec-from-loader self.name self :origin self.file :is-package self.package))
    (when self.package
      ; On the master's own machine, what was not sent is there.
      (setv spec.submodule-search-locations [(os.path.dirname self.file)]))
    spec)

  (defn create-module [self spec]
    None)

  (defn exec-module [self module]
    (setv (get linecache.cache self.file)
      #((len self.text) None (lines-of self.text) self.file))
    (if (.endswith self.file ".hy")
      (.exec-hy self module)
      (exec (compile self.text self.file "exec" :dont-inherit True) module.__dict__)))

  (defn exec-hy [self module]
    (setv module.hy hy
          reader (HyReader))
    ; One by one, since a form may define what the reader needs for the next.
    (for [form (hy.read-many (io.StringIO self.text)
                 :filename self.file :reader reader :skip-shebang True)]
      (setv form.filename self.file  form.source self.text  form.reader reader)
      (hy.eval form :globals module.__dict__ :module module)))

  (defn get-source [self name]
    self.text)

  (defn is-package [self name]
    self.package))


(defclass Finder [MetaPathFinder]
  (defn find-spec [self name path [target None]]
    (when (in name sent)
      (.spec (get sent name)))))

(setv finder (Finder))


(defn receive [name text file package]
  "Import a module that was sent, perhaps anew; what was imported before is back if that
  fails."
  (unless (in finder sys.meta-path)
    (.insert sys.meta-path 0 finder))
  (setv sent-before (.get sent name)
        before (.pop sys.modules name None)
        (get sent name) (Sent name text file package))
  (try
    (replace before (import-module name))
    (except [BaseException]
      (put sent name sent-before)
      (put sys.modules name before)
      (raise))))

(defn put [d key value]
  (if (is value None)
    (.pop d key None)
    (setv (get d key) value)))

(defn replace [before module]
  "Where remotes are evaluated, this module stands for the one that it replaces."
  (setv space evaluator.module.__dict__)
  (unless (is before None)
    (for [[name value] (list (.items space))]
      (when (is value before)
        (setv (get space name) module))))
  (for [[name child] (list (.items sys.modules))]
    (setv [parent _ last] (.rpartition name "."))
    (when (= parent module.__name__)
      (setattr module last child)))
  (.forget-remotes evaluator))
