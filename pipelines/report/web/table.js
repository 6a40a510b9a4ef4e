/* The clips, column by column, unpacked when they are first asked for. */
const data = JSON.parse(at("data").textContent);
const { totals, run, clips } = data;
const recipe = run.recipe || {};
const rowCount = clips.count;
/* Of more clips than travel in the page, the first `fair` rows are a sample; the rest are there to be looked at. */
const isSample = clips.fair < totals.clips;
const arrays = { u1: Uint8Array, u2: Uint16Array, u4: Uint32Array, f4: Float32Array, f8: Float64Array };

function unpacked(kind, text) {
  const letters = atob(text),
    raw = new Uint8Array(letters.length);
  for (let i = 0; i < letters.length; i++) raw[i] = letters.charCodeAt(i);
  return new arrays[kind](raw.buffer);
}
function codesOf(packed) {
  const kind = ["u1", "u2", "u4"].find((one) => packed[one] !== undefined);
  return unpacked(kind, packed[kind]);
}
function numbersOf(packed) {
  if (packed.f8 !== undefined) return unpacked("f8", packed.f8);
  if (packed.f4 !== undefined) return Float64Array.from(unpacked("f4", packed.f4));
  const distinct = unpacked("f8", packed.of);
  return Float64Array.from(codesOf(packed), (code) => distinct[code]);
}
function textsOf(packed) {
  const codes = codesOf(packed);
  return { texts: packed.texts, codes, of: (row) => (codes[row] ? packed.texts[codes[row] - 1] : null) };
}
function lazily(make) {
  const made = new Map();
  return (key) => {
    if (!made.has(key)) made.set(key, make(key));
    return made.get(key);
  };
}
const scores = lazily((column) => numbersOf(clips.scores[column]));
const facts = lazily((name) => textsOf(clips.facts[name]));
const columns = Object.keys(clips.scores);
const uri = textsOf(clips.uri),
  status = textsOf(clips.status),
  caption = textsOf(clips.caption),
  reasonTexts = textsOf(clips.reasons);
const start = numbersOf(clips.start),
  seconds = numbersOf(clips.seconds),
  [width, height] = clips.size.map(numbersOf);
const damaged = numbersOf(clips.damaged),
  isPicture = numbersOf(clips.picture);
const reasonLists = reasonTexts.texts.map((text) => (text ? text.split("\n") : []));
const reasonsOf = (row) => (reasonTexts.codes[row] ? reasonLists[reasonTexts.codes[row] - 1] : []);
const rowOf = new Map(clips.id.map((id, row) => [id, row]));
const span = (row) =>
  Number.isNaN(start[row]) ? "" : `${clock(start[row])} \u2013 ${clock(start[row] + seconds[row])}`;

/* How many clips of all each row stands for. */
const weights = (() => {
  const each = new Float64Array(rowCount),
    held = {};
  for (let row = 0; row < clips.fair; row++) held[status.of(row)] = (held[status.of(row)] || 0) + 1;
  for (let row = 0; row < clips.fair; row++) each[row] = isSample ? totals[status.of(row)] / held[status.of(row)] : 1;
  return each;
})();

/* How many rows have a number. */
const measuredIn = lazily((column) => scores(column).reduce((sum, value) => sum + (value === value), 0));
/* Rows by their value, those without one left out. */
const ordered = lazily((column) => {
  const values = scores(column);
  return Uint32Array.from(values.keys())
    .filter((row) => !Number.isNaN(values[row]))
    .sort((a, b) => values[a] - values[b] || a - b);
});
/* The place in `ordered` before which all values are less than the bound; with `past`, not more. */
function placeOf(column, bound, past = false) {
  const values = scores(column),
    rows = ordered(column);
  let low = 0,
    high = rows.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (values[rows[middle]] < bound || (past && values[rows[middle]] === bound)) low = middle + 1;
    else high = middle;
  }
  return low;
}
/* Linear between neighbours, as numpy has it. */
function percentile(column, share) {
  const rows = ordered(column).filter((row) => row < clips.fair),
    values = scores(column),
    place = (share / 100) * (rows.length - 1),
    below = Math.floor(place);
  if (!rows.length) return null;
  const low = values[rows[below]],
    high = values[rows[Math.min(rows.length - 1, below + 1)]];
  const between = low === high ? low : low + (high - low) * (place - below);
  return Number.isFinite(between) ? between : null;
}
