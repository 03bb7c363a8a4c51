"The command that starts a slave over ssh: where to, by which words, and what the shell
there is given.

Nothing that a user says is an option of ssh: a destination is matched with a fixed
pattern, and stands behind ``--``. What the other shell is given is a plain command line
that any shell reads alike."

(import
  collections.abc [Iterable]
  re
  shlex
  dpfw.errors [AddressError])
(eval-when-compile (require hyrule.control [unless]))

(setv
  ; No first hyphen, no space, nothing that a shell reads: hosts and users may end up in
  ; a ProxyCommand.
  DESTINATION (re.compile (+
    r"(?:(?P<user>[\w.+][\w.+@-]*)@)?"
    r"(?:\[(?P<bracketed>[0-9A-Fa-f:.]+(?:%[\w.-]+)?)\]|(?P<host>[\w.][\w.-]*))"
    r"(?::(?P<port>[0-9]{1,5}))?"))
  CONNECT-TIMEOUT 10    ; seconds until a host must have answered
  ALIVE-EVERY 10        ; seconds between questions whether it lives,
  ALIVE-TIMES 3         ; and how many may stay without an answer
  ; What a session of ours needs, whatever ~/.ssh/config says.
  OPTIONS [
    "-T" "-x"
    "-oRequestTTY=no" "-oRemoteCommand=none" "-oPermitLocalCommand=no" "-oClearAllForwardings=yes"
    f"-oConnectTimeout={CONNECT-TIMEOUT}"
    f"-oServerAliveInterval={ALIVE-EVERY}" f"-oServerAliveCountMax={ALIVE-TIMES}"])


(defclass Destination []
  "A host as the user has named it. ::

    (. (Destination \"me@node-a:2222\") words)  ; => [\"-p\" \"2222\" \"--\" \"me@node-a\"]

  Raises `AddressError` and `TypeError`."

  (defn __init__ [self text]
    (unless (isinstance text str)
      (raise (TypeError f"{text !r} is no host; give a text, such as \"me@node-a\"")))
    (setv found (DESTINATION.fullmatch text))
    (unless (and found (<= 1 (int (or (.group found "port") 22)) 65535))
      (raise (AddressError
        f"{text !r} is no host for ssh; give \"host\" or \"user@host:port\", an IPv6 host in brackets")))
    (setv
      user (.group found "user")
      host (or (.group found "bracketed") (.group found "host"))
      port (.group found "port")
      self.text text
      self.words [#* (if port ["-p" port] []) "--" (if user f"{user}@{host}" host)]))

  (defn __str__ [self]
    self.text))


(defn destinations [hosts]
  (when (or (isinstance hosts #(str bytes)) (not (isinstance hosts Iterable)))
    (raise (TypeError f"{hosts !r} is no list of hosts; give one, such as [\"node-a\" \"me@node-b\"]")))
  (lfor  host hosts  (Destination host)))

(defn checked-path [python]
  (unless (isinstance python str)
    (raise (TypeError f"{python !r} is no interpreter; give a path or name, such as \"python3\"")))
  (unless (and python (.isprintable python) (not (.startswith python "-")))
    (raise (ValueError f"{python !r} is no interpreter; give a path or name, such as \"python3\"")))
  python)

(defn checked-command [ssh]
  (unless (and (isinstance ssh #(list tuple)) ssh (all (gfor  word ssh  (isinstance word str))))
    (raise (TypeError f"{ssh !r} is no ssh command; give its words, such as [\"ssh\" \"-F\" \"my.conf\"]")))
  (list ssh))

(defn slave-command [python]
  "What the shell at the other end is given. A leading ``~/`` is for it to expand. ::

    (slave-command \"~/my venv/bin/python\")
    ; => \"~/'my venv/bin/python' -u -m dpfw.slave --stdio\""
  f"{(quoted-path python)} -u -m dpfw.slave --stdio")

(defn quoted-path [path]
  (if (.startswith path "~/")
    (+ "~/" (shlex.quote (cut path 2 None)))
    (shlex.quote path)))

(defn ssh-words [ssh destination python ask]
  "The words of the ssh command. Of an option that is given twice, ssh takes the first,
  so the user's own ``ssh`` has the last word. ``ask`` is whether ssh may ask."
  [#* ssh
   #* OPTIONS f"-oBatchMode={(if ask "no" "yes")}"
   #* destination.words
   (slave-command python)])

(defn typed [ssh destination #* command]
  "How a person would call ssh. ::

    (typed [\"ssh\"] (Destination \"me@node-a:2222\") \"uname -a\")
    ; => \"ssh -p 2222 me@node-a 'uname -a'\""
  (shlex.join [
    #* ssh
    #* (gfor  word destination.words  :if (!= word "--")  word)
    #* command]))
