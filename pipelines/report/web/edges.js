/* The clips nearest to a bound, on both sides: what one more step would let in or lose. */
const NEAREST = 4;
/* {kept, dropped}: rows from the bound outwards; where there is no bound, the outermost ones are kept. None while the
   server is asked. */
function nearest(column, bounds, end, verdict) {
  if (served) return verdict.told && verdict.told.near.get(`${column}:${end}`);
  const rows = ordered(column),
    bound = bounds[end] == null ? null : rounded(clips.scores[column].bits, bounds[end]);
  const place = bound == null ? (end ? rows.length : 0) : placeOf(column, bound, end === 1);
  const below = [],
    above = [];
  for (let i = place - 1; i >= 0 && below.length < NEAREST; i--) below.push(rows[i]);
  for (let i = place; i < rows.length && above.length < NEAREST; i++) above.push(rows[i]);
  return end ? { kept: below, dropped: above } : { kept: above, dropped: below };
}
/* What else is against a clip. */
function othersAgainst(column, row, verdict) {
  const rules = [...verdict.rules]
    .filter(([other, against]) => other !== column && against[row])
    .map(([other]) => `${words(other)}${Number.isNaN(scores(other)[row]) ? " not measured" : ""}`);
  const others = [...(damaged[row] ? ["damaged"] : []), ...(byHand[row] === 2 ? ["dropped by hand"] : [])];
  return [...rules, ...others].join(", ");
}
function edgeCard(column, { row, others }, rows, plays) {
  const value = score(scores(column)[row]),
    name = baseName(uri.of(row));
  return button(
    [
      moving(row, plays ? "seen" : ""),
      el("b", {}, value),
      el("span", { class: "name", dir: "auto" }, name),
      el("span", { class: "also" }, others ? `also against it: ${others}` : ""),
    ],
    { class: "bare edge", "data-row": row, "aria-label": `${words(column)} ${value}: ${name} ${span(row)}` },
    () => openClip(row, rows),
  );
}
/* Fill the box; what is there already stays, and goes on playing. */
function drawEdges(box, column, bounds, end, verdict, plays) {
  const unbound = bounds[end] == null,
    both = nearest(column, bounds, end, verdict);
  if (!both) {
    if (box.shownColumn !== column) box.replaceChildren();
    box.shownColumn = column;
    box.shownKey = null;
    return;
  }
  box.shownColumn = column;
  const sides = [
    ["kept", unbound ? (end ? "Highest of all" : "Lowest of all") : "Just within: kept by this rule"],
    ...(unbound ? [] : [["dropped", end ? "Just above: dropped" : "Just below: dropped"]]),
  ].map(([side, title]) => ({
    side,
    title,
    clips: both[side].map((row) => ({ row, others: othersAgainst(column, row, verdict) })),
  }));
  const key = JSON.stringify([column, sides, plays]);
  if (box.shownKey === key) return;
  box.shownKey = key;
  box.replaceChildren(
    ...sides.map(({ side, title, clips }) =>
      el(
        "div",
        { class: `side ${side === "kept" ? "kept" : "lost"}-side` },
        el("h4", { class: "small" }, title),
        clips.length
          ? el(
              "div",
              { class: "row" },
              clips.map((clip) => edgeCard(column, clip, both[side], plays)),
            )
          : el("p", { class: "note" }, "No clip."),
      ),
    ),
  );
}
