/* The clips, column by column, unpacked when they are first asked for. They come in blocks: the page's own, and those
   that its server has sent since, where it has one. */
const data = JSON.parse(at("data").textContent);
const { totals, run, clips } = data;
const recipe = run.recipe || {};
const served = Boolean(data.served);
const blocks = [clips],
  firstRows = [0];
let rowCount = clips.count;
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
/* The block that a row is in, and its place there. */
function blockOf(row) {
  if (row < clips.count) return [0, row];
  let low = 1,
    high = blocks.length;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (firstRows[middle] <= row) low = middle;
    else high = middle;
  }
  return [low, row - firstRows[low]];
}
/* Numbers over all blocks, of which `pick` gives the packed ones. */
function growing(pick) {
  const parts = [];
  let whole = null,
    of = 0;
  return () => {
    if (of === blocks.length) return whole;
    while (parts.length < blocks.length) {
      const block = blocks[parts.length],
        packed = pick(block);
      parts.push(packed ? numbersOf(packed) : new Float64Array(block.count).fill(NaN));
    }
    whole = parts.length === 1 ? parts[0] : new Float64Array(rowCount);
    if (parts.length > 1) parts.forEach((part, i) => whole.set(part, firstRows[i]));
    of = blocks.length;
    return whole;
  };
}
/* Texts over all blocks; what may change while the page is open is that of the clip's newest row. */
function textsOver(pick, newest = (row) => row) {
  const parts = [];
  return {
    of: (row) => {
      const [block, place] = blockOf(newest(row));
      if (!parts[block]) parts[block] = pick(blocks[block]) ? textsOf(pick(blocks[block])) : { of: () => null };
      return parts[block].of(place);
    },
  };
}
const scoresOf = lazily((column) => growing((block) => block.scores[column]));
const scores = (column) => scoresOf(column)();
const facts = lazily((name) => ({ ...textsOf(clips.facts[name]), ...textsOver((block) => block.facts[name]) }));
const columns = Object.keys(clips.scores);
const rowOf = new Map(clips.id.map((id, row) => [id, row]));
const newest = served ? (row) => rowOf.get(clips.id[row]) : (row) => row;
const uri = textsOver((block) => block.uri),
  caption = textsOver((block) => block.caption),
  [status, reasonTexts, verdictOf, tagsOf, noteOf] = ["status", "reasons", "verdict", "tags", "note"].map((name) =>
    textsOver((block) => block[name], newest),
  );
const growers = ["start", "seconds", "damaged", "picture"]
  .map((name) => growing((block) => block[name]))
  .concat([0, 1].map((side) => growing((block) => block.size[side])));
let start, seconds, damaged, isPicture, width, height;
/* What was said by hand: 1 to keep it, 2 to drop it. */
let byHand;
function measureRows() {
  [start, seconds, damaged, isPicture, width, height] = growers.map((grown) => grown());
  byHand = Uint8Array.from({ length: rowCount }, (_, row) => ({ keep: 1, drop: 2 })[verdictOf.of(row)] || 0);
}
measureRows();
const listOf = lazily((text) => text.split("\n"));
const reasonsOf = (row) => {
  const text = reasonTexts.of(row);
  return text ? listOf(text) : [];
};
/* More rows; returns which these are. A clip that is there already keeps its row, unless it is another one `now`. */
function append(block, now = false) {
  if (now || block.id.some((id) => !rowOf.has(id))) {
    firstRows.push(rowCount);
    blocks.push(block);
    block.id.forEach((id, place) => {
      if (now || !rowOf.has(id)) rowOf.set(id, rowCount + place);
    });
    clips.id.push(...block.id);
    rowCount += block.count;
    measureRows();
  }
  return block.id.map((id) => rowOf.get(id));
}
if (data.said) append(data.said, true);
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
