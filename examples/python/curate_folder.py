"""Curate a folder of videos and say what came out: `python -m examples.python.curate_folder VIDEOS OUT`."""

import sys

from pipelines import curate_videos

if __name__ == "__main__":
    videos, out = sys.argv[1:]
    manifest = curate_videos(videos, out)
    kept = manifest.clips(
        "status == 'kept'", columns=["source_uri", "start_seconds", "end_seconds", "motion", "caption"]
    )
    print(kept.to_string())
    print(manifest.reasons().to_string())
