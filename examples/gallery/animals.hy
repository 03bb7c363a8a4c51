"A chat between a remote and a person, over the two ports: the game of animals, in which
the slave guesses what the person thinks of, and learns what it did not know.

Run it with: hy examples/gallery/animals.hy

The remote writes what it has to say, and reads the answer; all of the game is there. The
local procedure shows and asks, and knows nothing of animals. What was learned stays in
the slave's table, so the next game, or another master, finds it. With --connect
HOST:PORT the slave is one that listens there: hy -m dpfw.slave 10000."

(import
  argparse
  dpfw.launch [dpfw-launch]
  dpfw.master *)
(require dpfw.master [dpfw-defn dpfw-import])

;; What slaves do: a tree of questions, [question yes no], whose leaves are animals

(dpfw-import dpfw.slave [dpfw-slave-ht])

(dpfw-defn play [ask say]
  "One game. ``ask`` gives the person's answer to a question, ``say`` tells something."
  (setv table (dpfw-slave-ht)
        tree (.setdefault table 'animals ["Does it live in the water?" "a fish" "a bird"])
        node tree
        yes? (fn [question] (.startswith (.lower (ask f"{question} (yes or no)")) "y")))
  (while (isinstance node list)
    (setv above node
          branch (if (yes? (get node 0)) 1 2)
          node (get node branch)))
  (if (yes? f"Is it {node}?")
    (say "I knew it.")
    (do
      (setv animal (ask "I give up. What is it?")
            question (ask f"What may I ask, to tell {animal} from {node}?")
            pair (if (yes? f"And for {animal}, the answer is?") [animal node] [node animal])
            (get above branch) [question #* pair])
      (say f"I shall remember {animal}.")))
  (count-animals tree))

(dpfw-defn count-animals [tree]
  (if (isinstance tree list)
    (+ (count-animals (get tree 1)) (count-animals (get tree 2)))
    1))

(setv REMOTE '(fn [i o]
  (play
    (fn [question] (write ['ask question] o) (read i))
    (fn [text] (write ['say text] o)))))

;; What the master does

(defn talk [i o]
  "The local procedure: ask and show, until a number comes, which is the result."
  (while True
    (setv said (read i))
    (when (isinstance said int)
      (return said))
    (setv [what text] said)
    (print f"slave: {text}" :flush True)
    (when (= what 'ask)
      (write (.strip (input "you:   ")) o))))

(defn main []
  (setv parser (argparse.ArgumentParser :description "The game of animals"))
  (.add-argument parser "--size" :type int :default 2 :help "games")
  (.add-argument parser "--connect" :metavar "HOST:PORT" :help "a slave that listens there")
  (setv options (.parse-args parser))
  (if options.connect
    (let [[host _ port] (.rpartition options.connect ":")]
      (dpfw-master-client host (int port)))
    (dpfw-launch 1))
  (try
    (for [_ (range options.size)]
      (print "Think of an animal.")
      (print f"({(force (dpfw-make-task REMOTE talk))} animals are known)\n"))
    (except [EOFError]  ; the person has left
      (print "Goodbye.")))
  (dpfw-close))

(when (= __name__ "__main__")
  (main))
