"The real mpirun, where Open MPI is installed."

(import
  contextlib [contextmanager]
  os
  shutil
  subprocess
  sys
  pytest)

(setv
  HERE (and (shutil.which "mpirun")
            (in "Open MPI" (. (subprocess.run ["mpirun" "--version"] :capture-output True :text True) stdout)))
  needed (pytest.mark.skipif (not HERE)
    :reason "Open MPI is not installed; on Debian and its kin: apt-get install openmpi-bin"))

(defn mpirun-command [n #* options-and-arguments]
  "``n`` slaves with these arguments; what stands before a \"--\" are options of mpirun."
  (setv words (list options-and-arguments)
        end (if (in "--" words) (.index words "--") 0))
  ["mpirun" "--oversubscribe" "-n" (str n) #* (cut words end)
   (getattr hy "sys_executable" sys.executable) "-m" "dpfw.slave" #* (gfor  w (cut words end None)  :if (!= w "--")  w)])

(defn [contextmanager] mpirun [folder n #* options-and-arguments  #** environment]
  "Such a process; its standard output and error are pipes."
  (setv process (subprocess.Popen (mpirun-command n #* options-and-arguments)
    :stdin subprocess.DEVNULL  :stdout subprocess.PIPE  :stderr subprocess.PIPE  :text True
    :env {#** os.environ
          "TMPDIR" (str folder)  ; it leaves things there
          "OMPI_ALLOW_RUN_AS_ROOT" "1"  "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM" "1"
          #** environment}))
  (try
    (yield process)
    (finally
      (.terminate process)
      (.communicate process))))
