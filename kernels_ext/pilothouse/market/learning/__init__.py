"""Learning over named NumPy arrays: serialisation, trainers by name, FedAvg, and how the data are split."""
