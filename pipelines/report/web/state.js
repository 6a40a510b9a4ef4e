/* What the reader has chosen lives in the URL's hash, so that back, forward and a bookmark work. */
const fresh = () => ({
  q: "",
  status: "all",
  reason: "",
  source: "",
  group: "",
  sort: "",
  up: false,
  ranges: [],
  rule: "",
  bounds: new Map(ownBounds),
  clip: "",
});
let state = fresh();
const past = [];
const numberIn = (text) => (text !== "" && Number.isFinite(Number(text)) ? Number(text) : null);
const ends = ([min, max]) => `${min == null ? "" : min}~${max == null ? "" : max}`;
const rangeFrom = (text) => {
  const [column, low = "", high = ""] = text.split("~");
  return [column, numberIn(low), numberIn(high)];
};

function hashOf(one) {
  const said = new URLSearchParams(),
    usual = fresh();
  for (const key of ["q", "status", "reason", "source", "group", "sort", "rule", "clip"])
    if (one[key] && one[key] !== usual[key]) said.set(key, one[key]);
  if (one.up) said.set("up", "1");
  for (const [column, ...range] of one.ranges) said.append("where", `${column}~${ends(range)}`);
  for (const column of changedColumns(one.bounds))
    said.append("bound", `${column}~${ends(boundsOf(column, one.bounds))}`);
  return said.toString();
}
function stateOf(hash) {
  const said = new URLSearchParams(hash),
    one = fresh();
  for (const key of ["q", "status", "reason", "source", "group", "sort", "rule", "clip"]) one[key] = said.get(key) || one[key];
  one.up = said.get("up") === "1";
  one.ranges = said
    .getAll("where")
    .map(rangeFrom)
    .filter(([column]) => plots.has(column));
  for (const [column, min, max] of said.getAll("bound").map(rangeFrom))
    if (plots.has(column) && settable.has(column) && !(min > max && max != null)) one.bounds.set(column, [min, max]);
  if (!plots.has(one.sort) && !["start", "seconds"].includes(one.sort)) one.sort = "";
  return one;
}
/* Some browsers refuse more than a hundred a half minute; the page goes on without. */
function keep(hash, quietly) {
  try {
    history[quietly ? "replaceState" : "pushState"](null, "", hash);
  } catch {
    return;
  }
}
const views = [];
function draw(before) {
  for (const view of views) view(before);
}
/* A change that can be gone back from; with `quietly`, one that replaces the last. */
function change(changes, quietly = false) {
  const before = state;
  if (changes.bounds && !quietly) past.push(before.bounds);
  state = { ...state, ...changes };
  if (location.hash.slice(1) !== hashOf(state)) keep(`#${hashOf(state)}`, quietly);
  draw(before);
}
function readHash() {
  const before = state;
  state = stateOf(location.hash.slice(1));
  draw(before);
}
function withBounds(column, bounds) {
  const all = new Map(state.bounds);
  if (hasBounds(bounds) || ownBounds.has(column)) all.set(column, bounds);
  else all.delete(column);
  return all;
}
function undo() {
  if (!past.length) return;
  const bounds = past.pop();
  change({ bounds });
  past.pop();
}
