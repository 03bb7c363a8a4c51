"The master's side: which slave does what, and what its promise gets."
