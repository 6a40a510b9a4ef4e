"""One picture of each kept clip, a frame a second: `python -m examples.python.contact_sheets OUT FOLDER`."""

import sys
from pathlib import Path

from PIL import Image

from pipelines import open_manifest

if __name__ == "__main__":
    manifest, folder = open_manifest(sys.argv[1]), Path(sys.argv[2])
    folder.mkdir(parents=True, exist_ok=True)
    for _, clip in manifest.clips("status == 'kept'").iterrows():
        frames = [Image.fromarray(pixels) for _, pixels in manifest.frames(clip, fps=1)]
        sheet = Image.new("RGB", (sum(frame.width for frame in frames), frames[0].height))
        for number, frame in enumerate(frames):
            sheet.paste(frame, (number * frames[0].width, 0))
        sheet.save(folder / f"{clip['clip_id']}.jpg")
