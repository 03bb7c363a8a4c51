"What ssh is called with, and what is said when it fails."

(import
  shlex
  subprocess
  pytest
  dpfw
  dpfw.errors [AddressError]
  dpfw.launch [dpfw-launch-ssh]
  dpfw.ssh [installation]
  dpfw.ssh.advice [advice wants-to-ask?]
  dpfw.ssh.command [Destination slave-command ssh-words]
  tests.helpers [holds message])

;; Destinations

(defn [(pytest.mark.parametrize #("text" "words") [
    #("node" ["--" "node"])
    #("node-1.example.com" ["--" "node-1.example.com"])
    #("me@node" ["--" "me@node"])
    #("me@realm@node:2222" ["-p" "2222" "--" "me@realm@node"])
    #("10.0.0.1:22" ["-p" "22" "--" "10.0.0.1"])
    #("[::1]" ["--" "::1"])
    #("me@[fe80::1%eth0]:2222" ["-p" "2222" "--" "me@fe80::1%eth0"])])]
  test-a-host-as-people-write-it [text words]
  (holds (. (Destination text) words) words))

(defn [(pytest.mark.parametrize "text" [
    "" " " "-oProxyCommand=touch /tmp/x" "-F" "me@-oProxyCommand=x" "-me@node" "me@" "@node" "node:" "node:0"
    "node:65536" "node:x" "::1" "a:b:1" "node one" "node\n" "node;id" "$(id)" "`id`" "me$x@node" "node|x"
    "ssh://node" "[node]" "[::1" "me@no'de" "no\x00de"])]
  test-what-is-no-host-is-refused [text]
  (with [raised (pytest.raises AddressError)]
    (Destination text))
  (message raised (repr text) "user@host:port"))

(defn [(pytest.mark.parametrize #("hosts" "options" "error" "says") [
    #("node" {} TypeError "no list of hosts")
    #(2 {} TypeError "no list of hosts")
    #([2] {} TypeError "no host")
    #(["node"] {"per_host" -1} ValueError "give a number")
    #(["node"] {"per_host" True} TypeError "give a number")
    #(["node"] {"python" ""} ValueError "no interpreter")
    #(["node"] {"python" "a\nb"} ValueError "no interpreter")
    #(["node"] {"python" "-c"} ValueError "no interpreter")
    #(["node"] {"python" None} TypeError "no interpreter")
    #(["node"] {"ssh" "ssh -v"} TypeError "give its words")
    #(["node"] {"ssh" []} TypeError "give its words")])]
  test-arguments-that-make-no-sense-are-refused [hosts options error says]
  (with [raised (pytest.raises error)]
    (dpfw-launch-ssh hosts #** options))
  (message raised says))

(defn test-the-users-words-come-first-and-the-destination-behind-two-hyphens []
  (setv words (ssh-words ["ssh" "-F" "my.conf"] (Destination "me@node:2222") "python3" False))
  (holds (cut words 3) ["ssh" "-F" "my.conf"])
  (holds (cut words -5 None) ["-p" "2222" "--" "me@node" "python3 -u -m dpfw.slave --stdio"])
  (assert (in "-oBatchMode=yes" words) words)
  (assert (in "-oBatchMode=no" (ssh-words ["ssh"] (Destination "node") "python3" True))))

(defn [(pytest.mark.parametrize "shell" ["sh" "csh" "fish"])] test-a-path-survives-the-other-shell [shell tmp-path]
  (setv odd (/ tmp-path "odd $HOME; path's"))
  (.mkdir odd)
  (.write-text (/ odd "python") "#!/bin/sh\necho \"$@\"\n")
  (.chmod (/ odd "python") 0o700)
  (for [path [(str (/ odd "python")) f"~/{odd.name}/python"]]
    (try
      (setv got (subprocess.run [shell "-c" (slave-command path)]
        :env {"HOME" (str tmp-path) "PATH" "/bin:/usr/bin"} :capture-output True :text True))
      (except [FileNotFoundError]
        (pytest.skip f"there is no {shell} here")))
    (holds #(got.stdout got.stderr) #("-u -m dpfw.slave --stdio\n" ""))))


;; Advice

(defn advice-for [status said [python "python3"]]
  (advice status said ["ssh"] (Destination "me@node:2222") python))

(defn [(pytest.mark.parametrize #("status" "said" "parts") [
    #(255 "ssh: Could not resolve hostname node: Name or service not known" ["resolves" "~/.ssh/config"])
    #(255 "Host key verification failed." ["type: ssh -p 2222 me@node" "accept its key"])
    #(255 "me@node: Permission denied (publickey)." ["ssh-copy-id" ": ssh -p 2222 me@node"])
    #(255 "ssh: connect to host node port 2222: Connection refused" ["ssh -p 2222 me@node"])
    #(127 "bash: line 1: python3: command not found" ["no python3 there" "ssh -p 2222 me@node -t sudo apt-get install python3-venv" ":python"])
    #(1 "python3: Command not found." ["no python3 there"])
    #(126 "sh: 1: python3: Permission denied" ["no python3 there"])
    #(1 "/usr/bin/python3: No module named dpfw" ["no dpfw there" "python3 -m venv" ":python \"dpfw-venv/bin/python\""])
    #(1 "ModuleNotFoundError: No module named 'hy'" ["no dpfw there"])
    #(2 "dpfw-slave: error: unrecognized arguments: --stdio" ["too old" "install --upgrade"])
    #(3 "Segmentation fault" ["ssh -p 2222 me@node 'python3 -m dpfw.slave --help'"])])]
  test-each-failure-has-its-cure [status said parts]
  (setv text (advice-for status said))
  (for [part parts]
    (assert (in part text) text)))

(defn test-an-interpreter-of-ones-own-gets-the-package-itself [monkeypatch]
  (.setattr monkeypatch installation (hy.mangle "direct-url") (fn [] None))
  (setv text (advice-for 1 "No module named dpfw" "/opt/v/bin/python"))
  (assert (in "/opt/v/bin/python -m pip install --upgrade" text) text)
  (assert (not-in "venv" text) text))

(defn [(pytest.mark.parametrize #("url" "command") [
    #(None ["ssh" "node" f"/p -m pip install --upgrade dpfw=={dpfw.__version__}"])
    #({"url" "https://x.example/dpfw.git"  "vcs_info" {"vcs" "git"  "commit_id" "abc"}}
      ["ssh" "node" "/p -m pip install --upgrade 'dpfw @ git+https://x.example/dpfw.git@abc'"])
    #({"url" "https://x.example/dpfw-1.whl"  "archive_info" {}}
      ["ssh" "node" "/p -m pip install --upgrade 'dpfw @ https://x.example/dpfw-1.whl'"])
    #({"url" "file:///a%20b/dpfw-1.whl"  "archive_info" {}}
      ["ssh" "node" "cat >./dpfw-1.whl && /p -m pip install --upgrade ./dpfw-1.whl" "</a b/dpfw-1.whl"])])]
  test-dpfw-comes-from-where-it-came-to-this-machine [url command monkeypatch]
  (.setattr monkeypatch installation (hy.mangle "direct-url") (fn [] url))
  (setv text (installation.dpfw-advice "ssh node" "/p"))
  (holds (shlex.split (.removeprefix text "install this one there: ")) command))

(defn test-from-a-checkout-a-wheel-is-made-first [tmp-path monkeypatch]
  (.setattr monkeypatch installation (hy.mangle "direct-url") (fn [] {"url" (.as-uri tmp-path)  "dir_info" {}}))
  (setv text (installation.dpfw-advice "ssh node" "/p")
        wheel f"dpfw-{dpfw.__version__}-py3-none-any.whl")
  (for [part [f"-m pip wheel --no-deps -w . {tmp-path} && ssh node "
              f"cat >./{wheel} && /p -m pip install --upgrade ./{wheel}"
              f"<{wheel}"]]
    (assert (in part text) text)))

(defn test-only-what-ssh-itself-refuses-is-worth-a-question []
  (assert (wants-to-ask? 255 "me@node: Permission denied (publickey,password)."))
  (assert (wants-to-ask? 255 "Host key verification failed."))
  (assert (not (wants-to-ask? 255 "ssh: connect to host node port 22: Connection refused")))
  (assert (not (wants-to-ask? 126 "sh: 1: x: Permission denied ("))))
