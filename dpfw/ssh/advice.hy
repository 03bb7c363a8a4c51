"Why no slave came up over ssh, and what to do about it: how ssh ended and what it said,
in words for people."

(import
  re
  dpfw.ssh.command [quoted-path typed]
  dpfw.ssh.installation [dpfw-advice python-advice])

(setv
  SSH-FAILED 255  ; what ssh itself ends with; else it is the other command's status
  ASKS (re.compile "Permission denied \\(|Host key verification failed|Permission denied, please")
  NO-DPFW (re.compile "No module named '?(dpfw|hy|hyrule)\\b")
  OLD-DPFW (re.compile "unrecognized arguments: .*--stdio")
  NO-PYTHON (re.compile "(?i)not found|no such file|unknown command|permission denied"))


(defn wants-to-ask? [status said]
  "Would ssh have asked a person, had it been allowed to?"
  (bool (and (= status SSH-FAILED) (ASKS.search said))))

(defn advice [status said ssh destination python]
  "What to do, as a text."
  (setv line (typed ssh destination)
        their-python (quoted-path python))
  (cond
    (NO-DPFW.search said)
      f"there is no dpfw there for {python}; {(dpfw-advice line their-python)}"
    (OLD-DPFW.search said)
      f"the dpfw there is too old for this; {(dpfw-advice line their-python)}"
    (= status SSH-FAILED)
      (ssh-advice said line)
    (or (in status [126 127]) (NO-PYTHON.search said))
      f"there is no {python} there; {(python-advice line)}"
    True
      f"see what this says: {(typed ssh destination f"{their-python} -m dpfw.slave --help")}"))

(defn ssh-advice [said line]
  (cond
    (in "Could not resolve" said)
      "give the name of a host that resolves, or that ~/.ssh/config knows"
    (in "Host key verification failed" said)
      f"type: {line} and accept its key, if it is the right one"
    (in "Permission denied" said)
      f"see that this lets you in without a question, by a key (ssh-copy-id) and an agent (ssh-add): {line}"
    True
      f"see that this lets you in: {line}"))
