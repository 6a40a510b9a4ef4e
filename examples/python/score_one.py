"""Measure one video with one filter: `python -m examples.python.score_one VIDEO motion`."""

import sys

from pipelines import score_video

if __name__ == "__main__":
    video, name = sys.argv[1:]
    print(score_video(video, name).to_string())
