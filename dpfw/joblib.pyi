# It is imported for what it does: to register the backend.
