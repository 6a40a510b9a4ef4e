/* Move a bound and see at once what it makes: alone, with all the others, and which clips stand at it. */
const END_NAMES = ["min", "max"],
  END_WORDS = ["Least", "Most"];
let live = null;
let active = { column: "", end: 0 };
let detail = null;
const boundsNow = () => live || state.bounds;
const explorable = [...plots.keys()].filter((column) => ownBounds.has(column) || measuredIn(column));
const about = (text, verdict) => (isSample && !verdict.told ? `about ${text}` : text);
const clipsAnd = (sum) => `${plural(sum.clips, "clip")}, ${play(sum.seconds)}`;

function chosenColumn() {
  if (explorable.includes(state.rule)) return state.rule;
  const verdict = judged(state.bounds);
  return (
    [...ownBounds.keys()]
      .filter((column) => measuredIn(column))
      .sort((a, b) => onlyBy(b, verdict).clips - onlyBy(a, verdict).clips)[0] || explorable[0]
  );
}
function drawExplore() {
  const section = at("explore");
  section.hidden = !totals.clips || !explorable.length;
  if (section.hidden) return;
  const told = isSample && !served
    ? ` There are ${count(totals.clips)} clips; ${count(clips.fair)} of them, a fair sample, are in this page, and what it counts is scaled from these: the command counts all.`
    : "";
  section.append(
    el(
      "p",
      { class: "note" },
      `Drag a bound, or type one: nothing is changed before you run the command that the page then gives.${told}`,
    ),
    el(
      "div",
      { class: "explore" },
      el("div", { class: "rules", id: "rules", role: "group", "aria-label": "Rules and measures" }),
      el("div", { class: "detail", id: "detail" }),
    ),
  );
  views.push((before) => {
    if (!detail || before.rule !== state.rule || before.bounds !== state.bounds) refresh(before);
  });
  refresh({ rule: null });
  new ResizeObserver(
    after(100, () => {
      if (detail && detail.width !== at("detail").clientWidth) {
        build(detail.column);
        update();
      }
    }),
  ).observe(at("detail"));
  on(document, "keydown", (event) => {
    if (
      (event.ctrlKey || event.metaKey) &&
      !event.shiftKey &&
      event.key.toLowerCase() === "z" &&
      !event.target.matches("input") &&
      past.length
    ) {
      event.preventDefault();
      undo();
    }
  });
}
function refresh(before) {
  const column = chosenColumn();
  if (!detail || detail.column !== column || before.rule !== state.rule) {
    active = { column, end: firstEnd(column) };
    build(column);
    drawRules(state.bounds, judged(state.bounds));
  }
  update();
}
/* The bound that takes the most is the one to look at. */
function firstEnd(column) {
  const [min, max] = boundsOf(column, state.bounds);
  if (min == null || max == null) return min == null && max != null ? 1 : 0;
  return ordered(column).length - placeOf(column, max, true) > placeOf(column, min) ? 1 : 0;
}
/* All that follows from the bounds; while one is dragged, pictures stand still and the list of rules waits. */
function update(dragging = false) {
  const bounds = boundsNow(),
    verdict = judged(bounds),
    { column } = detail,
    own = boundsOf(column, bounds);
  drawDetail(column, own, verdict, dragging);
  if (dragging) settle();
  else rulesSoon();
  drawChange(bounds, verdict);
  if (served) {
    askJudge(bounds, column, active.end, false, update);
    if (!dragging) askRestSoon();
  }
}
/* What is in the list of rules waits until the rule that is looked at is answered. */
const askRestSoon = after(150, () => {
  if (!live) askJudge(state.bounds, detail.column, active.end, true, update);
});
const rulesSoon = after(40, () => {
  if (!live) drawRules(state.bounds, judged(state.bounds));
});
const settle = after(250, () => {
  if (live) update();
});
