"The cookie: where it comes from, how it is made, and when it is not trusted."

(import
  os
  pathlib [Path]
  re
  stat
  subprocess
  sys
  pytest
  dpfw.net.cookie [cookie cookie-file]
  dpfw.errors [CookieError DpfwError]
  tests.helpers [holds message WAIT])

(setv
  ROOT (. (Path __file__) parent parent parent)
  SECRET "correct horse battery staple")

(defn [(pytest.fixture :autouse True)] no-cookie [monkeypatch tmp-path]
  "A user who has none yet."
  (for [name ["DPFW_COOKIE" "DPFW_COOKIE_FILE" "XDG_CONFIG_HOME"]]
    (monkeypatch.delenv name :raising False))
  (monkeypatch.setenv "HOME" (str tmp-path)))

(defn write-cookie [path [text SECRET] [mode 0o600]]
  (.mkdir path.parent :parents True :exist-ok True)
  (.write-bytes path (if (isinstance text str) (.encode text) text))
  (.chmod path mode)
  path)

(defn refused [#* parts]
  "Check that there is no cookie, and that a traceback shows none."
  (with [raised (pytest.raises CookieError)]
    (cookie))
  (message raised #* parts)
  (setv error raised.value)
  (while error
    (assert (not-in "horse" (str error)) f"the error shows the cookie: {error}")
    (setv error (or error.__cause__ error.__context__))))


;; * Where it comes from

(defn test-the-environment-beats-the-file [monkeypatch tmp-path]
  (monkeypatch.setenv "DPFW_COOKIE_FILE" (str (write-cookie (/ tmp-path "named") "from the named file")))
  (monkeypatch.setenv "DPFW_COOKIE" SECRET)
  (holds (cookie) (.encode SECRET))
  (monkeypatch.delenv "DPFW_COOKIE")
  (holds (cookie) b"from the named file"))

(defn test-the-named-file-beats-the-usual-one [monkeypatch tmp-path]
  (write-cookie (/ tmp-path ".config" "dpfw" "cookie") "from the usual file")
  (holds (cookie) b"from the usual file")
  (monkeypatch.setenv "DPFW_COOKIE_FILE" (str (write-cookie (/ tmp-path "named") "from the named file")))
  (holds (cookie) b"from the named file"))

(defn test-the-usual-file-is-where-xdg-says [monkeypatch tmp-path]
  (holds (cookie-file) (/ tmp-path ".config" "dpfw" "cookie"))
  (monkeypatch.setenv "XDG_CONFIG_HOME" "")
  (holds (cookie-file) (/ tmp-path ".config" "dpfw" "cookie"))
  (monkeypatch.setenv "XDG_CONFIG_HOME" (str (/ tmp-path "xdg")))
  (write-cookie (/ tmp-path "xdg" "dpfw" "cookie") "from where XDG says")
  (holds (cookie) b"from where XDG says"))

(defn test-a-tilde-in-the-name-of-the-file [monkeypatch tmp-path]
  (write-cookie (/ tmp-path "named"))
  (monkeypatch.setenv "DPFW_COOKIE_FILE" "~/named")
  (holds (cookie) (.encode SECRET)))

(defn test-white-space-around-it-is-none-of-it [monkeypatch tmp-path]
  (write-cookie (cookie-file) f" {SECRET}\r\n\n")
  (holds (cookie) (.encode SECRET))
  (monkeypatch.setenv "DPFW_COOKIE" f"\t{SECRET}\n")
  (holds (cookie) (.encode SECRET)))

(defn test-it-need-not-be-ascii [monkeypatch]
  (monkeypatch.setenv "DPFW_COOKIE" "Äpfel und Öl und Übermut")
  (holds (cookie) (.encode "Äpfel und Öl und Übermut"))
  ; As the environment gives it where it is not UTF-8.
  (monkeypatch.setitem os.environ "DPFW_COOKIE" (os.fsdecode (+ b"\xff" (.encode SECRET))))
  (holds (cookie) (+ b"\xff" (.encode SECRET))))


;; * How it is made

(defn test-it-is-made-on-first-use-and-stays [tmp-path]
  (setv made (cookie)
        path (/ tmp-path ".config" "dpfw" "cookie"))
  (assert (re.fullmatch rb"[0-9a-f]{64}" made) f"made {made}")
  (holds (.read-bytes path) (+ made b"\n"))
  (holds (stat.S-IMODE (. (.stat path) st-mode)) 0o600)
  (holds (stat.S-IMODE (. (.stat path.parent) st-mode)) 0o700)
  (holds (cookie) made)
  ; And no draft of it lies about.
  (holds (os.listdir path.parent) ["cookie"]))

(defn test-no-two-are-the-same [monkeypatch tmp-path]
  (setv made (set))
  (for [n (range 20)]
    (monkeypatch.setenv "XDG_CONFIG_HOME" (str (/ tmp-path (str n))))
    (.add made (cookie)))
  (holds (len made) 20))

(defn test-the-mode-does-not-hang-on-the-umask [tmp-path]
  (setv before (os.umask 0))
  (try
    (cookie)
    (finally
      (os.umask before)))
  (holds (stat.S-IMODE (. (.stat (cookie-file)) st-mode)) 0o600))

(defn test-ten-processes-at-once-have-one-cookie [tmp-path]
  (setv
    program "import sys, dpfw.net.cookie; print('ready', flush=True); input(); print(dpfw.net.cookie.cookie().decode())"
    processes (lfor  _ (range 10)
      (subprocess.Popen [sys.executable "-c" program]
        :stdin subprocess.PIPE :stdout subprocess.PIPE :text True :bufsize 1
        :env {#** os.environ  "PYTHONPATH" (str ROOT)})))
  (try
    (for [process processes]
      (holds (.readline process.stdout) "ready\n"))
    (for [process processes]
      (.write process.stdin "\n"))
    (setv cookies (lfor  process processes  (get (.communicate process :timeout WAIT) 0)))
    (finally
      (for [process processes]
        (.kill process)
        (.communicate process))))
  (holds (len (set cookies)) 1)
  (holds (.strip (get cookies 0)) (.decode (cookie)))
  (holds (os.listdir (. (cookie-file) parent)) ["cookie"]))


;; * When it is not trusted

(defn [(pytest.mark.parametrize "mode" [0o640 0o604 0o620 0o610 0o602 0o601 0o644 0o777])]
      test-a-file-that-others-can-use-is-refused [mode]
  (setv path (write-cookie (cookie-file) :mode mode))
  (refused "others can read" f"chmod 600 {path}")
  (.chmod path 0o600)
  (holds (cookie) (.encode SECRET)))

(setv
  ANOTHER 54321  ; a user, who need not exist
  as-root (pytest.mark.skipif (!= (os.geteuid) 0) :reason "only root gives files away"))

(defn [as-root] test-a-file-of-another-user-is-refused [monkeypatch tmp-path]
  (setv path (write-cookie (cookie-file)))
  (os.chown path ANOTHER -1)
  (refused (str path) "of another user" f"chown {(os.geteuid)} {path}")
  (os.chown path 0 ANOTHER)
  (holds (cookie) (.encode SECRET))
  ; The command that it says, in a shell.
  (monkeypatch.setenv "DPFW_COOKIE_FILE"
    (str (setx path (write-cookie (/ tmp-path "the cookie; of 'mine'")))))
  (os.chown path ANOTHER -1)
  (with [raised (pytest.raises CookieError)]
    (cookie))
  (subprocess.run (get (.split (str raised.value) "type: ") 1) :shell True :check True)
  (holds (cookie) (.encode SECRET)))

(defn [as-root] test-a-link-to-a-file-of-another-user-is-refused [tmp-path]
  (setv path (write-cookie (/ tmp-path "theirs")))
  (os.chown path ANOTHER -1)
  (.mkdir (. (cookie-file) parent) :parents True)
  (.symlink-to (cookie-file) path)
  (refused "of another user"))

(defn [as-root] test-roots-file-is-taken-by-anybody [monkeypatch]
  "And read, if access lists let them."
  (write-cookie (cookie-file))
  (monkeypatch.setattr os "geteuid" (fn [] ANOTHER))
  (holds (cookie) (.encode SECRET)))

(defn [as-root] test-nor-does-root-take-a-file-of-a-user [monkeypatch]
  (setv path (write-cookie (cookie-file)))
  (os.chown path ANOTHER -1)
  (refused "of another user")
  (monkeypatch.setattr os "geteuid" (fn [] ANOTHER))
  (holds (cookie) (.encode SECRET)))

(defn [(pytest.mark.parametrize "mode" [0o770 0o720 0o702 0o777 0o775 0o2770])]
      test-a-directory-that-others-write-is-refused [mode]
  (setv path (write-cookie (cookie-file)))
  (.chmod path.parent mode)
  (refused (str path) f"chmod go-w {path.parent}")
  (.chmod path.parent (& mode 0o755))
  (holds (cookie) (.encode SECRET)))

(defn [(pytest.mark.parametrize "mode" [0o700 0o755 0o500 0o1777 0o1770])]
      test-a-directory-in-which-others-replace-nothing-is-taken [mode]
  (setv path (write-cookie (cookie-file)))
  (.chmod path.parent mode)
  (holds (cookie) (.encode SECRET)))

(defn test-none-is-made-where-others-write [tmp-path]
  (setv path (cookie-file))
  (.mkdir path.parent :parents True)
  (.chmod path.parent 0o777)
  (refused f"chmod go-w {path.parent}")
  (holds (os.listdir path.parent) [])
  (.chmod path.parent 0o700)
  (assert (cookie)))

(defn test-a-link-into-a-directory-that-others-write-is-refused [tmp-path]
  (setv path (write-cookie (/ tmp-path "open" "cookie")))
  (.mkdir (. (cookie-file) parent) :parents True)
  (.symlink-to (cookie-file) path)
  (holds (cookie) (.encode SECRET))
  (.chmod path.parent 0o777)
  (refused f"chmod go-w {path.parent}"))

(defn test-a-file-that-only-its-owner-reads-is-taken []
  (write-cookie (cookie-file) :mode 0o400)
  (holds (cookie) (.encode SECRET)))

(defn [(pytest.mark.parametrize "text" ["" "horse" "fifteen horses!" "   fifteen horses!   \n"])]
      test-one-that-is-too-short-is-refused [monkeypatch text]
  (setv path (write-cookie (cookie-file) text))
  (refused (str path) f"has {(len (.strip text))} characters and needs 16" "token_hex")
  (holds (.read-text path) text)
  (monkeypatch.setenv "DPFW_COOKIE" text)
  (refused "in DPFW_COOKIE has"))

(defn test-sixteen-characters-are-enough [monkeypatch]
  (monkeypatch.setenv "DPFW_COOKIE" "sixteen horses!!")
  (holds (cookie) b"sixteen horses!!"))

(defn test-a-directory-in-its-place-is-refused-and-stays []
  (.mkdir (cookie-file) :parents True)
  (refused (str (cookie-file)) "cannot be read")
  (assert (.is-dir (cookie-file))))

(defn test-a-file-that-is-no-text-is-refused-and-stays []
  (setv bytes (+ b"\xff\xfe" (.encode SECRET))
        path (write-cookie (cookie-file) bytes))
  (refused (str path) "cannot be read")
  (holds (.read-bytes path) bytes))

(defn test-a-link-that-leads-nowhere-is-refused-and-stays [tmp-path]
  (.mkdir (. (cookie-file) parent) :parents True)
  (.symlink-to (cookie-file) (/ tmp-path "nowhere"))
  (refused (str (cookie-file)) "cannot be read")
  (assert (.is-symlink (cookie-file)))
  (holds (os.listdir (. (cookie-file) parent)) ["cookie"]))

(defn test-a-place-where-none-can-be-made-is-named [monkeypatch tmp-path]
  (.write-text (/ tmp-path "file") "")
  (monkeypatch.setenv "XDG_CONFIG_HOME" (str (/ tmp-path "file")))
  (refused (str (/ tmp-path "file" "dpfw" "cookie"))))

(defn test-a-file-whose-name-was-mistyped-is-not-made [monkeypatch tmp-path]
  (setv path (/ tmp-path "no such 'cookie'"))
  (monkeypatch.setenv "DPFW_COOKIE_FILE" (str path))
  (refused (str path) "which DPFW_COOKIE_FILE names, is not there")
  (assert (not (.exists path)))
  ; The command that it says, in a shell.
  (with [raised (pytest.raises CookieError)]
    (cookie))
  (subprocess.run (get (.split (str raised.value) "type: ") 1) :shell True :check True)
  (assert (re.fullmatch rb"[0-9a-f]{64}" (cookie))))

(defn test-nobodys-home-is-named [monkeypatch]
  (monkeypatch.setenv "DPFW_COOKIE_FILE" "~nobody-of-that-name/cookie")
  (refused "~nobody-of-that-name/cookie" "DPFW_COOKIE_FILE"))

(defn test-its-error-is-a-permission-error []
  (assert (issubclass CookieError PermissionError))
  (assert (issubclass CookieError DpfwError)))
