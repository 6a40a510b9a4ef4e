/* What is said of a clip by hand: keep it, drop it, tags, a note. Only a server can take it. */
const SAYINGS = [
  ["keep", "Keep", "k"],
  ["drop", "Drop", "d"],
];
/* The words that are there, on a card. */
function byHandOn(row) {
  const isKept = verdictOf.of(row) === "keep",
    words = [tagsOf.of(row), noteOf.of(row)].filter(Boolean);
  if (!isKept && !words.length) return null;
  return el(
    "p",
    { class: "by-hand", dir: "auto" },
    isKept ? el("b", {}, "kept by hand") : null,
    words.map((text) => el("span", {}, visible(text))),
  );
}
/* K, D and U on a card with the focus, as in the clip's own window. */
function onKeys(row, made) {
  return served ? on(made, "keydown", (event) => sayByKey(event, row)) : made;
}
function sayByKey(event, row) {
  if (!served || event.ctrlKey || event.metaKey || event.altKey || event.target.matches("input, textarea")) return;
  const key = event.key.toLowerCase(),
    [verdict] = SAYINGS.find(([, , own]) => own === key) || [];
  if (verdict) say(row, { verdict: verdictOf.of(row) === verdict ? null : verdict });
  else if (key === "u") say(row, { verdict: null });
  else if (at("clip").open && (key === "t" || key === "n")) at(key === "t" ? "tags" : "note").focus();
  else return;
  event.preventDefault();
}
function sayBox(row) {
  const verdict = verdictOf.of(row);
  const choices = SAYINGS.map(([kind, label, key]) =>
    button(
      [label, el("kbd", {}, key.toUpperCase())],
      { class: `plain ${kind}`, "data-say": kind, "aria-pressed": verdict === kind },
      () => say(row, { verdict: verdict === kind ? null : kind }),
    ),
  );
  const tags = el("input", {
      type: "text",
      id: "tags",
      autocomplete: "off",
      placeholder: "sea, night",
      "aria-label": "Tags, by commas",
    }),
    note = el("textarea", { id: "note", rows: 1, placeholder: "a note", "aria-label": "Note", maxlength: 2000 });
  tags.value = tagsOf.of(row) || "";
  note.value = noteOf.of(row) || "";
  const listed = () =>
    tags.value
      .split(",")
      .map((tag) => tag.trim())
      .filter(Boolean);
  on(tags, "change", () => say(row, { tags: listed() }));
  on(note, "change", () => say(row, { note: note.value }));
  for (const [input, leaves] of [
    [tags, ["Enter", "Escape"]],
    [note, ["Escape"]],
  ])
    on(input, "keydown", (event) => {
      if (!leaves.includes(event.key)) return;
      event.preventDefault();
      at("clip").focus();
    });
  return el(
    "div",
    { class: "say" },
    el("div", { class: "buttons", role: "group", "aria-label": "By hand" }, choices),
    el("label", {}, el("span", {}, "Tags ", el("kbd", {}, "T")), tags),
    el("label", {}, el("span", {}, "Note ", el("kbd", {}, "N")), note),
    el("p", { class: "soft", role: "status", id: "said" }, savedClip === clips.id[row] ? "Saved." : ""),
  );
}
let savedClip = "";
/* Words are sent one after the other, and each is safe when its answer is there. */
let saying = Promise.resolve();
function say(row, values) {
  const id = clips.id[row];
  saying = saying.then(() =>
    ask("say", undefined, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ clips: [id], ...values }),
    }).then((answer) => {
      trouble("");
      Object.assign(totals, answer.totals);
      const [now] = rowsIn(answer, true);
      told.clear();
      savedClip = id;
      redraw(id, now);
    }, trouble),
  );
  return saying;
}
/* All that shows the clip, and all that counts. */
function redraw(id, row) {
  const old = document.querySelector(`.card[data-id="${CSS.escape(id)}"]`);
  if (old) {
    const made = card(row),
      hadFocus = old.contains(document.activeElement);
    old.replaceWith(made);
    if (hadFocus) made.querySelector("button").focus({ preventScroll: true });
  }
  if (at("clip").open && state.clip === id) {
    const focused = document.activeElement.id;
    drawClip();
    if (focused && at(focused)) at(focused).focus({ preventScroll: true });
  }
  at("summary").querySelector("h1").replaceChildren(...headline());
  drawSegments();
  if (detail) update();
}
