/* The histogram of one column, and the two bounds that stand in it. */
const axisOf = lazily((column) => {
  const plot = plots.get(column),
    bins = plot.kept.length,
    end = plot.start + plot.step * bins,
    values = scores(column),
    { max } = plot;
  const onAxis = (value) => (plot.log ? (value > 0 ? Math.log10(value) : -Infinity) : value);
  const codes = Uint8Array.from(values, (value) => {
    if (Number.isNaN(value)) return 255;
    return Math.min(
      bins - 1,
      Math.max(0, Math.floor((onAxis(value) - plot.start) / plot.step + (value === max ? -1e-9 : 1e-9))),
    );
  });
  return {
    plot,
    bins,
    codes,
    low: plot.start,
    high: end,
    share: (value) => (onAxis(value) - plot.start) / (end - plot.start),
    value: (share) => {
      const place = plot.start + share * (end - plot.start);
      return plot.log ? 10 ** place : place;
    },
  };
});
/* The roundest number within half a pixel of a place; whole numbers where there are no others. */
function roundValue(axis, share, pixel) {
  const value = axis.value(share);
  if (axis.plot.whole) return Math.round(value);
  const width = Math.abs(axis.value(share + pixel) - value) || Math.abs(value) * 1e-3 || Number.MIN_VALUE;
  const power = 10 ** Math.floor(Math.log10(width)),
    step = [1, 2, 5, 10].map((n) => n * power).find((n) => n >= width * 0.7) || power * 10;
  return Number((Math.round(value / step) * step).toPrecision(12));
}
/* Kept by all rules, dropped by others alone, dropped by this one: weights in each bin. */
function binned(column, verdict) {
  const told = toldFor(column, verdict);
  if (told) return told.bins;
  const { codes, bins } = axisOf(column),
    rows = verdict.rules.get(column) || nothing,
    each = weightsFor(column);
  const counts = [new Float64Array(bins), new Float64Array(bins), new Float64Array(bins)];
  for (let row = 0; row < clips.fair; row++)
    if (codes[row] !== 255) counts[rows[row] ? 2 : verdict.against[row] ? 1 : 0][codes[row]] += each[row];
  return counts;
}
const kinds = ["kept", "other", "lost"];
function bars(counts, width, top, base) {
  const bins = counts[0].length,
    tall = counts[0].map((_, i) => counts[0][i] + counts[1][i] + counts[2][i]);
  /* One bin that towers over the rest (nearly all clips have no black frames) would flatten them: tear it. */
  const [first, second] = [...tall, 0].sort((a, b) => b - a),
    torn = second > 0 && first > 6 * second,
    ceiling = (torn ? second * 1.5 : first) || 1;
  const step = width / bins,
    gap = step > 5 ? 1 : step * 0.12,
    made = [],
    tears = [];
  for (let i = 0; i < bins; i++) {
    const share = tall[i] > ceiling ? ceiling / tall[i] : 1;
    let y = base;
    for (let kind = 0; kind < 3; kind++) {
      const height = counts[kind][i] ? Math.max(1, ((counts[kind][i] * share) / ceiling) * (base - top)) : 0;
      if (height)
        made.push(
          svg("rect", {
            class: kinds[kind],
            x: (i * step + gap / 2).toFixed(2),
            y: (y -= height).toFixed(2),
            width: (step - gap).toFixed(2),
            height: height.toFixed(2),
          }),
        );
    }
    if (share < 1) tears.push({ x: i * step, number: tall[i] });
  }
  return { made, tears, step };
}
function ticksOf(axis, width) {
  const { plot, low, high } = axis,
    marks = [];
  if (plot.log) {
    const wide = high - low > 4 || width < 400;
    for (let power = Math.floor(low); power <= Math.ceil(high); power++)
      for (const n of wide ? [1] : [1, 2, 5]) {
        const place = power + Math.log10(n);
        if (place >= low - 1e-9 && place <= high + 1e-9) marks.push(Number((n * 10 ** power).toPrecision(6)));
      }
    const every = Math.ceil(marks.length / (width / 60));
    return marks.filter((_, i) => i % every === 0);
  }
  const most = Math.max(3, width / 90),
    span = high - low;
  const tick = [1, 2, 2.5, 5]
    .flatMap((n) => [n, n * 10, n * 100])
    .sort((a, b) => a - b)
    .map((n) => n * 10 ** (Math.floor(Math.log10(span)) - 2))
    .find((n) => span / n <= most);
  for (let i = Math.ceil(low / tick - 1e-6); i * tick <= high + tick * 1e-6 && marks.length < 20; i++)
    marks.push(Math.abs(i) < 1e-6 ? 0 : Number((i * tick).toPrecision(10)));
  return marks;
}
/* Small, without numbers: for the list of rules. */
function sparkline(column, bounds, verdict) {
  const axis = axisOf(column),
    wide = 96,
    high = 26,
    picture = svg("svg", { viewBox: `0 0 ${wide} ${high}`, "aria-hidden": "true" });
  picture.append(
    ...bars(binned(column, verdict), wide, 3, high - 1).made,
    svg("path", { class: "axis", d: `M0 ${high - 0.5}H${wide}` }),
  );
  for (const end of bounds) {
    const share = end == null ? -1 : axis.share(end);
    if (share >= 0 && share <= 1)
      picture.append(svg("path", { class: "bound", d: `M${(share * wide).toFixed(1)} 0V${high}` }));
  }
  return picture;
}
