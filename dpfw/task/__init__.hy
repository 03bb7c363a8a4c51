"What both ends of a task share: its ports, its remote, its failure, and the
chunks of the calls over collections."
