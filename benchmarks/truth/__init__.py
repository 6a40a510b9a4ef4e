"""Sets with truth by construction, made of any folder of single-shot clips, and tables that are measured on them.

    python -m benchmarks.truth FOLDER [--seed N] [--out DIR] [--tables [NAME ...]] [--films N] [--formats NAME ...]

`material.py` finds takes without joins; `joins.py` and `wipes.py` join two of them, `events.py`, `camera.py` and
`overlays.py` disturb one, `formats.py` says what films are like, `plan.py` draws films of all these, and `writer.py`
encodes each with a truth file that `benchmarks.shots` reads. `--out` keeps them; `--tables` without a name makes them
and measures nothing.

A table is a module of this package with a function

    rows(material: Material, seed: int) -> dict[str, float]

and, where figures are held to something, `BOUNDS` (`bounds.py`). It makes what it needs from `material.takes`, or from
nothing, and gives figures by name. The name says the unit where the figure is no share. A figure that cannot be
measured on this material is left out. Equal material and seed give equal figures. Tables are found by that function:
none is named anywhere. The command prints a line a figure, and one JSON object, `{"motion": {...}, "shots": {...}}`, as
its last line.
"""
