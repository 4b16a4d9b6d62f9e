"""The packaged models, and how they are built (:mod:`space2vec.studies.packaged.build`)."""
