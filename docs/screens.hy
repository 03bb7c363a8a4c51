"Takes the screens in docs/watching.md anew, in tmux. Run it with: hy docs/screens.hy"

(import
  pathlib [Path]
  sys)

(setv root (. (Path __file__) (absolute) parent parent))
(setv (cut sys.path 0) [(str root)])

(import tests.screens [document])
(document)
