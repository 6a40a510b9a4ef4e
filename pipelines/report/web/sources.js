/* The sources: what each one gave, on its time line, and what lies in no clip. */
const SOURCES = 12;
let shownSources = SOURCES;
const rowsOfSource = (() => {
  let made = null;
  return () => {
    if (made) return made;
    made = new Map();
    for (let row = 0; row < rowCount; row++) { const key = uri.of(row) || ""; if (!made.has(key)) made.set(key, []); made.get(key).push(row); }
    for (const rows of made.values()) rows.sort((a, b) => start[a] - start[b]);
    return made;
  };
})();
const settings = run.settings || {};
/* Why a stretch of a source lies in no clip: what its length and place allow. */
function whyNone(from, to, source) {
  const length = to - from, frame = source && source.fps > 0 ? 1 / source.fps : .04, margin = settings["shots.margin_frames"] ?? 1, least = settings["clips.min_seconds"] ?? 3;
  if (length <= (2 * margin + 1.5) * frame) return "the frames at a cut";
  if (length < least) return `a fade or another join, or a shot below ${score(least)} s`;
  return `joins and shots below ${score(least)} s, or frames that could not be read`;
}
/* Clips and gaps of a source in the order of time: {row} or {from, to}. */
function pieces(rows, source) {
  const end = source && source.duration_seconds, made = [];
  let last = 0;
  const gap = (from, to) => { if (to - from > .02) made.push({ from, to }); };
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
  const rows = rowsOfSource().get(key) || [], { end } = pieces(rows, sourceOf.get(key)), wide = 1000;
  const picture = svg("svg", { class: "line", viewBox: `0 0 ${wide} ${high}`, preserveAspectRatio: "none", role: "img", "aria-label": `${plural(rows.filter((row) => status.of(row) === "kept").length, "clip")} kept of ${count(rows.length)}` }, svg("rect", { class: "none", x: 0, y: 0, width: wide, height: high }));
  if (end > 0) for (const row of rows) if (!Number.isNaN(start[row])) {
    const drawn = svg("rect", { class: status.of(row) === "kept" ? "kept" : "lost", x: (start[row] / end * wide).toFixed(2), y: 0, width: Math.max(1, seconds[row] / end * wide - 1.5).toFixed(2), height: high }, svg("title", {}, `${span(row)} ${reasonsOf(row).map(reasonWords).join(", ") || status.of(row)}`));
    drawn.addEventListener("click", () => openClip(row, rows));
    picture.append(drawn);
  }
  return picture;
}
function drawSources() {
  const section = at("sources"), codecs = data.codecs.map(([codec, n]) => `${visible(codec)} ${count(n)}`).join(", "), failures = data.failures.map(([why, n]) => `${visible(why)} ${count(n)}`).join(", ");
  section.append(el("p", { class: "note" }, `${plural(totals.sources, "source")}: ${count(totals.sources_ok)} read, ${count(totals.sources_failed)} failed${failures ? ` (${failures})` : ""}, ${plural(totals.sources_duplicate, "duplicate")}.${codecs ? ` Codecs: ${codecs}.` : ""}`));
  if (rowsOfSource().size) {
    section.append(el("p", { class: "legend" }, [["kept", "kept"], ["lost", "dropped"], ["none", "in no clip"]].map(([kind, label]) => el("span", {}, el("i", { class: kind }), label))),
      on(el("input", { type: "search", id: "find-source", placeholder: "file name", "aria-label": "Search sources", autocomplete: "off", spellcheck: "false" }), "input", after(120, () => { shownSources = SOURCES; listSources(); })),
      el("ul", { class: "lines", id: "lines" }), button("", { class: "plain more", id: "more-sources" }, () => { shownSources += SOURCES * 4; listSources(); }), el("div", { id: "source", tabindex: "-1", role: "region", "aria-label": "One source" }));
    listSources();
    views.push((before) => { if (before.source !== state.source) drawSource(); });
    if (state.source) drawSource();
  }
  unusedSources(section);
}
function listSources() {
  const wanted = at("find-source").value.toLowerCase(), all = [...rowsOfSource().keys()].filter((key) => key.toLowerCase().includes(wanted)).sort();
  at("lines").replaceChildren(...all.slice(0, shownSources).map((key) => {
    const rows = rowsOfSource().get(key), kept = rows.filter((row) => status.of(row) === "kept").length;
    return el("li", {}, button(baseName(key), { class: "link name", dir: "auto", title: visible(key), "data-source": key }, () => showSource(key)), timeLine(key, 14), el("span", { class: "num" }, `${count(kept)} of ${count(rows.length)}`));
  }));
  at("more-sources").hidden = all.length <= shownSources;
  at("more-sources").textContent = `Show more of ${plural(all.length, "source")}`;
}
function showSource(key) {
  change({ source: key });
  at("source").focus({ preventScroll: true });
  at("source").scrollIntoView({ block: "start" });
}
/* Large: each clip with what became of it, a line at each cut. The list below says the same to those who do not see it. */
function filmLine(made, rows) {
  const long = ({ row, from, to }) => row === undefined ? to - from : seconds[row];
  const drawn = ({ row, from, to }) => {
    if (row === undefined) return el("span", { class: "none", title: `${clock(from)} \u2013 ${clock(to)}` });
    const kept = status.of(row) === "kept", said = kept ? "kept" : reasonsOf(row).map(reasonWords).join(", ");
    return button(said, { class: kept ? "kept" : "lost", tabindex: "-1", title: `${span(row)} ${said}` }, () => openClip(row, rows));
  };
  return el("div", { class: "film-line", "aria-hidden": "true" }, made.map((piece) => style(drawn(piece), { "flex-grow": Math.max(.001, long(piece)) })));
}
/* One source: its time line, then each stretch of it with what became of it. */
function drawSource() {
  const box = at("source"), key = state.source, rows = rowsOfSource().get(key);
  box.replaceChildren();
  if (!rows) return;
  const source = sourceOf.get(key), { made, end } = pieces(rows, source), unseen = source && source.num_clips > rows.length ? source.num_clips - rows.length : 0;
  const facts = [end ? play(end) : "", source && source.codec ? visible(source.codec) : "", source && source.fps ? `${score(source.fps)} frames/s` : "", source && source.reason ? reasonWords(source.reason) : "", unseen ? `${count(unseen)} more clips that this page does not hold` : ""].filter(Boolean);
  const line = ({ row, from, to }) => row === undefined
    ? el("li", { class: "gap" }, el("span", { class: "span" }, `${clock(from)} \u2013 ${clock(to)}`), el("span", {}, unseen ? "in no clip of this page" : `in no clip: ${whyNone(from, to, source)}`), el("span", { class: "num" }, play(to - from)))
    : el("li", {}, button(span(row), { class: "link span" }, () => openClip(row, rows)), el("span", { class: status.of(row) === "kept" ? "ok" : "bad" }, status.of(row) === "kept" ? "kept" : reasonsOf(row).map(reasonWords).join(", ")), el("span", { class: "num" }, play(seconds[row])));
  box.append(el("h3", { class: "name", dir: "auto" }, visible(key || "unnamed")), el("p", { class: "note" }, facts.join(" \u00b7 ")), filmLine(made, rows), el("ol", { class: "pieces" }, made.map(line)),
    el("p", {}, button("Show its clips as cards", { class: "plain" }, () => showClips({ source: key })), " ", button("Close this source", { class: "plain" }, () => change({ source: "" }))));
}
function unusedSources(section) {
  const unused = totals.sources - totals.sources_ok;
  if (!unused) return;
  const row = (kind, cells) => el("div", { role: "row", class: kind }, cells);
  const head = (text, kind) => el("span", { role: "columnheader", class: kind }, text);
  const cell = (text, kind) => el("span", { role: "cell", class: kind }, text);
  section.append(el("h3", { class: "sub", id: "unused-title" }, "Sources that gave nothing"), el("div", { role: "table", class: "files", "aria-labelledby": "unused-title" },
    row("head", [head("status"), head("file"), head("reason"), head("size", "num")]),
    data.sources.map((source) => row("row", [
      cell(visible(source.status || "unknown"), source.status === "failed" ? "failed" : null), named("span", visible(source.uri || "unnamed"), null, { role: "cell" }),
      named("span", visible(source.reason || ""), null, { role: "cell", class: "why name" }), cell(bytes(source.bytes), "num")]))));
  if (data.sources.length < unused) section.append(el("p", { class: "note" }, `Showing ${count(data.sources.length)} of ${count(unused)}.`));
}
