/* The first screen: the one sentence that matters, and clips that move. */
function drawSummary() {
  const source = run.source == null ? null : visible(String(run.source));
  document.title = `${count(totals.kept)} clips kept \u2013 ClipMill report`;
  const speed = run.wall_seconds > 0 && totals.source_seconds ? totals.source_seconds / run.wall_seconds : null;
  const pace = [
    recipe.name == null ? null : `recipe ${visible(String(recipe.name))}`,
    run.wall_seconds > 0 ? `took ${play(run.wall_seconds)}` : null,
    speed ? `${speed.toLocaleString("en-US", { maximumFractionDigits: speed < 10 ? 1 : 0 })}\u00d7 real time` : null,
  ]
    .filter(Boolean)
    .join(", ");
  at("summary").append(
    el(
      "div",
      { class: "masthead" },
      el("span", {}, el("b", {}, "ClipMill"), " curation report"),
      source == null ? null : named("span", source),
      run.finished == null ? null : el("span", {}, day(run.finished)),
    ),
    el("h1", {}, headline()),
    el(
      "p",
      { class: "lede" },
      `${totals.clips ? `${play(totals.kept_seconds)} chosen` : "Nothing could be chosen"} from ${play(totals.source_seconds)} of video in ${plural(totals.sources, "source")}${pace ? `; ${pace}` : ""}.`,
    ),
    reel(),
    ...shares(),
  );
}
function headline() {
  if (totals.clips === 0) return [totals.sources ? "No clips found" : "No video found"];
  return [
    el("em", {}, count(totals.kept)),
    el("small", {}, ` of ${count(totals.clips)} `),
    totals.clips === 1 ? "clip kept" : "clips kept",
  ];
}
/* Kept clips of as many sources as there are, each with a picture. */
function reel() {
  const sources = new Set(),
    first = [],
    others = [];
  for (let row = 0; row < rowCount && first.length < 6; row++) {
    if (status.of(row) !== "kept" || !(served || filmOf(row) || clips.previews[row] || placeOnSheets.has(row)))
      continue;
    if (sources.has(uri.of(row))) others.push(row);
    else first.push(row);
    sources.add(uri.of(row));
  }
  const rows = [...first, ...others].slice(0, 6);
  if (!rows.length) return null;
  const shown = rows.map((row) =>
    button(moving(row, "seen"), { "aria-label": `${baseName(uri.of(row))} ${span(row)}`, class: "bare" }, () =>
      openClip(row, rows),
    ),
  );
  return el("div", { class: "reel", role: "group", "aria-label": "Some of the kept clips" }, shown);
}
function shares() {
  const parts = [
    ["kept", "kept", totals.kept_seconds],
    ["lost", "in clips not kept", totals.clip_seconds - totals.kept_seconds],
    ["none", "in no clip", Math.max(0, totals.source_seconds - totals.clip_seconds)],
  ];
  const whole = parts.reduce((sum, part) => sum + part[2], 0);
  if (!(whole > 0)) return [];
  return [
    el(
      "div",
      { class: "shares", "aria-hidden": "true" },
      parts
        .filter((part) => part[2] > 0)
        .map(([kind, , length]) => style(el("i", { class: kind }), { "flex-basis": `${(100 * length) / whole}%` })),
    ),
    el(
      "p",
      { class: "legend" },
      parts.map(([kind, label, length]) =>
        el("span", {}, el("i", { class: kind }), el("b", {}, play(length)), ` ${label}, ${percent(length, whole)}`),
      ),
    ),
  ];
}
