"""Models that label rows: language models, guard models, classifiers, ensembles."""
