/* The clips nearest to a bound, on both sides: what one more step would let in or lose. */
const NEAREST = 4;
/* {kept, dropped}: rows from the bound outwards; where there is no bound, the outermost ones are kept. */
function nearest(column, bounds, end) {
  const rows = ordered(column), bound = bounds[end] == null ? null : rounded(clips.scores[column].bits, bounds[end]);
  const place = bound == null ? (end ? rows.length : 0) : placeOf(column, bound, end === 1);
  const below = [], above = [];
  for (let i = place - 1; i >= 0 && below.length < NEAREST; i--) below.push(rows[i]);
  for (let i = place; i < rows.length && above.length < NEAREST; i++) above.push(rows[i]);
  return end ? { kept: below, dropped: above } : { kept: above, dropped: below };
}
function edgeCard(column, row, rows, verdict, plays) {
  const others = [...verdict.rules].filter(([other, against]) => other !== column && against[row]).map(([other]) => `${words(other)}${Number.isNaN(scores(other)[row]) ? " not measured" : ""}`);
  if (damaged[row]) others.push("damaged");
  const box = moving(row, plays ? "seen" : "");
  return button([box, el("b", {}, score(scores(column)[row])), el("span", { class: "name", dir: "auto" }, baseName(uri.of(row))), el("span", { class: "also" }, others.length ? `also against it: ${others.join(", ")}` : "")],
    { class: "bare edge", "data-row": row, "aria-label": `${words(column)} ${score(scores(column)[row])}: ${baseName(uri.of(row))} ${span(row)}` }, () => openClip(row, rows));
}
function edges(column, bounds, end, verdict, plays) {
  const { kept, dropped } = nearest(column, bounds, end), bound = bounds[end];
  const side = (title, rows, kind, none) => el("div", { class: `side ${kind}-side` }, el("h4", { class: "small" }, title), rows.length ? el("div", { class: "row" }, rows.map((row) => edgeCard(column, row, rows, verdict, plays))) : el("p", { class: "note" }, none));
  const inner = bound == null ? (end ? "Highest of all" : "Lowest of all") : "Just within: kept by this rule";
  return [side(inner, kept, "kept", "No clip."), bound == null ? null : side(end ? "Just above: dropped" : "Just below: dropped", dropped, "lost", "No clip.")];
}
