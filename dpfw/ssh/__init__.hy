"Slaves on other machines, launched over ssh."
