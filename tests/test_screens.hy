"The screens in docs/watching.md are what a terminal shows today."

(import
  sys
  pytest
  tests.screens [SCREENS TMUX documented])

(setv pytestmark (pytest.mark.skipif (is TMUX None) :reason "tmux is not installed"))

(defn [(pytest.mark.parametrize "name" (sorted SCREENS))] test-screen-in-the-document-is-true [name]
  (when (and (= name "debug") (>= sys.version-info #(3 13)))
    (pytest.skip "from Python 3.13 on, pdb stops at the breakpoint itself, and not behind it"))
  (when (and (= name "eval") (< sys.version-info #(3 11)))
    (pytest.skip "before Python 3.11, a remote's traceback is the cause of its error, and comes first"))
  (setv new ((get SCREENS name)))
  (assert (= (documented name) new)
    f"docs/watching.md differs from what is shown now; if that is right, type: hy docs/screens.hy\n{new}"))
