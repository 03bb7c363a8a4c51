"The cookie: the secret that both ends of a session must hold.

It is ``$DPFW_COOKIE``, else what stands in the file ``$DPFW_COOKIE_FILE``,
else in ``~/.config/dpfw/cookie`` (under ``$XDG_CONFIG_HOME`` where that is
set). That last file is made on first use; one that was named must be there, since its
name may have been mistyped. The cookie never stands on a command line
or in a log.

A file is trusted that is ours or root's, that nobody else can read or write, in
a directory in which nobody else can put another in its place. Directories
above that are not looked at: who could exchange those could not make a file of
ours."

(import
  os
  pathlib [Path]
  secrets
  shlex
  stat
  dpfw.errors [CookieError]
  dpfw.see [see])
(eval-when-compile (require hyrule.control [unless]))

(setv
  SHORTEST 16    ; characters
  MAKE "python3 -c 'import secrets; print(secrets.token_hex(32))'"
  NEW-BYTES 32)  ; of randomness in a cookie that is made here


(defn cookie []
  "The cookie of this user, as bytes. Makes one where there is none.

  Raises `CookieError` when there is a cookie that cannot be used: a file that
  cannot be read or that others can read or exchange, or fewer than 16
  characters."
  (setv given (os.environ.get "DPFW_COOKIE"))
  (if (is given None)
    (read-or-make (cookie-file))
    (checked given "DPFW_COOKIE")))

(defn cookie-file []
  "The path of the file with the cookie, whether or not it exists."
  (setv named (named-file)
        config (or (os.environ.get "XDG_CONFIG_HOME") "~/.config"))
  (setv path (if named
               (Path named)
               (/ (Path config) "dpfw" "cookie")))
  (try
    (.expanduser path)
    (except [e RuntimeError]
      (raise (CookieError
        f"the cookie file {path} is in the home of nobody; give its full path in DPFW_COOKIE_FILE")
        :from e))))

(defn named-file []
  (os.environ.get "DPFW_COOKIE_FILE"))

(defn missing [path]
  (setv name (shlex.quote (str path)))
  (CookieError (+
    f"the cookie file {path}, which DPFW_COOKIE_FILE names, is not there; copy there what the other end has, "
    f"or type: (umask 077; {MAKE} > {name})")))

(defn read-or-make [path]
  (try
    (unless (.exists path)
      (if (named-file)
        (raise (missing path))
        (make path)))
    (for [p [path (Path (os.path.realpath path))]]
      (check-directory path p.parent))
    (with [f (open path :encoding "utf-8")]
      (check-file path (os.fstat (.fileno f)))
      (checked (.read f) path))
    (except [e [OSError UnicodeDecodeError]]
      (when (isinstance e CookieError)
        (raise))
      (raise (CookieError f"the cookie file {path} cannot be read: {e}")
        ; The cause of a decoding error shows the bytes.
        :from None))))

(defn make [path]
  "Create the file with a new cookie, readable by its owner alone. Of several
  processes that do so at once, one wins and all then read its cookie."
  (.mkdir path.parent :parents True :exist-ok True :mode 0o700)
  (check-directory path path.parent)
  ; The file gets its name when it is complete: no other process can read the
  ; half of it.
  (setv draft (.with-name path f"{path.name}.{(secrets.token-hex 8)}"))
  (try
    (with [f (open (os.open draft (| os.O-CREAT os.O-EXCL os.O-WRONLY) 0o600) "w")]
      (.write f (+ (secrets.token-hex NEW-BYTES) "\n")))
    (try
      (os.link draft path)
      (except [FileExistsError]))
    (finally
      (.unlink draft :missing-ok True))))

(defn check-directory [path directory]
  (setv mode (. (.stat directory) st-mode))
  ; In one with the sticky bit, such as /tmp, nobody replaces what others own.
  (when (and (& mode (| stat.S-IWGRP stat.S-IWOTH)) (not (& mode stat.S-ISVTX)))
    (raise (CookieError (+
      f"others can put another file in the place of the cookie file {path}; "
      f"type: chmod go-w {(shlex.quote (str directory))}")))))

(defn check-file [path status]
  (unless (in status.st-uid [(os.geteuid) 0])
    (raise (CookieError (+
      f"the cookie file {path} is of another user, who may know and change the cookie"
      (see "explanation/security.md#who-gets-in") "; "
      f"if it is right all the same, type: chown {(os.geteuid)} {(shlex.quote (str path))}"))))
  (when (& status.st-mode (| stat.S-IRWXG stat.S-IRWXO))
    (raise (CookieError
      f"others can read the cookie file {path}; type: chmod 600 {(shlex.quote (str path))}"))))

(defn checked [text source]
  (setv text (.strip text))
  (when (< (len text) SHORTEST)
    (raise (CookieError
      f"the cookie in {source} has {(len text)} characters and needs {SHORTEST}; make one with: {MAKE}")))
  ; An environment that is not UTF-8 gives surrogates.
  (.encode text "utf-8" "surrogateescape"))
