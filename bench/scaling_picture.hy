"The picture of docs/scaling.md."

(import
  matplotlib
  matplotlib.figure [Figure]
  matplotlib.ticker [EngFormatter NullFormatter]
  bench.picture [DPFW INK MISSED STYLE])

(setv PARTS [
  ["join" "All have joined" "s" "log"]
  ["memory" "Memory of the master for each" "B" "linear"]
  ["trip" "A task, one after the other" "s" "linear"]
  ["broadcast" "A broadcast" "s" "log"]
  ["done" "Half of them dead: all tasks are done" "s" "linear"]
  ["back" "The master gone and back: all are with it" "s" "linear"]])

(defn draw [result path]
  "Write the SVG."
  (with [_ (matplotlib.rc-context STYLE)]
    (setv picture (Figure :figsize #(8 7.5) :layout "constrained")
          axes (.subplots picture 3 2 :sharex True)
          rows (get result "light"))
    (for [[n [key title unit scale]] (enumerate PARTS)]
      (setv ax (get axes #((// n 2) (% n 2))))
      (for [[tls colour name] [[False DPFW "without TLS"] [True MISSED "with TLS"]]]
        (setv points (lfor
          row rows
          :if (and (= (get row "tls") tls) (in key row))
          [(get row "slaves") (get row key)]))
        (.plot ax (lfor  [x _] points  x) (lfor  [_ y] points  y) "o-" :color colour :label name))
      (.set-xscale ax "log")
      (.set-yscale ax scale)
      (when (= scale "linear")
        (.set-ylim ax 0))
      (.set-major-formatter ax.yaxis (EngFormatter unit))
      (.set-minor-formatter ax.yaxis (NullFormatter))
      (.set-major-formatter ax.xaxis "{x:,.0f}")
      (.set-title ax title :loc "left")
      (when (> n 3)
        (.set-xlabel ax "slaves"))
      (for [side ["top" "right"]]
        (.set-visible (get ax.spines side) False)))
    (.legend (get axes #(0 0)) :frameon False :labelcolor INK)
    (.savefig picture path :format "svg" :transparent True :metadata {"Date" None})))
