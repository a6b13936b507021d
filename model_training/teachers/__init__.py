"""Who labels rows: language models, guard models, classifiers, ensembles."""
