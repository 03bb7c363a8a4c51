"The transcript in docs/protocol.md is what goes over the wire today."

(import
  hmac
  re
  tests.recorder [COOKIE documented transcript])

(defn test-transcript-in-the-document-is-true []
  (setv new (transcript))
  (assert (= (documented) new)
    f"docs/protocol.md differs from what was recorded now; if that is right, type: hy docs/transcript.hy\n{new}"))

(defn test-proofs-in-the-transcript-are-as-the-document-defines-them []
  (setv [dialled listened proved] (cut (.splitlines (documented)) 3)
        dialled (cut dialled 2 None)
        [listened proof] (.groups (re.fullmatch r"S (.*) \"([0-9a-f]{64})\"\)" listened))
        listened (+ listened ")"))
  (for [[side shown] [["listener" proof] ["dialler" (get (.split proved "\"") 1)]]]
    (setv right (.hexdigest (hmac.new
      (.encode COOKIE)
      (.encode (.join "\n" ["dpfw proof 1" side dialled listened ""]))
      "sha256")))
    (assert (= right shown) f"the {side} should prove {right}, not {shown}")))
