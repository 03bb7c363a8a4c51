"The command ``dpfw``: watching masters and slaves, and running remotes from a shell."
