/* A clip on a card, and alone. */
const isOut = (column, row) =>
  hasBounds(boundsOf(column, state.bounds)) && broken(column, boundsOf(column, state.bounds))[row] === 1;
/* The share of all clips that lie between this one and the bound. */
function nearness(column, row) {
  const rows = ordered(column),
    place = placeOf(column, scores(column)[row]),
    bounds = boundsOf(column, state.bounds);
  return Math.min(
    ...bounds.map((bound, end) =>
      bound == null ? 1 : Math.abs(placeOf(column, bound, end === 1) - place) / (rows.length || 1),
    ),
  );
}
function leading(row) {
  const ruled = [...state.bounds.keys()].filter(
    (column) => plots.has(column) && hasBounds(boundsOf(column, state.bounds)) && !Number.isNaN(scores(column)[row]),
  );
  const against = ruled.filter((column) => isOut(column, row)),
    differing = ruled.filter(
      (column) => !against.includes(column) && !constantColumns.has(column) && column !== "duration_seconds",
    );
  const near = differing
    .map((column) => [nearness(column, row), column])
    .sort((a, b) => a[0] - b[0])
    .slice(0, Math.max(0, 4 - against.length))
    .map(([, column]) => column);
  const first = plots.has(state.sort) ? [state.sort] : [];
  return [...new Set([...first, ...state.ranges.map(([column]) => column), ...against, ...near])];
}
const scoreItem = (column, row, note) =>
  el(
    "div",
    { class: isOut(column, row) ? "broken" : null },
    el("dt", { title: visible(column) }, words(column), note ? el("small", {}, ` ${note}`) : null),
    el("dd", {}, score(scores(column)[row])),
  );
const tags = (row) =>
  el(
    "ul",
    { class: "tags", "aria-label": "Status and reasons" },
    status.of(row) === "kept"
      ? el("li", { class: "yes" }, "kept")
      : status.of(row) === "failed"
        ? el("li", {}, "failed")
        : null,
    reasonsOf(row).map((reason) => el("li", { title: visible(reason) }, reasonWords(reason))),
  );
function card(row) {
  const box = moving(row, "pointed"),
    name = baseName(uri.of(row));
  const open = button(box, { class: "bare", "aria-label": `Details of ${name} ${span(row)}` }, () =>
    openClip(row, found),
  );
  const made = el(
    "article",
    { class: "card", "data-status-of": status.of(row), "data-id": clips.id[row] },
    open,
    el("div", { class: "top" }, named("span", name, uri.of(row)), el("span", { class: "span" }, play(seconds[row]))),
    el("div", { class: "span" }, span(row)),
    status.of(row) === "kept" ? null : tags(row),
    byHandOn(row),
    repeatLine(row),
    caption.of(row) ? el("p", { class: "caption", dir: "auto" }, visibleLines(caption.of(row))) : null,
    el(
      "dl",
      { class: "scores" },
      leading(row).map((column) => scoreItem(column, row)),
    ),
  );
  return playsWhenPointed(onKeys(row, made), box);
}

let opened = [];
function openClip(row, rows) {
  opened = rows;
  change({ clip: clips.id[row] });
}
function drawClip() {
  const box = at("clip"),
    row = rowOf.get(state.clip);
  if (row === undefined) {
    if (box.open) box.close();
    if (served && state.clip)
      ask("clips", new URLSearchParams({ id: state.clip })).then((answer) => {
        if (rowsIn(answer).length && rowOf.has(state.clip)) drawClip();
      }, trouble);
    return;
  }
  const ids = opened.map((one) => clips.id[one]),
    rows = ids.includes(state.clip) ? opened : [row],
    index = Math.max(0, ids.indexOf(state.clip)),
    all = rows === found ? foundAll.clips : rows.length;
  const go = (to) => {
    if (to >= 0 && to < rows.length) change({ clip: clips.id[rows[to]] }, true);
    else if (to === rows.length && to < all) more().then(() => to < rows.length && go(to));
  };
  const step = (label, by, glyph) => {
    const to = index + by;
    return button(
      glyph,
      { class: "plain", "aria-label": label, disabled: to < 0 || to >= all ? "" : null },
      () => go(to),
    );
  };
  const fact = (name, text) =>
    el(
      "div",
      {},
      el("dt", {}, words(name)),
      el(
        "dd",
        { dir: "auto" },
        (text.match(/#[0-9a-f]{6}\b/gi) || [])
          .slice(0, 8)
          .map((color) => style(el("i", { class: "swatch" }), { background: color })),
        visible(text),
      ),
    );
  const others = Object.keys(clips.facts)
    .filter((name) => !groupFacts.has(name))
    .map((name) => [name, facts(name).of(row)])
    .filter(([, text]) => text != null);
  const parts = [
    el(
      "nav",
      {},
      el("span", {}, `${count(index + 1)} of ${count(all)}`),
      step("Previous clip", -1, "\u2190"),
      step("Next clip", 1, "\u2192"),
      button("Close", { class: "plain" }, () => box.close()),
    ),
    el("div", { class: "screen" }, box.open && box.shownClip === state.clip ? null : player(row)),
    el(
      "div",
      { class: "body" },
      named("h3", visible(uri.of(row) || "unnamed")),
      el("p", { class: "note" }, [span(row), play(seconds[row]), clips.id[row]].filter(Boolean).join(" \u00b7 ")),
      tags(row),
      served ? sayBox(row) : byHandOn(row),
      repeatLine(row),
      alike(row),
      caption.of(row) ? el("p", { class: "caption", dir: "auto" }, visibleLines(caption.of(row))) : null,
      el(
        "p",
        {},
        button("All clips of this source", { class: "plain" }, () => {
          box.close();
          showSource(uri.of(row) || "");
        }),
      ),
      el(
        "dl",
        { class: "scores" },
        columns
          .filter((column) => !Number.isNaN(scores(column)[row]))
          .map((column) =>
            scoreItem(
              column,
              row,
              hasBounds(boundsOf(column, state.bounds)) ? boundWords(boundsOf(column, state.bounds)) : "",
            ),
          ),
      ),
      el(
        "dl",
        { class: "scores" },
        others.map(([name, text]) => fact(name, text)),
      ),
    ),
  ];
  /* Of the clip that is there already, the film goes on. */
  const isThere = box.open && box.shownClip === state.clip;
  if (isThere) [0, 2].forEach((place) => box.children[place].replaceWith(parts[place]));
  else box.replaceChildren(...parts);
  box.shownClip = state.clip;
  box.onkeydown = (event) => {
    const by = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (by && !event.target.matches("video, input, textarea")) {
      event.preventDefault();
      go(index + by);
    } else sayByKey(event, row);
  };
  box.onclick = (event) => {
    if (event.target === box) box.close();
  };
  box.onclose = () => {
    box.querySelectorAll("video").forEach((one) => one.pause());
    if (state.clip) change({ clip: "" });
  };
  if (!box.open) box.showModal();
  /* The focused button is gone with the clip before; the arrow keys need the focus inside. */
  if (isThere) return;
  box.focus();
  box.scrollTop = 0;
}
/* The film itself with its controls where it can be played, else the strip of its frames. */
function player(row) {
  if (!filmOf(row)) return stripOf(row);
  const made = el("video", {
    src: `${filmOf(row)}#t=${start[row].toFixed(3)},${(start[row] + seconds[row]).toFixed(3)}`,
    controls: "",
    playsinline: "",
    preload: "auto",
    "aria-label": `${baseName(uri.of(row))} ${span(row)}`,
  });
  made.muted = true;
  made.autoplay = !calm.matches;
  on(made, "error", () => made.replaceWith(stripOf(row)));
  return made;
}
