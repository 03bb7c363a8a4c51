"Launching slaves on engines: Dask and its kin, which find, start and watch the machines."
