"The files that the benchmark writes: JSON, a picture, a table in a document."

(import
  json
  pathlib [Path]
  re
  bench.report [markdown])

(setv
  DOCS (/ (. (Path __file__) (resolve) parent parent) "docs")
  BLOCK (re.compile r"(?<=<!-- begin bench -->\n).*?(?=<!-- end bench -->)" re.S))


(defn write-docs [result]
  "All that stands in docs/."
  (write-json result (/ DOCS "bench.json"))
  (write-svg result (/ DOCS "bench.svg"))
  (setv document (/ DOCS "performance.md"))
  (when (and (.exists document) (BLOCK.search (.read-text document :encoding "utf-8")))
    (write-markdown result document)))

(defn write-json [result path]
  (.write-text path :encoding "utf-8"
    (+ (json.dumps result :indent 1 :ensure-ascii False) "\n")))

(defn write-svg [result path]
  ; Imported here, for nothing of it should be in the processes that measure.
  (import bench.picture [draw])
  (draw result path))

(defn write-markdown [result path]
  "Put the table between the markers of a document."
  (setv [text found] (BLOCK.subn
    (fn [_] (markdown result))
    (.read-text path :encoding "utf-8")))
  (when (not found)
    (raise (ValueError
      f"{path} has no <!-- begin bench --> and <!-- end bench -->, each on a line of its own")))
  (.write-text path text :encoding "utf-8"))
