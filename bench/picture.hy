"The picture: above, the figures with many peers; below, how dpfw stands to what
each of its targets is set by."

(import
  matplotlib
  matplotlib.figure [Figure]
  bench.figure [target-of]
  bench.report [amount])

(setv
  ; Readable on white, and on nearly black.
  INK "#7a7f85"
  FAINT "#7a7f8560"
  DPFW "#3b82f6"
  PEER "#9aa1a9"
  MISSED "#e5622f"
  STYLE {
    "svg.hashsalt" "dpfw"  ; else the ids in the file differ each time
    "font.size" 9  "axes.titlesize" 10
    "text.color" INK  "axes.labelcolor" INK  "axes.edgecolor" FAINT
    "xtick.color" INK  "ytick.color" INK}
  WIDTH 8     ; inches
  LINE 0.24   ; inches for a row
  HEAD 0.75   ; inches for what is above and below the rows of a part
  MANY {
    "round-trip" "Round trip of a small task: log scale, shorter is better"
    "queued" "Many small tasks in line: longer is better"
    "map" "A small function over a long list: longer is better"})


(defn draw [result path]
  "Write the SVG."
  (setv
    figures (get result "figures")
    parts [
      #* (gfor
        [name title] (.items MANY)
        :if (get (.get figures name {"rows" []}) "rows")
        #(bars title (get figures name) (get figures name "rows")))
      #(standings "Speed of dpfw beside what sets its target; | is the target, blue is met"
          None (list (standing-rows figures)))]
    parts (lfor  part parts  :if (get part -1)  part)
    heights (lfor  [#* _ rows] parts  (+ HEAD (* LINE (len rows)))))
  (with [_ (matplotlib.rc-context STYLE)]
    (setv
      picture (Figure :figsize #(WIDTH (sum heights)) :layout "constrained")
      axes (.subplots picture (len parts) :squeeze False :height-ratios heights))
    (for [[[draw-part title figure rows] [ax]] (zip parts axes)]
      (bare ax)
      (draw-part ax title figure rows))
    (.savefig picture path :format "svg" :transparent True :metadata {"Date" None})))

(defn bare [ax]
  "Axes without a frame, whose rows go down."
  (.invert-yaxis ax)
  (.tick-params ax :length 0)
  (for [side ["top" "right" "bottom" "left"]]
    (.set-visible (get ax.spines side) False)))


;; Bars

(defn bars [ax title figure rows]
  (setv
    unit (get figure "unit")
    values (lfor  row rows  (get row "median"))
    places (range (len rows)))
  (.barh ax places values :height 0.66
    :color [DPFW #* (* [PEER] (- (len rows) 1))])
  (for [[place value] (zip places values)]
    (.annotate ax (amount value unit) #(value place)
      :xytext #(4 0) :textcoords "offset points" :va "center" :color INK))
  (.set-yticks ax places (lfor  row rows  (get row "name")))
  (.set-title ax title :loc "left")
  (if (= unit "s")
    (do
      (.set-xscale ax "log")
      (.set-xlim ax (/ (min values) 3) (* 2 (max values))))
    (.set-xlim ax 0 (* 1.2 (max values))))
  (for [minor [False True]]
    (.set-xticks ax [] :minor minor)))


;; Standings

(defn standing-rows [figures]
  "What is faster by how much than what sets its target, and how much it should be."
  (for [[name figure] (.items figures)
        row (get figure "rows")]
    (when (and (target-of row) (in "ratio" row))
      (setv
        [side bound] (target-of row)
        ; Of times, the other's to ours; so more is better for all.
        power (if (= side "at most") -1 1))
      (yield {
        "name" f"{name} / {(get row "name")}"
        "speed" (** (get row "ratio") power)
        "target" (** bound power)
        "met" (get row "met")}))))

(defn standings [ax title figure rows]
  (setv
    places (range (len rows))
    speeds (lfor  row rows  (get row "speed"))
    colours (lfor  row rows  (if (get row "met") DPFW MISSED)))
  (.axvline ax 1 :color FAINT)
  (.hlines ax places 1 speeds :color colours)
  (.scatter ax speeds places :s 40 :color colours :zorder 3)
  (.scatter ax (lfor  row rows  (get row "target")) places
    :s 90 :marker "|" :color INK :zorder 4)
  (for [[place row] (zip places rows)]
    (.annotate ax f"{(get row "speed") :.2f}" #(1 place)
      :xycoords #("axes fraction" "data") :xytext #(8 0) :textcoords "offset points"
      :va "center" :color INK))
  (.set-yticks ax places (lfor  row rows  (get row "name")))
  (.set-xscale ax "log")
  (setv ticks (lfor
    tick [0.1 0.2 0.5 1 2 5 10]
    :if (<= (* 0.7 (min speeds)) tick (* 1.4 (max speeds)))
    tick))
  (.set-xticks ax ticks (lfor  tick ticks  f"{tick :g}×"))
  (.set-xticks ax [] :minor True)
  (.set-title ax title :loc "left"))
