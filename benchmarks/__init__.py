"""Scripts that measure, with dated results beside them."""

import preprocess  # noqa: F401 - comes first: it settles the number of threads before numpy is loaded
