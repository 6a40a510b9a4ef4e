/* The rules with the bounds as they are moved, and what each of them makes of the clips: just what `decide` makes. */
const settable = new Set([...(recipe.rule_columns || []), ...(recipe.rules || []).map((rule) => String(rule.column))]);
const timed = new Set(recipe.timed_columns || ["fps", "duration_seconds"]);
const plots = new Map(data.histograms.map((plot) => [plot.name, plot]));
const ownBounds = new Map(
  data.histograms
    .filter((plot) => plot.min != null || plot.max != null)
    .map((plot) => [plot.name, [plot.min, plot.max]]),
);
const boundsOf = (column, bounds) => bounds.get(column) || [null, null];

/* A bound is compared as a number of the column's own kind. */
function rounded(bits, bound) {
  if (bits === 32) return Math.fround(bound);
  if (bits !== 16) return bound;
  const step = 2 ** (Math.max(-14, Math.floor(Math.log2(Math.abs(bound) || 1))) - 10),
    steps = bound / step,
    floor = Math.floor(steps);
  const even = steps - floor < 0.5 ? floor : steps - floor > 0.5 ? floor + 1 : floor + (floor % 2);
  return Math.abs(even * step) >= 65520 ? Math.sign(bound) * Infinity : even * step;
}
/* 1 for each row that the rule is against; what somebody has said to keep, none is. */
function brokenBy(column, [min, max]) {
  const broken = new Uint8Array(rowCount);
  if (min == null && max == null) return broken;
  const values = scores(column),
    { bits } = clips.scores[column],
    excused = timed.has(column);
  const low = min == null ? -Infinity : rounded(bits, min),
    high = max == null ? Infinity : rounded(bits, max);
  for (let row = 0; row < rowCount; row++)
    if (!(values[row] >= low && values[row] <= high) && !(excused && isPicture[row]) && byHand[row] !== 1)
      broken[row] = 1;
  return broken;
}
const remembered = new Map();
function broken(column, bounds) {
  const key = `${bounds[0]}:${bounds[1]}:${blocks.length}`,
    last = remembered.get(column);
  if (last && last.key === key) return last.rows;
  const rows = brokenBy(column, bounds);
  remembered.set(column, { key, rows });
  return rows;
}
/* How many rules are against each row, whole and rule by rule. */
function judged(bounds) {
  const against = Uint8Array.from(damaged, (one, row) => one + (byHand[row] === 2 ? 1 : 0)),
    rules = new Map();
  for (const [column, ends] of bounds) {
    if (!plots.has(column) || !hasBounds(ends)) continue;
    const rows = broken(column, ends);
    rules.set(column, rows);
    for (let row = 0; row < rowCount; row++) against[row] += rows[row];
  }
  return { against, rules, told: toldOf(bounds) };
}
function tally(isIn, each = weights) {
  let number = 0,
    length = 0;
  for (let row = 0; row < clips.fair; row++)
    if (isIn(row)) {
      number += each[row];
      length += each[row] * seconds[row];
    }
  return { clips: number, seconds: length };
}
/* Where a server has counted all clips, its counts are those. */
const amount = ([number, length]) => ({ clips: number, seconds: length });
const toldFor = (column, verdict) => verdict.told && verdict.told.columns[column];
const keptBy = (verdict) =>
  verdict.told ? amount(verdict.told.kept) : tally((row) => verdict.against[row] === 0);
/* By the recipe's own bounds. */
const ownKept = (() => {
  let made = null;
  return (verdict) => {
    if (verdict && verdict.told) return amount(verdict.told.own);
    return made || (made = keptBy(judged(ownBounds)));
  };
})();
function keptAlone(column, verdict) {
  const told = toldFor(column, verdict);
  if (told) return amount(told.alone);
  const rows = verdict.rules.get(column);
  return tally((row) => !rows || !rows[row], weightsFor(column));
}
/* Of a sample: so weighted that each bin of the column has as many clips as the table, which were counted when the page was made. */
const weightsFor = lazily((column) => {
  if (!isSample) return weights;
  const { codes, bins, plot } = axisOf(column),
    held = new Float64Array(256),
    real = new Float64Array(256);
  for (let row = 0; row < clips.fair; row++) held[codes[row]] += 1;
  for (let bin = 0; bin < bins; bin++) real[bin] = plot.kept[bin] + plot.not_kept[bin];
  real[255] = plot.missing;
  return Float64Array.from(codes, (code, row) => (row < clips.fair ? real[code] / held[code] : 0));
});
const nothing = new Uint8Array(rowCount);
/* What this rule takes and no other one would. */
function onlyBy(column, verdict) {
  const told = toldFor(column, verdict);
  if (told) return amount(told.only);
  const rows = verdict.rules.get(column) || nothing;
  return tally((row) => rows[row] === 1 && verdict.against[row] === 1);
}

/* "0.5", "p10", "" or what is neither: {value} or {error}. */
function boundFrom(text, column) {
  const plain = text.trim().replace(/^\u2212/, "-");
  if (plain === "" || /^(none|no bound)$/i.test(plain)) return { value: null };
  const share = plain.match(/^p(\d+(?:\.\d+)?)$/i);
  if (share && Number(share[1]) <= 100) {
    if (served) return { asked: ask("percentile", new URLSearchParams({ column, share: share[1] })) };
    const value = percentile(column, Number(share[1]));
    return value == null ? { error: "no clip has a number here" } : { value };
  }
  const value = Number(plain);
  return Number.isFinite(value)
    ? { value }
    : { error: "a number, or p10 for the tenth percentile, or nothing for no bound" };
}
const same = (a, b) => a[0] === b[0] && a[1] === b[1];
const changedColumns = (bounds) =>
  [...new Set([...ownBounds.keys(), ...bounds.keys()])].filter(
    (column) => !same(boundsOf(column, bounds), boundsOf(column, ownBounds)),
  );
const quoted = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`);
/* The command that makes it so. */
function commandFor(bounds) {
  const sets = changedColumns(bounds).flatMap((column) =>
    ["min", "max"].flatMap((end, i) => {
      const now = boundsOf(column, bounds)[i];
      return now === boundsOf(column, ownBounds)[i]
        ? []
        : ["--set", quoted(`rules.${column}.${end}=${now == null ? "none" : now}`)];
    }),
  );
  return ["python -m pipelines decide", quoted(data.out == null ? "OUT" : data.out), ...sets].join(" ");
}
