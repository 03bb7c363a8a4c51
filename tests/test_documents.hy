"What the documents show is so: their examples give what stands behind them."

(import
  re
  sys
  types [ModuleType]
  pytest
  dpfw [master]
  tests.doc-examples [check-example examples]
  tests.example-runs [ROOT])

(defn blocks [document language]
  "The blocks of a language in a document."
  (re.findall f"^```{language}\n(.*?)^```$"
    (.read-text (/ ROOT "docs" document) :encoding "utf-8") (| re.M re.S)))

(defn [pytest.fixture] space []
  "A module in which to run blocks of Hy, as in a REPL."
  (setv module (ModuleType "document"))
  (setv module.hy hy
        (get sys.modules "document") module)
  (yield module)
  (master.dpfw-close)
  (del (get sys.modules "document")))

(defn [(pytest.mark.parametrize "document" ["collections.md"])] test-hy-blocks-give-what-they-show [space document]
  (setv checked 0)
  (for [block (blocks document "hy")
        [form source wanted] (examples block)]
    (setv problem (check-example form wanted space))
    (assert (is problem None) f"{source}\n  wanted: {wanted}\n  got:    {problem}")
    (+= checked (bool wanted)))
  (assert checked document))
