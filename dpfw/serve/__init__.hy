"The slave's side: a remote becomes a procedure, is called, and is answered."
