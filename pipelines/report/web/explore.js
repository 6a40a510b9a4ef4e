/* Move a bound and see at once what it makes: alone, with all the others, and which clips stand at it. */
const END_NAMES = ["min", "max"], END_WORDS = ["Least", "Most"];
let live = null;
let active = { column: "", end: 0 };
let detail = null;
const boundsNow = () => live || state.bounds;
const explorable = [...plots.keys()].filter((column) => ownBounds.has(column) || measuredIn(column));
const about = (text) => (isSample ? `about ${text}` : text);
const clipsAnd = (sum) => `${plural(sum.clips, "clip")}, ${play(sum.seconds)}`;

function chosenColumn() {
  if (explorable.includes(state.rule)) return state.rule;
  const verdict = judged(state.bounds);
  return [...ownBounds.keys()].filter((column) => measuredIn(column)).sort((a, b) => onlyBy(b, verdict).clips - onlyBy(a, verdict).clips)[0] || explorable[0];
}
function drawExplore() {
  const section = at("explore");
  section.hidden = !totals.clips || !explorable.length;
  if (section.hidden) return;
  const told = isSample ? ` There are ${count(totals.clips)} clips; ${count(clips.fair)} of them, a fair sample, are in this page, and what it counts is scaled from these: the command counts all.` : "";
  section.append(
    el("p", { class: "note" }, `Drag a bound, or type one: nothing is changed before you run the command that the page then gives.${told}`),
    el("div", { class: "explore" }, el("div", { class: "rules", id: "rules", role: "group", "aria-label": "Rules and measures" }), el("div", { class: "detail", id: "detail" })));
  views.push((before) => { if (!detail || before.rule !== state.rule || before.bounds !== state.bounds) refresh(before); });
  refresh({ rule: null });
  new ResizeObserver(after(100, () => { if (detail && detail.width !== at("detail").clientWidth) { build(detail.column); update(); } })).observe(at("detail"));
  on(document, "keydown", (event) => { if ((event.ctrlKey || event.metaKey) && !event.shiftKey && event.key.toLowerCase() === "z" && !event.target.matches("input") && past.length) { event.preventDefault(); undo(); } });
}
function refresh(before) {
  const column = chosenColumn();
  if (!detail || detail.column !== column || before.rule !== state.rule) { active = { column, end: firstEnd(column) }; build(column); drawRules(state.bounds, judged(state.bounds)); }
  update();
}
/* The bound that takes the most is the one to look at. */
function firstEnd(column) {
  const [min, max] = boundsOf(column, state.bounds);
  if (min == null || max == null) return min == null && max != null ? 1 : 0;
  return ordered(column).length - placeOf(column, max, true) > placeOf(column, min) ? 1 : 0;
}
function build(column) {
  const { plot } = axisOf(column), [unit, meaning] = plot.about, [short] = meaning.replaceAll("`", "").split(/[.;:,] /), can = settable.has(column);
  const figure = at("detail");
  const inputs = END_NAMES.map((end, i) => el("input", { type: "text", id: `bound-${end}`, autocomplete: "off", spellcheck: "false", inputmode: "text", placeholder: "none", "aria-label": `${END_WORDS[i]} ${words(column)}`, "aria-describedby": "bound-help", disabled: can ? null : "" }));
  inputs.forEach((input, i) => {
    on(input, "focus", () => { active.end = i; update(); });
    on(input, "keydown", (event) => { if (event.key === "Enter") take(input, i); });
    on(input, "change", () => take(input, i));
  });
  const help = el("span", { class: "soft", id: "bound-help" }, can ? "a number, p10 for the tenth percentile, or nothing" : "the recipe has no such column for a rule");
  detail = {
    column, inputs, help, width: figure.clientWidth, counts: el("dl", { class: "counts" }), edges: el("div", { class: "edges" }), missing: el("p", { class: "note" }),
    reset: button("As it was", { class: "plain", id: "reset" }, () => change({ bounds: withBounds(column, boundsOf(column, ownBounds)) })), ...bigPlot(column, can),
  };
  figure.replaceChildren(
    el("h3", {}, words(column), el("small", {}, ` ${visible(short)}${unit ? `, ${visible(unit)}` : ""}`)),
    el("div", { class: "ends" }, el("label", {}, "at least ", inputs[0]), el("label", {}, "at most ", inputs[1]), detail.reset, help),
    detail.picture,
    el("p", { class: "legend" }, [["kept", "kept"], ["other", "within, but dropped by another rule"], ["lost", "dropped by this rule"]].map(([kind, label]) => el("span", {}, el("i", { class: kind }), label))),
    detail.counts, detail.missing, detail.edges);
}
function take(input, end) {
  const { column } = detail, bounds = [...boundsOf(column, state.bounds)], read = boundFrom(input.value, column);
  const other = bounds[1 - end], wrong = read.error || (read.value != null && other != null && (end ? read.value < other : read.value > other) ? `not ${end ? "below" : "above"} ${exact(other)}, the other bound` : "");
  detail.help.textContent = wrong || "a number, p10 for the tenth percentile, or nothing";
  input.setAttribute("aria-invalid", Boolean(wrong));
  if (wrong || read.value === bounds[end]) return;
  bounds[end] = read.value;
  change({ bounds: withBounds(column, bounds) });
}

function bigPlot(column, can) {
  const axis = axisOf(column), width = Math.max(280, at("detail").clientWidth || 680), top = 34, base = 190;
  const picture = svg("svg", { class: "big", viewBox: `0 0 ${width} 214`, width, height: 214 });
  const outside = [0, 1].map(() => svg("rect", { class: "outside", y: top, height: base - top })), group = svg("g");
  picture.append(...outside, group, svg("path", { class: "axis", d: `M0 ${base + .5}H${width}` }));
  for (const mark of ticksOf(axis, width)) {
    const x = axis.share(mark) * width;
    picture.append(svg("path", { class: "axis", d: `M${x.toFixed(1)} ${base}v4` }), svg("text", { x: x.toFixed(1), y: base + 18, "text-anchor": x < 12 ? "start" : x > width - 16 ? "end" : "middle" }, score(mark)));
  }
  const handles = [0, 1].map((end) => {
    const made = svg("g", { class: "handle", role: "slider", tabindex: can ? 0 : null, "aria-label": `${END_WORDS[end]} ${words(column)}`, "data-end": END_NAMES[end], "aria-disabled": can ? null : "true" });
    made.append(svg("rect", { class: "grip", x: -14, y: 0, width: 28, height: base }), svg("path", { class: "bound", d: `M0 24V${base}` }), svg("path", { class: "knob", d: end ? "M-9 8h9v16z" : "M9 8h-9v16z" }), svg("text", { y: 18 }));
    on(made, "focus", () => { if (active.end !== end) { active.end = end; update(); } });
    on(made, "keydown", (event) => byKey(event, column, end, axis));
    return made;
  });
  picture.append(...handles);
  if (can) dragged(picture, column, axis, width);
  return { picture, group, outside, handles, axis, plotWidth: width, top, base };
}
function moved(column, end, value) {
  const bounds = [...boundsOf(column, boundsNow())], other = bounds[1 - end];
  bounds[end] = value != null && other != null ? (end ? Math.max(value, other) : Math.min(value, other)) : value;
  return withBounds(column, bounds);
}
function valueAt(axis, share, pixel, end) {
  return end ? (share >= 1 ? null : roundValue(axis, share, pixel)) : (share <= 0 ? null : roundValue(axis, share, pixel));
}
function dragged(picture, column, axis, width) {
  let end = null;
  const shareOf = (event) => { const box = picture.getBoundingClientRect(); return (event.clientX - box.left) / box.width; };
  const place = (i) => { const bound = boundsOf(column, boundsNow())[i]; return bound == null ? i : Math.min(1, Math.max(0, axis.share(bound))); };
  const move = perFrame((share, which) => { if (end === null) return; live = moved(column, which, valueAt(axis, Math.min(1, Math.max(0, share)), 1 / width, which)); update(true); });
  on(picture, "pointerdown", (event) => {
    const share = shareOf(event), far = [0, 1].map((i) => Math.abs(place(i) - share) * width);
    const nearer = far[0] === far[1] ? (share < place(0) ? 0 : 1) : far[0] < far[1] ? 0 : 1;
    if (event.button || (event.pointerType !== "mouse" && far[nearer] > 28)) return;
    event.preventDefault();
    end = nearer;
    active.end = end;
    detail.handles[end].focus({ preventScroll: true });
    picture.setPointerCapture(event.pointerId);
    move(far[nearer] < 14 ? place(end) : share, end);
  });
  on(picture, "pointermove", (event) => { if (end !== null) move(shareOf(event), end); });
  const finish = (event) => {
    if (end === null) return;
    if (event.type === "pointerup") live = moved(column, end, valueAt(axis, Math.min(1, Math.max(0, shareOf(event))), 1 / width, end));
    end = null;
    land();
  };
  on(picture, "pointerup", finish);
  on(picture, "pointercancel", finish);
}
/* What was dragged becomes a state that can be gone back from. */
function land() {
  const bounds = live;
  live = null;
  if (bounds && changedBetween(bounds, state.bounds)) change({ bounds }); else update();
}
const changedBetween = (a, b) => [...new Set([...a.keys(), ...b.keys()])].some((column) => !same(boundsOf(column, a), boundsOf(column, b)));
function byKey(event, column, end, axis) {
  const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key], bound = boundsOf(column, boundsNow())[end];
  let value;
  if (step !== undefined) {
    const pixel = axis.plot.whole ? 1 / axis.bins : .005, from = bound == null ? end : Math.min(1, Math.max(0, axis.share(bound)));
    value = valueAt(axis, from + step * pixel, pixel, end);
  } else if (event.key === "Delete" || event.key === "Backspace" || event.key === (end ? "End" : "Home")) value = null;
  else return;
  event.preventDefault();
  /* A key that is held down is one change. */
  change({ bounds: moved(column, end, value) }, event.repeat);
}

/* All that follows from the bounds; while one is dragged, pictures stand still and the list of rules waits. */
function update(dragging = false) {
  const bounds = boundsNow(), verdict = judged(bounds), { column } = detail, own = boundsOf(column, bounds);
  drawDetail(column, own, verdict, dragging);
  if (dragging) settle(); else rulesSoon();
  drawChange(bounds, verdict);
}
const rulesSoon = after(40, () => { if (!live) drawRules(state.bounds, judged(state.bounds)); });
const settle = after(250, () => { if (live) update(); });
function drawDetail(column, own, verdict, dragging) {
  const { axis, plotWidth: width, top, base } = detail, { made, tears, step } = bars(binned(column, verdict), width, top + 10, base);
  detail.group.replaceChildren(...made, ...tears.map(({ x }) => svg("path", { class: "torn", d: `M${(x - 2).toFixed(1)} ${top + 22}l${(step + 4).toFixed(1)} -6` })),
    ...tears.map(({ x, number }) => svg("text", { x: x > width * .8 ? x - 5 : x + step + 4, y: top + 18, "text-anchor": x > width * .8 ? "end" : "start" }, count(number))));
  own.forEach((bound, end) => {
    const share = bound == null ? end : axis.share(bound), x = Math.min(1, Math.max(0, share)) * width, away = bound != null && (share < 0 || share > 1);
    const handle = detail.handles[end], label = handle.querySelector("text"), right = end ? x > 90 : x > width - 90;
    handle.setAttribute("transform", `translate(${x.toFixed(1)} 0)`);
    handle.setAttribute("class", `handle${bound == null ? " none" : ""}${active.end === end ? " active" : ""}`);
    label.textContent = bound == null ? "" : `${away && share < 0 ? "\u2190 " : ""}${exact(bound)}${away && share > 1 ? " \u2192" : ""}`;
    label.setAttribute("x", right ? -13 : 13);
    label.setAttribute("text-anchor", right ? "end" : "start");
    const value = bound == null ? axis.value(end) : bound;
    for (const [name, said] of [["aria-valuenow", value], ["aria-valuemin", Math.min(axis.value(0), value)], ["aria-valuemax", Math.max(axis.value(1), value)], ["aria-valuetext", bound == null ? "no bound" : exact(bound)]]) handle.setAttribute(name, said);
    detail.outside[end].setAttribute("x", end ? x : 0);
    detail.outside[end].setAttribute("width", Math.max(0, bound == null ? 0 : end ? width - x : x));
    if (document.activeElement !== detail.inputs[end] || !dragging) detail.inputs[end].value = bound == null ? "" : exact(bound);
  });
  detail.reset.disabled = same(own, boundsOf(column, ownBounds));
  const now = keptBy(verdict), before = ownKept(), alone = keptAlone(column, verdict), only = onlyBy(column, verdict);
  const line = (label, text, id) => el("div", {}, el("dt", {}, label), el("dd", { "data-count": id }, text));
  detail.counts.replaceChildren(
    line("this rule alone keeps", about(clipsAnd(alone)), "alone"), line("all rules together keep", about(clipsAnd(now)), "together"),
    line("only this rule drops", about(clipsAnd(only)), "only"), line("against the recipe\u2019s bounds", differenceOf(now, before), "difference"));
  detail.missing.textContent = notes(column, own).join(" ");
  drawEdges(detail.edges, column, own, active.end, verdict, !dragging);
}
function notes(column, own) {
  const { plot, value } = axisOf(column), middle = [plot.median == null ? "" : `median ${score(plot.median)}`, plot.median_kept == null ? "" : `of those kept ${score(plot.median_kept)}`].filter(Boolean).join(", ");
  return [
    middle ? `${middle[0].toUpperCase()}${middle.slice(1)}, as the table has it.` : "",
    plot.open_low ? `The first bin holds all below ${score(value(1 / plot.kept.length))}.` : "",
    plot.open_high ? `The last bin holds all above ${score(value(1 - 1 / plot.kept.length))}.` : "",
    plot.missing ? `${plural(plot.missing, "clip")} ${plot.missing === 1 ? "has" : "have"} no number here${hasBounds(own) ? "; a bound drops them" : ""}.` : ""].filter(Boolean);
}
function differenceOf(now, before) {
  const number = Math.round(now.clips) - Math.round(before.clips), length = now.seconds - before.seconds;
  return number === 0 && Math.abs(length) < .05 ? "no change" : about(`${signed(plural(Math.abs(number), "clip"), number)}, ${signed(play(Math.abs(length)), length)}`);
}
/* Buttons stay the same ones: what is rebuilt while a finger is on it cannot be pressed. */
const ruleItem = lazily((column) => {
  const said = el("span", { class: "soft" }), picture = el("span", { class: "spark" });
  return { said, picture, button: button([el("span", { class: "label" }, el("b", {}, words(column)), said), picture], { "data-column": column }, () => change({ rule: column })) };
});
let listedRules = "";
function drawRules(bounds, verdict) {
  const isRuled = (column) => hasBounds(boundsOf(column, bounds)) || ownBounds.has(column), ruled = explorable.filter(isRuled), others = explorable.filter((column) => !isRuled(column));
  for (const column of explorable) {
    const item = ruleItem(column), own = boundsOf(column, bounds), dropped = totals.clips - keptAlone(column, verdict).clips, only = onlyBy(column, verdict).clips;
    item.said.textContent = hasBounds(own) ? `${boundWords(own)}: drops ${count(dropped)}${dropped ? `, ${count(only)} alone` : ""}` : "no bound";
    item.picture.replaceChildren(sparkline(column, own, verdict));
    item.button.setAttribute("aria-pressed", column === detail.column);
    item.button.setAttribute("class", same(own, boundsOf(column, ownBounds)) ? "rule" : "rule changed");
  }
  if (listedRules === ruled.join("\n")) return;
  listedRules = ruled.join("\n");
  const buttons = (some) => some.map((column) => ruleItem(column).button), focused = document.activeElement;
  at("rules").replaceChildren(...buttons(ruled), ...(others.length ? [el("h3", { class: "small" }, ruled.length ? "No rule yet" : "Measures"), ...buttons(others)] : []));
  if (at("rules").contains(focused)) focused.focus({ preventScroll: true });
}
/* The bar at the foot of the window, there as soon as a bound is another one than the recipe's. */
function drawChange(bounds, verdict) {
  const box = at("change"), changed = changedColumns(bounds).length > 0;
  if (box.hidden && !changed) return;
  if (!box.firstChild) box.append(
    el("p", { role: "status", id: "change-said" }),
    el("div", { class: "buttons" }, button("Undo", { class: "plain", id: "undo" }, undo), button("Start over", { class: "plain", id: "over" }, () => change({ bounds: new Map(ownBounds) })), button("Copy command", { class: "plain main", id: "copy" }, copyCommand)),
    el("code", { id: "command", tabindex: "0", role: "textbox", "aria-readonly": "true", "aria-label": "The command" }));
  box.hidden = !changed && !past.length;
  const now = keptBy(verdict), before = ownKept();
  at("change-said").replaceChildren(el("b", { id: "would-keep" }, about(clipsAnd(now))), ` kept, ${differenceOf(now, before)}`);
  at("undo").disabled = !past.length;
  at("over").disabled = at("copy").disabled = !changed;
  at("copy").textContent = "Copy command";
  at("command").textContent = changed ? commandFor(bounds) : "";
}
function copyCommand() {
  const said = () => { at("copy").textContent = "Copied"; };
  const select = () => { getSelection().selectAllChildren(at("command")); if (document.execCommand("copy")) said(); };
  if (navigator.clipboard) navigator.clipboard.writeText(at("command").textContent).then(said, select); else select();
}
