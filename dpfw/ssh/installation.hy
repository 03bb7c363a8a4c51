"The commands that install on another machine what is missing there: this dpfw, from
where it came to this machine."

(import
  importlib.metadata [PackageNotFoundError distribution]
  dpfw
  json
  pathlib [Path]
  shlex
  sys
  urllib.parse [unquote :as percent-decoded  urlsplit])

(setv
  DEFAULT-PYTHON "python3"
  VENV "dpfw-venv"                    ; in the home directory there
  VENV-PYTHON f"{VENV}/bin/python")


(defn python-advice [ssh-line]
  "``ssh-line`` is the command that leads to the other machine, a text."
  (+ f"install one there, on Debian and its kin by: {ssh-line} -t sudo apt-get install python3-venv"
    f"; or give the path of one: :python \"/…/bin/python\""))

(defn dpfw-advice [ssh-line python]
  "The system's own Python often takes no packages; an environment does."
  (setv [before requirement input] (source)
        own (!= python DEFAULT-PYTHON)
        pip (if own f"{python} -m pip" f"{VENV}/bin/pip")
        steps [
          #* (if input [f"cat >{(shlex.quote requirement)}"] [])
          #* (if own [] [f"{DEFAULT-PYTHON} -m venv {VENV}"])
          f"{pip} install --upgrade {(shlex.quote requirement)}"])
  (+ f"install this one there: {before}{ssh-line} {(shlex.quote (.join " && " steps))}{input}"
    (if own "" f", then give :python \"{VENV-PYTHON}\"")))

(defn source []
  "Where this dpfw came from: a command to run here first, what pip is to install, and
  where the standard input of ssh comes from, if it is a file that goes along."
  (setv url (direct-url)
        path (local-path url))
  (cond
    (and path (.is-dir path))
      (do
        (setv wheel f"dpfw-{dpfw.__version__}-py3-none-any.whl")
        #(f"{(shlex.quote (getattr hy "sys_executable" sys.executable))} -m pip wheel --no-deps -w . {(shlex.quote (str path))} && "
          f"./{wheel}"
          f" <{wheel}"))
    path
      #("" f"./{path.name}" f" <{(shlex.quote (str path))}")
    (and url (in "vcs_info" url))
      #("" (.format "dpfw @ {vcs}+{url}@{commit_id}" :url (get url "url") #** (get url "vcs_info")) "")
    url
      #("" f"dpfw @ {(get url "url")}" "")
    True
      #("" f"dpfw=={dpfw.__version__}" "")))

(defn direct-url []
  "What pip has noted of a package that is not from an index (PEP 610), or None."
  (try
    (setv noted (.read-text (distribution "dpfw") "direct_url.json"))
    (except [PackageNotFoundError]
      (setv noted None
            checkout (. (Path dpfw.__file__) parent parent))
      (when (.exists (/ checkout "pyproject.toml"))
        (return {"url" (.as-uri checkout)}))))
  (when noted
    (json.loads noted)))

(defn local-path [url]
  (when (and url (.startswith (get url "url") "file:") (not-in "vcs_info" url))
    (Path (percent-decoded (. (urlsplit (get url "url")) path)))))
