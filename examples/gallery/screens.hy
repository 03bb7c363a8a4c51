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

(defn tmux [server #* arguments]
  (subprocess.check-output ["tmux" "-u" "-L" server "-f" os.devnull #* arguments]
    :env {#** os.environ  "LC_ALL" "C.UTF-8"} :text True))

(defn screen [server]
  (.rstrip (tmux server "capture-pane" "-p")))

(defn await-line [server start n]
  "Wait until the last line begins so, and n lines do."
  (setv deadline (+ (time.monotonic) WAIT))
  (while True
    (setv lines (or (.splitlines (screen server)) [""]))
    (when (and (.startswith (get lines -1) start)
               (= n (sum (gfor  line lines  (.startswith line start)))))
      (break))
    (when (> (time.monotonic) deadline)
      (raise (TimeoutError (screen server))))
    (time.sleep 0.05)))

(defn talk [name prompt answers]
  "The screen after a program has been given these answers, each after its prompt."
  ; Of its own, since one that is told to end takes its time.
  (setv server f"dpfw-{name}-{(os.getpid)}")
  (tmux server "new-session" "-d" #* SIZE
    f"cd {(shlex.quote (str HERE))}; {(shlex.join [hy.sys-executable "-m" "hy" "-m" name])}; printf END; read _")
  (try
    (for [[n answer] (enumerate answers 1)]
      (await-line server prompt n)
      (tmux server "send-keys" "-l" answer)
      (tmux server "send-keys" "Enter"))
    (if (.startswith prompt "?")
      (await-line server prompt (+ 1 (len answers)))
      (await-line server "END" 1))
    (.removesuffix (.removesuffix (screen server) "END") prompt)
    (finally
      (tmux server "kill-server"))))

(defn block [program text]
  (+ f"```\n$ hy examples/gallery/{program}.hy\n" (.rstrip text) "\n```\n"))

(defn animals []
  (block "animals" (talk "animals" "you:" [
    "no" "no" "a cat" "Does it fly?" "no"
    "no" "no" "yes"])))

(defn index []
  (block "index" (talk "index" "?" [
    "decode base64" "day of the week" "longest common prefix"])))

(setv SCREENS {"index" index  "animals" animals})
