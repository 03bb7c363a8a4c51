"The files that the benchmark writes: JSON, a picture, a table in a document."

(import
  json
  pathlib [Path]
  re
  bench.report [markdown])

(setv
  DOCS (/ (. (Path __file__) (resolve) parent parent) "docs")
  DOCUMENT (/ DOCS "performance.md"))


(defn write-docs [result]
  "All that stands in docs/."
  (write-json result (/ DOCS "bench.json"))
  (write-svg result (/ DOCS "bench.svg"))
  (write-markdown result DOCUMENT))

(defn write-json [result path]
  (.write-text path :encoding "utf-8"
    (+ (json.dumps result :indent 1 :ensure-ascii False) "\n")))

(defn write-svg [result path]
  ; Imported here, for nothing of it should be in the processes that measure.
  (import bench.picture [draw])
  (draw result path))

(defn write-markdown [result path]
  (put-block "bench" (markdown result) path))

(defn put-block [name block path]
  "Put a text between the markers of this name in a document."
  (setv [text found] (re.subn
    f"(?<=<!-- begin {name} -->\n).*?(?=<!-- end {name} -->)"
    (fn [_] block)
    (.read-text path :encoding "utf-8")
    :flags re.S))
  (when (not found)
    (raise (ValueError
      f"{path} has no <!-- begin {name} --> and <!-- end {name} -->, each on a line of its own")))
  (.write-text path text :encoding "utf-8"))
