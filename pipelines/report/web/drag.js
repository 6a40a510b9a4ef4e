/* The two bounds on a histogram are moved: by pointer and by keys. */
function bigPlot(column, can) {
  const axis = axisOf(column),
    width = Math.max(280, at("detail").clientWidth || 680),
    top = 34,
    base = 190;
  const picture = svg("svg", { class: "big", viewBox: `0 0 ${width} 214`, width, height: 214 });
  const outside = [0, 1].map(() => svg("rect", { class: "outside", y: top, height: base - top })),
    group = svg("g");
  picture.append(...outside, group, svg("path", { class: "axis", d: `M0 ${base + 0.5}H${width}` }));
  for (const mark of ticksOf(axis, width)) {
    const x = axis.share(mark) * width;
    picture.append(
      svg("path", { class: "axis", d: `M${x.toFixed(1)} ${base}v4` }),
      svg(
        "text",
        { x: x.toFixed(1), y: base + 18, "text-anchor": x < 12 ? "start" : x > width - 16 ? "end" : "middle" },
        score(mark),
      ),
    );
  }
  const handles = [0, 1].map((end) => {
    const made = svg("g", {
      class: "handle",
      role: "slider",
      tabindex: can ? 0 : null,
      "aria-label": `${END_WORDS[end]} ${words(column)}`,
      "data-end": END_NAMES[end],
      "aria-disabled": can ? null : "true",
    });
    made.append(
      svg("rect", { class: "grip", x: -14, y: 0, width: 28, height: base }),
      svg("path", { class: "bound", d: `M0 24V${base}` }),
      svg("path", { class: "knob", d: end ? "M-9 8h9v16z" : "M9 8h-9v16z" }),
      svg("text", { y: 18 }),
    );
    on(made, "focus", () => {
      if (active.end !== end) {
        active.end = end;
        update();
      }
    });
    on(made, "keydown", (event) => byKey(event, column, end, axis));
    return made;
  });
  picture.append(...handles);
  if (can) dragged(picture, column, axis, width);
  return { picture, group, outside, handles, axis, plotWidth: width, top, base };
}
function moved(column, end, value) {
  const bounds = [...boundsOf(column, boundsNow())],
    other = bounds[1 - end];
  bounds[end] = value != null && other != null ? (end ? Math.max(value, other) : Math.min(value, other)) : value;
  return withBounds(column, bounds);
}
function valueAt(axis, share, pixel, end) {
  return end
    ? share >= 1
      ? null
      : roundValue(axis, share, pixel)
    : share <= 0
      ? null
      : roundValue(axis, share, pixel);
}
function dragged(picture, column, axis, width) {
  let end = null;
  const shareOf = (event) => {
    const box = picture.getBoundingClientRect();
    return (event.clientX - box.left) / box.width;
  };
  const place = (i) => {
    const bound = boundsOf(column, boundsNow())[i];
    return bound == null ? i : Math.min(1, Math.max(0, axis.share(bound)));
  };
  const move = perFrame((share, which) => {
    if (end === null) return;
    live = moved(column, which, valueAt(axis, Math.min(1, Math.max(0, share)), 1 / width, which));
    update(true);
  });
  on(picture, "pointerdown", (event) => {
    const share = shareOf(event),
      far = [0, 1].map((i) => Math.abs(place(i) - share) * width);
    const nearer = far[0] === far[1] ? (share < place(0) ? 0 : 1) : far[0] < far[1] ? 0 : 1;
    if (event.button || (event.pointerType !== "mouse" && far[nearer] > 28)) return;
    event.preventDefault();
    end = nearer;
    active.end = end;
    detail.handles[end].focus({ preventScroll: true });
    picture.setPointerCapture(event.pointerId);
    move(far[nearer] < 14 ? place(end) : share, end);
  });
  on(picture, "pointermove", (event) => {
    if (end !== null) move(shareOf(event), end);
  });
  const finish = (event) => {
    if (end === null) return;
    if (event.type === "pointerup")
      live = moved(column, end, valueAt(axis, Math.min(1, Math.max(0, shareOf(event))), 1 / width, end));
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
  if (bounds && changedBetween(bounds, state.bounds)) change({ bounds });
  else update();
}
const changedBetween = (a, b) =>
  [...new Set([...a.keys(), ...b.keys()])].some((column) => !same(boundsOf(column, a), boundsOf(column, b)));
function byKey(event, column, end, axis) {
  const step = { ArrowLeft: -1, ArrowDown: -1, ArrowRight: 1, ArrowUp: 1, PageDown: -10, PageUp: 10 }[event.key],
    bound = boundsOf(column, boundsNow())[end];
  let value;
  if (step !== undefined) {
    const pixel = axis.plot.whole ? 1 / axis.bins : 0.005,
      from = bound == null ? end : Math.min(1, Math.max(0, axis.share(bound)));
    value = valueAt(axis, from + step * pixel, pixel, end);
  } else if (event.key === "Delete" || event.key === "Backspace" || event.key === (end ? "End" : "Home")) value = null;
  else return;
  event.preventDefault();
  /* A key that is held down is one change. */
  change({ bounds: moved(column, end, value) }, event.repeat);
}
