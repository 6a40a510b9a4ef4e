"""What a video, a clip and a manifest are, and their pixels."""

import os

# One worker runs on each core. Numpy's matrix library would start threads of its own for products of a few thousand
# numbers, and spend more on waiting for them than on the product; it reads this once, when it is loaded.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
