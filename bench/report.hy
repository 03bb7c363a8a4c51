"The table of the figures, as plain text and as Markdown."

(import
  bench.figure [target-of])

(setv
  HEADINGS ["" "median" "ratio" "target" ""]
  LEGEND (+ "A ratio is that of a block's first row to the row where it stands, "
    "the median over the rounds.")
  SCALES {
    "s" [#(1 "s") #(1e-3 "ms") #(1e-6 "µs")]
    "B" [#(1e6 "MB")]
    "B/s" [#(1e9 "GB/s") #(1e6 "MB/s")]
    "tasks/s" [#(1 "tasks/s")]
    "items/s" [#(1 "items/s")]})


(defn amount [x unit]
  "A number and its unit, to three digits, as a person reads it. ::

    (amount 0.000123 \"s\")  ; => \"123 µs\""
  (setv scales (.get SCALES unit [#(1 unit)])
        [scale unit] (next
          (gfor  scale scales  :if (>= x (get scale 0))  scale)
          (get scales -1)))
  f"{(digits (/ x scale))} {unit}")

(defn digits [x]
  (setv x (float f"{x :.3g}"))
  (if (and x (< (abs x) 100))
    f"{x :.3g}"
    f"{x :,.0f}"))

(defn cells [figure row]
  "The cells of one row of the table."
  (setv target (target-of row))
  [(get row "name")
   (amount (get row "median") (.get row "unit" (get figure "unit")))
   (if (in "ratio" row) f"{(get row "ratio") :.2f}" "")
   (if target (target-text row #* target) "")
   (verdict row)])

(defn target-text [row side bound]
  (if (in "ratio" row)
    f"{side} {bound :.4g}"
    f"{side} {(amount bound (get row "unit"))}"))

(defn verdict [row]
  (cond
    (not-in "met" row) ""
    (get row "met") "met"
    True "missed"))

(defn heading [name figure]
  (if (in "error" figure)
    f"{name}: failed, {(get figure "error")}"
    f"{name}: {(get figure "title")}"))

(defn notes [figure]
  (if (get figure "note")
    [(get figure "note")]
    []))

(defn machine [result]
  "When and on what it was measured."
  (.join ", " [
    (get result "date")
    (get result "python")
    (get result "system")
    f"{(get result "cpus")} CPUs"
    #* (gfor  [name version] (.items (get result "versions"))  f"{name} {version}")]))


;; Plain text

(defn plain-block [name figure]
  "One figure."
  (.join "\n" [
    (heading name figure)
    #* (gfor  row (get figure "rows")  (plain-row (cells figure row)))
    #* (gfor  note (notes figure)  f"  ({note})")]))

(defn plain-row [cells]
  (setv [name median ratio target verdict] cells)
  (.rstrip f"  {name :<42}{median :>18}{ratio :>8}  {target :<22}{verdict}"))


;; Markdown

(defn markdown [result]
  "The same as a Markdown table, with the notes below it."
  (setv figures (get result "figures"))
  (.join "\n" [
    f"{(machine result)}. {LEGEND}"
    ""
    (markdown-row HEADINGS)
    "|---|--:|--:|---|---|"
    #* (gfor
      [name figure] (.items figures)
      line (markdown-block name figure)
      line)
    ""
    #* (gfor
      [name figure] (.items figures)
      note (notes figure)
      f"- **{name}**: {note}")
    ""]))

(defn markdown-block [name figure]
  [(markdown-row [f"**{(heading name figure)}**" "" "" "" ""])
   #* (gfor  row (get figure "rows")  (markdown-row (cells figure row)))])

(defn markdown-row [cells]
  f"| {(.join " | " (gfor  cell cells  (.replace cell "|" "\\|")))} |")
