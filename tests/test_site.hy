"The site of the documents: it is built without a warning, and has what it promises."

(import
  html
  pathlib [Path]
  re
  subprocess
  sys
  zlib
  pytest
  dpfw
  dpfw [errors executor launch master slave srfi-69]
  dpfw.dispatch.states [SESSION TASK])
(require hyrule.control [unless])

(setv
  ROOT (. (Path __file__) parent parent)
  DOCS (/ ROOT "docs")
  WAIT 110)  ; seconds

(defn pages []
  (sorted (.rglob DOCS "*.md")))

(defn read [path]
  (.read-text path :encoding "utf-8"))


;; * What is built

(defn [(pytest.fixture :scope "module")] site [tmp-path-factory]
  "The folder of the site."
  (for [name ["sphinx" "myst_parser" "furo"]]
    (pytest.importorskip name :reason f"no {name}: pip install 'dpfw[docs]'"))
  (setv folder (.mktemp tmp-path-factory "site")
        run (subprocess.run
          [sys.executable "-m" "sphinx" "-q" "-W" "--keep-going" "-b" "html"
           "-d" (str (/ folder "doctrees")) (str DOCS) (str (/ folder "html"))]
          :stdin subprocess.DEVNULL  :capture-output True  :text True  :timeout WAIT))
  (assert (= #(run.returncode run.stderr) #(0 "")) f"{run}")
  (/ folder "html"))

(defn documented [site kind]
  "The names that the site's inventory has for what kinds of things, as a regular expression."
  (setv [_ _ _ _ packed] (.split (.read-bytes (/ site "objects.inv")) b"\n" 4)
        names (re.findall r"^(\S+) (\S+) \S+ \S+ .*$" (.decode (zlib.decompress packed)) re.M))
  (sfor  [name k] names  :if (re.fullmatch kind k)  name))

(defn test-every-public-name-is-there-in-both-spellings [site]
  (setv in-hy (documented site "hy:.*")
        in-python (sfor  name (documented site "py:.*")  (get (.split name ".") -1)))
  (for [module [master slave launch executor srfi-69]  name module.__all__]
    (assert (in (hy.unmangle name) in-hy) name)
    (assert (or (in name in-python)
                (in (.removeprefix name "dpfw_") in-python)
                (= name "dpfw_master_client"))
      name))
  (for [name (dir dpfw)]
    (unless (or (.startswith name "_") (in name ["launch" "errors" "master" "slave" "srfi_69"]))
      (assert (or (in name in-python) (in f"dpfw_{name}" in-python)) name)))
  (for [name (get master.__dict__ "_hy_macros")]
    ; What hyrule gave this file is no one's to use.
    (unless (= name "unless")
      (assert (in (hy.unmangle name) in-hy) name)))
  (for [[name thing] (.items (vars errors))]
    (when (and (isinstance thing type) (issubclass thing BaseException))
      (assert (in name in-python) name))))

(defn test-nothing-public-is-without-a-docstring []
  (for [module [master slave launch executor srfi-69]  name module.__all__]
    (assert (. (getattr module name) __doc__) name)))

(defn test-every-option-of-the-commands-is-there [site]
  (setv page (html.unescape (re.sub "<.*?>" "" (read (/ site "reference" "command-line.html")))))
  (for [option ["--connect" "--lifetime" "--watch" "dpfw repl" "dpfw eval"]]
    (assert (in option page) option)))

(defn test-pictures-are-in-the-page-with-all-states-and-events [site]
  (setv page (read (/ site "explanation" "how-it-works.html")))
  (for [table [SESSION TASK]  [state events] (.items table)]
    (assert (re.search f">{state}<" page) state)
    (for [event events]
      (assert (re.search f"[> ]{event}[,<]" page) f"{state}: {event}"))))


;; * What the pages say

(defn test-every-variable-of-the-environment-is-there []
  (setv named (set (re.findall r"\bDPFW_[A-Z_]+\b" (read (/ DOCS "reference" "environment.md"))))
        used (sfor
          path [#* (.rglob (/ ROOT "dpfw") "*.hy") (/ ROOT "conftest.py") #* (.rglob (/ ROOT "tests") "*.hy")]
          name (re.findall r"\b(?:environ|getenv|setenv).*?\"(DPFW_[A-Z_]+)\"" (read path))
          name))
  (assert used)
  (assert (<= used (| named #{"DPFW_TEST_SESSION"})) f"not there: {(- used named)}"))

(defn test-links-lead-somewhere-in-a-checkout-too []
  (for [page (pages)  link (re.findall r"\]\(((?!http)[^)#\s]+)[^)]*\)" (read page))]
    (assert (.exists (/ page.parent link)) f"{page}: {link}")))

(defn test-every-page-with-code-is-named-by-a-test []
  (setv tests (.join "\n" (gfor
    path (.rglob (/ ROOT "tests") "*")
    :if (in path.suffix [".hy" ".py"])
    (read path))))
  (for [page (pages)]
    (when (re.search r"^```(hy|python|console)$" (read page) re.M)
      (assert (or (in f"\"{(.as-posix (.relative-to page DOCS))}\"" tests)
                  (in f"\"{page.name}\"" tests))
        f"nobody executes the code in {page}"))))

(defn anchors [page]
  "What can be linked to on a page, but for the page itself."
  (setv included (re.findall r"^```{include} (.*)$" (read page) re.M))
  (sfor  path [page #* (gfor  name included  (/ page.parent name))]
         heading (re.findall r"^#+ (.*)$" (read path) re.M)
    (re.sub r"\s" "-" (re.sub r"[^\w\s-]" "" (.lower heading)))))

(defn test-messages-name-pages-and-sections-that-are-there []
  (setv named (sfor
    path (.rglob (/ ROOT "dpfw") "*.hy")
    :if (!= path.name "see.hy")
    name (re.findall r"\(see \"(.*?)\"\)" (read path))
    name))
  (assert (> (len named) 5) named)
  (for [name named]
    (setv [page _ anchor] (.partition name "#"))
    (assert (.exists (/ DOCS page)) name)
    (assert (or (not anchor) (in anchor (anchors (/ DOCS page)))) name)))
