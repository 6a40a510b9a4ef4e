/* What a source gave, in the order of time: its clips, and what lies in none. */
const rowsOfSource = (() => {
  let made = served ? new Map() : null;
  return () => {
    if (made) return made;
    made = new Map();
    for (let row = 0; row < rowCount; row++) {
      const key = uri.of(row) || "";
      if (!made.has(key)) made.set(key, []);
      made.get(key).push(row);
    }
    for (const rows of made.values()) rows.sort((a, b) => start[a] - start[b]);
    return made;
  };
})();
const settings = run.settings || {};
/* Why a stretch of a source lies in no clip: every shot is a clip, short ones too, so what its length allows is little. */
function whyNone(from, to, source) {
  const frame = source && source.fps > 0 ? 1 / source.fps : 0.04,
    margin = settings["shots.margin_frames"] ?? 1;
  if (to - from <= (2 * margin + 1.5) * frame) return "the frames at a cut";
  if (to - from <= 2) return "a fade, dissolve or wipe, and the frames beside it";
  return "a frame that was shown for long, a long fade, or frames that could not be read";
}
/* Clips and gaps of a source in the order of time: {row} or {from, to}. */
function pieces(rows, source) {
  const end = source && source.duration_seconds,
    made = [];
  let last = 0;
  const gap = (from, to) => {
    if (to - from > 0.02) made.push({ from, to });
  };
  for (const row of rows) {
    if (Number.isNaN(start[row])) continue;
    gap(last, start[row]);
    made.push({ row });
    last = Math.max(last, start[row] + seconds[row]);
  }
  if (end) gap(last, end);
  return { made, end: Math.max(end || 0, last) };
}
function timeLine(key, high) {
  const rows = rowsOfSource().get(key) || [],
    { end } = pieces(rows, sourceOf.get(key)),
    wide = 1000;
  const picture = svg(
    "svg",
    {
      class: "line",
      viewBox: `0 0 ${wide} ${high}`,
      preserveAspectRatio: "none",
      role: "img",
      "aria-label": `${plural(rows.filter((row) => status.of(row) === "kept").length, "clip")} kept of ${count(rows.length)}`,
    },
    svg("rect", { class: "none", x: 0, y: 0, width: wide, height: high }),
  );
  if (end > 0)
    for (const row of rows)
      if (!Number.isNaN(start[row])) {
        const drawn = svg(
          "rect",
          {
            class: status.of(row) === "kept" ? "kept" : "lost",
            x: ((start[row] / end) * wide).toFixed(2),
            y: 0,
            width: Math.max(1, (seconds[row] / end) * wide - 1.5).toFixed(2),
            height: high,
          },
          svg("title", {}, `${span(row)} ${reasonsOf(row).map(reasonWords).join(", ") || status.of(row)}`),
        );
        drawn.addEventListener("click", () => openClip(row, rows));
        picture.append(drawn);
      }
  return picture;
}
/* Large: each clip with what became of it, a line at each cut. The list below says the same to those who do not see it. */
function filmLine(made, rows) {
  const long = ({ row, from, to }) => (row === undefined ? to - from : seconds[row]);
  const drawn = ({ row, from, to }) => {
    if (row === undefined) return el("span", { class: "none", title: `${clock(from)} \u2013 ${clock(to)}` });
    const kept = status.of(row) === "kept",
      said = kept ? "kept" : reasonsOf(row).map(reasonWords).join(", ");
    return button(said, { class: kept ? "kept" : "lost", tabindex: "-1", title: `${span(row)} ${said}` }, () =>
      openClip(row, rows),
    );
  };
  return el(
    "div",
    { class: "film-line", "aria-hidden": "true" },
    made.map((piece) => style(drawn(piece), { "flex-grow": Math.max(0.001, long(piece)) })),
  );
}
