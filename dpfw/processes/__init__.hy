"Processes that a master starts for its slaves."
