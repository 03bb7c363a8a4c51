"A stranger's path: with the tutorial alone, from nothing, to a program of their own on
two machines, which are network namespaces here, each with a home of its own."

(import
  os
  pathlib [Path]
  re
  signal
  subprocess
  sys
  tests.tls-strangers [machines])
(require hyrule.control [unless])

(setv
  TUTORIAL (/ (. (Path __file__) parent parent) "docs" "tutorial")
  WAIT 60  ; seconds
  PROMPT (re.compile r"^you@(here|there)\$ (.*)$" re.M)
  ; What the fixture `programs` has done, with the wheel, where the tutorial has a checkout.
  DONE #{"python3 -m venv ~/dpfw-env" "pip install ."}
  END "the command has ended:")

(defn steps [page]
  "What the reader of a page does, in order: [\"type\" file text], and [\"here\" command output]
  or [\"there\" …]."
  (setv text (.read-text (/ TUTORIAL page) :encoding "utf-8"))
  (for [[language block] (re.findall r"^```(hy|console)\n(.*?)^```$" text (| re.M re.S))]
    (if (= language "hy")
      (do
        (setv name (re.match r";; (\S+)\n" block))
        (when name
          (yield ["type" (.group name 1) block])))
      (do
        (setv [_ #* parts] (.split PROMPT block))
        (for [n (range 0 (len parts) 3)]
          (yield (cut parts n (+ n 3))))))))

(defn pattern [shown]
  "The output that a page shows: `…` is anything, and on a line of its own any lines."
  (re.compile (.join "" (gfor
    line (.splitlines (.strip shown "\n"))
    (if (= line "…")
      r"(?:.*\n)*?"
      (+ (.replace (re.escape line) "…" ".*") "\n"))))))

(defclass Shell []
  "A shell on a machine, whose user has nothing but an empty home and dpfw to install."

  (defn __init__ [self machine home path]
    (setv
      self.home home
      self.serving False
      self.process (subprocess.Popen (.command machine "bash" "--noprofile" "--norc")
        :cwd home
        :env {"HOME" (str home)  "PATH" path  "LANG" "C.UTF-8"}
        :stdin subprocess.PIPE  :stdout subprocess.PIPE  :stderr subprocess.STDOUT
        :text True
        :encoding "utf-8"
        :start-new-session True)))

  (defn run [self command shown]
    "Type a command, and check what it prints. One that listens goes on."
    (setv self.serving (.startswith command "dpfw-slave"))
    (.write self.process.stdin f"{{ {command}\n}} </dev/null\necho \"{END} $?\"\n")
    (.flush self.process.stdin)
    (setv wanted (pattern shown)
          got "")
    (while True
      (setv line (.readline self.process.stdout))
      (assert line f"{command}: the shell has ended\n{got}")
      (when (.startswith line END)
        (break))
      (+= got line)
      (when (and self.serving (.fullmatch wanted got))
        (return)))
    (assert (.fullmatch wanted got) f"{command}\n  wanted:\n{shown}\n  got:\n{got}")
    line)

  (defn close [self]
    (os.killpg self.process.pid signal.SIGTERM)
    ; Until whoever has the pipe has ended.
    (.communicate self.process :timeout WAIT)))

(defn as-typed [command]
  "As the tutorial has it for a Python whose Hy runs no file by its name."
  (if (<= #(3 12) sys.version-info #(3 12 6))
    (re.sub r"^hy (\w+)\.hy" r"hy -m \1" command)
    command))

(defn program [path text]
  (.write-text path f"#!/bin/sh\n{text}\n")
  (.chmod path 0o755))

(defn test-a-stranger-comes-to-a-program-on-two-machines [programs tmp-path]
  (setv homes (dfor  name ["here" "there"]  name (/ tmp-path name))
        bin (/ tmp-path "bin"))
  (for [home [bin #* (.values homes)]]
    (.mkdir home)
    (unless (= home bin)
      (.symlink-to (/ home "dpfw-env") programs.parent)))
  ; No sshd is here; who copies as scp does is.
  (program (/ bin "scp") f"cp -p \"{(get homes "there")}/${{2#*:}}\" \"$3\"")
  (with [[a b] (machines)]
    (setv path f"{bin}:{(get os.environ "PATH")}"
          shells {"here" (Shell a (get homes "here") path)
                  "there" (Shell b (get homes "there") path)}
          used (set))
    (try
      (for [page ["first-five-minutes.md" "two-machines.md"]
            [where what text] (steps page)]
        (cond
          (= where "type")
            (.write-text (/ (get homes "here") what)
              (.replace text "there.example.com" b.address))
          (in what DONE)
            (.add used what)
          True
            (.run (get shells where) (as-typed (.replace what "there.example.com" b.address)) text)))
      (assert (= used DONE) f"the tutorial installs by other commands: {used}")
      (assert (. (get shells "there") serving) "no slave was started there")
      (finally
        (for [shell (.values shells)]
          (.close shell))))))
