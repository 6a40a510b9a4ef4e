/* One rule, large: its bounds to type, its histogram, what it makes, and the clips at the bound. */
function build(column) {
  const { plot } = axisOf(column),
    [unit, meaning] = plot.about,
    [short] = meaning.replaceAll("`", "").split(/[.;:,] /),
    can = settable.has(column);
  const figure = at("detail");
  const inputs = END_NAMES.map((end, i) =>
    el("input", {
      type: "text",
      id: `bound-${end}`,
      autocomplete: "off",
      spellcheck: "false",
      inputmode: "text",
      placeholder: "none",
      "aria-label": `${END_WORDS[i]} ${words(column)}`,
      "aria-describedby": "bound-help",
      disabled: can ? null : "",
    }),
  );
  inputs.forEach((input, i) => {
    on(input, "focus", () => {
      active.end = i;
      update();
    });
    on(input, "keydown", (event) => {
      if (event.key === "Enter") take(input, i);
    });
    on(input, "change", () => take(input, i));
  });
  const help = el(
    "span",
    { class: "soft", id: "bound-help" },
    can ? "a number, p10 for the tenth percentile, or nothing" : "the recipe has no such column for a rule",
  );
  detail = {
    column,
    inputs,
    help,
    width: figure.clientWidth,
    counts: el("dl", { class: "counts" }),
    edges: el("div", { class: "edges" }),
    missing: el("p", { class: "note" }),
    reset: button("As it was", { class: "plain", id: "reset" }, () =>
      change({ bounds: withBounds(column, boundsOf(column, ownBounds)) }),
    ),
    ...bigPlot(column, can),
  };
  figure.replaceChildren(
    el("h3", {}, words(column), el("small", {}, ` ${visible(short)}${unit ? `, ${visible(unit)}` : ""}`)),
    el(
      "div",
      { class: "ends" },
      el("label", {}, "at least ", inputs[0]),
      el("label", {}, "at most ", inputs[1]),
      detail.reset,
      help,
    ),
    detail.picture,
    el(
      "p",
      { class: "legend" },
      [
        ["kept", "kept"],
        ["other", "within, but dropped by another rule"],
        ["lost", "dropped by this rule"],
      ].map(([kind, label]) => el("span", {}, el("i", { class: kind }), label)),
    ),
    detail.counts,
    detail.missing,
    detail.edges,
  );
}
function take(input, end, given) {
  const { column } = detail,
    bounds = [...boundsOf(column, state.bounds)],
    read = given || boundFrom(input.value, column);
  if (read.asked) {
    read.asked.then(({ value }) => {
      if (detail.column === column) take(input, end, value == null ? { error: "no clip has a number here" } : { value });
    }, trouble);
    return;
  }
  const other = bounds[1 - end],
    wrong =
      read.error ||
      (read.value != null && other != null && (end ? read.value < other : read.value > other)
        ? `not ${end ? "below" : "above"} ${exact(other)}, the other bound`
        : "");
  detail.help.textContent = wrong || "a number, p10 for the tenth percentile, or nothing";
  input.setAttribute("aria-invalid", Boolean(wrong));
  if (wrong || read.value === bounds[end]) return;
  bounds[end] = read.value;
  change({ bounds: withBounds(column, bounds) });
}

function drawDetail(column, own, verdict, dragging) {
  const { axis, plotWidth: width, top, base } = detail,
    { made, tears, step } = bars(binned(column, verdict), width, top + 10, base);
  detail.group.replaceChildren(
    ...made,
    ...tears.map(({ x }) =>
      svg("path", { class: "torn", d: `M${(x - 2).toFixed(1)} ${top + 22}l${(step + 4).toFixed(1)} -6` }),
    ),
    ...tears.map(({ x, number }) =>
      svg(
        "text",
        { x: x > width * 0.8 ? x - 5 : x + step + 4, y: top + 18, "text-anchor": x > width * 0.8 ? "end" : "start" },
        count(number),
      ),
    ),
  );
  own.forEach((bound, end) => {
    const share = bound == null ? end : axis.share(bound),
      x = Math.min(1, Math.max(0, share)) * width,
      away = bound != null && (share < 0 || share > 1);
    const handle = detail.handles[end],
      label = handle.querySelector("text"),
      right = end ? x > 90 : x > width - 90;
    handle.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
    handle.setAttribute("class", `handle${bound == null ? " none" : ""}${active.end === end ? " active" : ""}`);
    label.textContent =
      bound == null ? "" : `${away && share < 0 ? "\u2190 " : ""}${exact(bound)}${away && share > 1 ? " \u2192" : ""}`;
    label.setAttribute("x", right ? -13 : 13);
    label.setAttribute("text-anchor", right ? "end" : "start");
    const value = bound == null ? axis.value(end) : bound;
    for (const [name, said] of [
      ["aria-valuenow", value],
      ["aria-valuemin", Math.min(axis.value(0), value)],
      ["aria-valuemax", Math.max(axis.value(1), value)],
      ["aria-valuetext", bound == null ? "no bound" : exact(bound)],
    ])
      handle.setAttribute(name, said);
    detail.outside[end].setAttribute("x", end ? x : 0);
    detail.outside[end].setAttribute("width", Math.max(0, bound == null ? 0 : end ? width - x : x));
    if (document.activeElement !== detail.inputs[end] || !dragging)
      detail.inputs[end].value = bound == null ? "" : exact(bound);
  });
  detail.reset.disabled = same(own, boundsOf(column, ownBounds));
  const now = keptBy(verdict),
    before = ownKept(verdict),
    alone = keptAlone(column, verdict),
    only = onlyBy(column, verdict);
  const line = (label, text, id) => el("div", {}, el("dt", {}, label), el("dd", { "data-count": id }, text));
  detail.counts.replaceChildren(
    line("this rule alone keeps", about(clipsAnd(alone), verdict), "alone"),
    line("all rules together keep", about(clipsAnd(now), verdict), "together"),
    line("only this rule drops", about(clipsAnd(only), verdict), "only"),
    line("against the recipe\u2019s bounds", differenceOf(now, before, verdict), "difference"),
  );
  detail.missing.textContent = notes(column, own).join(" ");
  drawEdges(detail.edges, column, own, active.end, verdict, !dragging);
}
function notes(column, own) {
  const { plot, value } = axisOf(column),
    middle = [
      plot.median == null ? "" : `median ${score(plot.median)}`,
      plot.median_kept == null ? "" : `of those kept ${score(plot.median_kept)}`,
    ]
      .filter(Boolean)
      .join(", ");
  return [
    middle ? `${middle[0].toUpperCase()}${middle.slice(1)}, as the table has it.` : "",
    plot.open_low ? `The first bin holds all below ${score(value(1 / plot.kept.length))}.` : "",
    plot.open_high ? `The last bin holds all above ${score(value(1 - 1 / plot.kept.length))}.` : "",
    plot.missing
      ? `${plural(plot.missing, "clip")} ${plot.missing === 1 ? "has" : "have"} no number here${hasBounds(own) ? "; a bound drops them" : ""}.`
      : "",
  ].filter(Boolean);
}
function differenceOf(now, before, verdict) {
  const number = Math.round(now.clips) - Math.round(before.clips),
    length = now.seconds - before.seconds;
  return number === 0 && Math.abs(length) < 0.05
    ? "no change"
    : about(`${signed(plural(Math.abs(number), "clip"), number)}, ${signed(play(Math.abs(length)), length)}`, verdict);
}
