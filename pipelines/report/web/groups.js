/* Clips that repeat one another, as `dedup` found them: said on cards, found by a filter, side by side in a clip's view. */
const MOST_ALIKE = 24;
const factOf = (name, row) => (clips.facts[name] ? facts(name).of(row) : null);
const groupOf = (row) => factOf("duplicate_group", row);
const repeats = (row) => factOf("duplicate_of", row) != null || factOf("duplicate_in", row) != null;
const groupFacts = new Set(["duplicate_group", "duplicate_of", "duplicate_in"]);
const hasDuplicates = [...groupFacts].some((name) => clips.facts[name] && facts(name).texts.length);
/* Rows of this page by group, those that are kept first. */
const groupsOfPage = lazily(() => {
  const groups = new Map();
  if (clips.facts.duplicate_group)
    for (let row = 0; row < rowCount; row++)
      if (groupOf(row) != null) groups.set(groupOf(row), [...(groups.get(groupOf(row)) || []), row]);
  for (const rows of groups.values())
    rows.sort((a, b) => (status.of(b) === "kept") - (status.of(a) === "kept") || height[b] - height[a] || a - b);
  return groups;
});
const membersOf = (row) => groupsOfPage().get(groupOf(row)) || [row];
/* `choice`: "any" for all clips of groups and copies, "repeats" for those that another one stands for, else a group. */
const inGroup = (row, choice) =>
  choice === "any" ? groupOf(row) != null || repeats(row) : choice === "repeats" ? repeats(row) : groupOf(row) === choice;
const groupWords = (choice) => ({ any: "duplicates", repeats: "repeats another clip" })[choice] || "one group of duplicates";
const sizeWords = (row) => `${plural(membersOf(row).length, "clip")} alike${isSample ? " in this page" : ""}`;
function nameOf(id) {
  const row = rowOf.get(id);
  return row === undefined ? `${visible(id).slice(0, 16)}\u2026` : `${baseName(uri.of(row))} ${span(row)}`;
}
/* What a card says: which clip stands for this one, and how many are alike. */
function repeatLine(row) {
  const of = factOf("duplicate_of", row),
    other = factOf("duplicate_in", row),
    group = groupOf(row);
  if (of == null && other == null && group == null) return null;
  const best = of != null && other == null ? rowOf.get(of) : undefined;
  return el(
    "p",
    { class: "repeats" },
    of == null && other == null ? null : "Duplicate of ",
    of == null ? null : best === undefined ? visible(of).slice(0, 64) : linkTo(best, of),
    other == null ? null : ` in ${visible(other).slice(0, 120)}`,
    (of != null || other != null) && group != null ? ", " : "",
    group == null
      ? null
      : button(sizeWords(row), { class: "link", "aria-label": `Show the ${sizeWords(row)}` }, () => {
          if (at("clip").open) at("clip").close();
          showClips({ group });
        }),
  );
}
const linkTo = (row, id) =>
  button(nameOf(id), { class: "link", "data-best": id, dir: "auto" }, () => openClip(row, membersOf(row)));
/* The clips of its group next to one another, this one among them. */
function alike(row) {
  const rows = membersOf(row);
  if (rows.length < 2) return null;
  const one = (other) =>
    el(
      "li",
      { "aria-current": other === row ? "true" : null, "data-id": clips.id[other] },
      button(still(other), { class: "bare", "aria-label": `Details of ${nameOf(clips.id[other])}` }, () => openClip(other, rows)),
      named("b", baseName(uri.of(other)), uri.of(other)),
      el("span", {}, [span(other), play(seconds[other]), factOf("size", other)].filter(Boolean).join(" \u00b7 ")),
      tags(other),
    );
  return el(
    "section",
    { class: "alike", "aria-label": "Clips that repeat one another" },
    el("h4", {}, sizeWords(row)),
    el("ul", {}, rows.slice(0, MOST_ALIKE).map(one)),
    rows.length > MOST_ALIKE ? el("p", { class: "note" }, `and ${plural(rows.length - MOST_ALIKE, "other")}`) : null,
  );
}
