"Records the transcript in docs/protocol.md anew. Run it with: hy docs/transcript.hy"

(import
  pathlib [Path]
  sys)

(setv root (. (Path __file__) (absolute) parent parent))
(setv (cut sys.path 0) [(str root)])

(import tests.recorder [document])
(document)
