"Takes the screens of the programs that talk with a person, in tmux."

(import
  os
  pathlib [Path]
  shlex
  subprocess
  time)

(setv
  HERE (. (Path __file__) (absolute) parent)
  SIZE ["-x" "100" "-y" "50"]
  WAIT 60)  ; seconds, for anything at all

(defn tmux [#* arguments]
  (subprocess.check-output ["tmux" "-u" "-L" f"dpfw-gallery-{(os.getpid)}" "-f" os.devnull #* arguments]
    :env {#** os.environ  "LC_ALL" "C.UTF-8"} :text True))

(defn screen []
  (.rstrip (tmux "capture-pane" "-p")))

(defn await-line [start n]
  "Wait until the last line begins so, and n lines do."
  (setv deadline (+ (time.monotonic) WAIT))
  (while True
    (setv lines (or (.splitlines (screen)) [""]))
    (when (and (.startswith (get lines -1) start)
               (= n (sum (gfor  line lines  (.startswith line start)))))
      (break))
    (when (> (time.monotonic) deadline)
      (raise (TimeoutError (screen))))
    (time.sleep 0.05)))

(defn talk [name prompt answers]
  "The screen after a program has been given these answers, each after its prompt."
  (tmux "new-session" "-d" #* SIZE
    f"cd {(shlex.quote (str HERE))}; {(shlex.join [hy.sys-executable "-m" "hy" "-m" name])}; printf END; read _")
  (try
    (for [[n answer] (enumerate answers 1)]
      (await-line prompt n)
      (tmux "send-keys" "-l" answer)
      (tmux "send-keys" "Enter"))
    (if (.startswith prompt "?")
      (await-line prompt (+ 1 (len answers)))
      (await-line "END" 1))
    (.removesuffix (.removesuffix (screen) "END") prompt)
    (finally
      (tmux "kill-server"))))

(defn block [program text]
  (+ f"```\n$ hy examples/gallery/{program}.hy\n" (.rstrip text) "\n```\n"))

(defn animals []
  (block "animals" (talk "animals" "you:" [
    "no" "no" "a cat" "Does it fly?" "no"
    "no" "no" "yes"])))

(defn index []
  (block "index" (talk "index" "?" [
    "decode base64" "copy a directory tree" "longest common prefix" "permutations of elements"])))

(setv SCREENS {"index" index  "animals" animals})
