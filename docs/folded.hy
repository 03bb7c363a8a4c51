"Takes the screen in docs/output.md anew, in tmux. Run it with: hy docs/folded.hy"

(import
  pathlib [Path]
  re
  subprocess
  sys
  tempfile
  time)

(setv
  root (. (Path __file__) (absolute) parent parent)
  document (/ root "docs" "output.md")
  block (re.compile "(?<=<!-- begin screen -->\n```\n).*?(?=```\n<!-- end screen -->\n)" re.S)
  wait 60  ; seconds, for anything at all
  ; Three slaves, with names that are the same at each run. Equal lines are given time.
  setup "
(import sys)
(setv (cut sys.path 0) [(get sys.argv -1)])
(import dpfw.master * dpfw.launch [dpfw-launch] dpfw.dispatch [output])
(setv output.WINDOW 5)
(for [[n slave] (enumerate (dpfw-launch 3))]
  (setv slave.session.connection.about {\"host\" f\"node-{(get \"abc\" n)}\" \"pid\" (+ 4711 n)}))"
  typed [
    "(dpfw-broadcast '(fn [i o] (print \"ready\")))"
    "(setv remote '(fn [i o] (import os) (print \"hello\") (os.system \"echo child\")))"
    "(force (dpfw-make-task remote read-result (get (dpfw-slaves) 1)))"
    "(dpfw-broadcast '(fn [i o] (import warnings) (warnings.warn \"old\")))"])

(defn tmux [#* arguments]
  (subprocess.check-output ["tmux" "-L" "dpfw-screen" #* arguments] :text True))

(defn screen []
  (.rstrip (tmux "capture-pane" "-p" "-t" "shown")))

(defn await-prompts [n]
  (setv deadline (+ (time.monotonic) wait))
  (while (or (!= (len (re.findall "^=>" (screen) re.M)) n)
             (not (re.search "^=>$" (screen) re.M)))
    (when (> (time.monotonic) deadline)
      (raise (TimeoutError (screen))))
    (time.sleep 0.1)))

(with [file (tempfile.NamedTemporaryFile "w" :suffix ".hy")]
  (.write file setup)
  (.flush file)
  (tmux "new-session" "-d" "-s" "shown" "-x" "90" "-y" "24"
    (getattr hy "sys_executable" sys.executable) "-m" "hy" "-i" file.name (str root))
  (try
    (await-prompts 1)
    (tmux "send-keys" "-t" "shown" "C-l")
    (for [[n form] (enumerate typed)]
      (await-prompts (+ n 1))
      (tmux "send-keys" "-t" "shown" "-l" form)
      (tmux "send-keys" "-t" "shown" "Enter"))
    (await-prompts (+ (len typed) 1))
    (setv taken (screen))
    (finally
      (tmux "kill-server"))))

(.write-text document :encoding "utf-8"
  (.sub block (fn [_] (+ (.removesuffix taken "\n=>") "\n")) (.read-text document :encoding "utf-8")))
