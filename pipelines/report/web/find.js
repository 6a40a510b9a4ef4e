/* Every clip that the page holds can be found: by words, status, reason, source and any score. */
const PAGE = 24;
let found = [];
/* Of all that were found, also those that the server has not sent. */
let foundAll = { clips: 0, seconds: 0 };
let shownCards = PAGE;
const listedReasons = new Set(data.reasons.map((step) => step.reason));
const hasReason = (row, reason) =>
  reasonsOf(row).includes(reason) ||
  (reason === "other_reasons" && reasonsOf(row).some((own) => !listedReasons.has(own)));
const haystack = lazily((row) =>
  [
    ...[caption, uri, tagsOf, noteOf, status].map((text) => text.of(row)),
    ...[clips.id[row], ...reasonsOf(row), ...reasonsOf(row).map(reasonWords)],
  ]
    .join(" ")
    .toLowerCase(),
);
const keyOf = (row) =>
  state.sort === "start" ? start[row] : state.sort === "seconds" ? seconds[row] : scores(state.sort)[row];
/* Which clips the moved bounds decide otherwise than the table has it. */
const changes = (verdict) => (row) => (verdict.against[row] === 0) !== (status.of(row) === "kept");

const hasStatus = (row, wanted) =>
  wanted === "all" ||
  (wanted === "keep" || wanted === "drop"
    ? verdictOf.of(row) === wanted
    : wanted === "said"
      ? Boolean(verdictOf.of(row) || tagsOf.of(row) || noteOf.of(row))
      : status.of(row) === wanted);

function findClips() {
  const wanted = state.q.toLowerCase().split(/\s+/).filter(Boolean),
    differs = state.status === "changed" ? changes(judged(state.bounds)) : null;
  const ranges = state.ranges.map(([column, low, high]) => [
    scores(column),
    low == null ? -Infinity : low,
    high == null ? Infinity : high,
  ]);
  const rows = [];
  for (let row = 0; row < rowCount; row++) {
    if (differs ? !differs(row) : !hasStatus(row, state.status)) continue;
    if (state.reason && !hasReason(row, state.reason)) continue;
    if (state.source && uri.of(row) !== state.source) continue;
    if (state.group && !inGroup(row, state.group)) continue;
    if (!ranges.every(([values, low, high]) => values[row] >= low && values[row] <= high)) continue;
    if (wanted.length && !wanted.every((word) => haystack(row).includes(word))) continue;
    rows.push(row);
  }
  if (state.sort) {
    const key = keyOf,
      known = (row) => !Number.isNaN(key(row)),
      turn = state.up ? 1 : -1;
    rows.sort((a, b) => known(b) - known(a) || (known(a) ? (key(a) - key(b) || 0) * turn : 0) || a - b);
  }
  return rows;
}
function drawFind() {
  const section = at("find");
  section.hidden = !totals.clips;
  if (section.hidden) return;
  const many = isSample && !served
    ? ` Of ${count(totals.clips)} clips, this page holds ${count(rowCount)}: a fair sample of ${count(clips.fair)}, and some of each reason.`
    : "";
  const search = on(
    el("input", {
      type: "search",
      id: "q",
      placeholder: "caption, file, reason, id",
      "aria-label": "Search clips",
      autocomplete: "off",
      spellcheck: "false",
    }),
    "input",
    after(120, () => change({ q: search.value }, true)),
  );
  const segments = [
    ["all", "All"],
    ["kept", "Kept"],
    ["rejected", "Rejected"],
    ["failed", "Failed"],
    ["changed", "Would change"],
    ["keep", "Kept by hand"],
    ["drop", "Dropped by hand"],
    ["said", "Said by hand"],
  ].map(([key, label]) =>
    button(label, { "data-status": key, "data-label": label }, () => change({ status: key, ...(key === "kept" ? { reason: "" } : {}) })),
  );
  const select = (id, label, options, handler) => {
    const made = on(el("select", { id }, options), "change", () => handler(made.value));
    return el("label", {}, `${label} `, made);
  };
  const measures = explorable.map((column) => option(column, words(column)));
  const from = el("input", {
      type: "text",
      id: "where-low",
      size: 5,
      placeholder: "least",
      "aria-label": "Least score",
      inputmode: "decimal",
    }),
    to = el("input", {
      type: "text",
      id: "where-high",
      size: 5,
      placeholder: "most",
      "aria-label": "Most score",
      inputmode: "decimal",
    });
  const where = el(
    "select",
    { id: "where", "aria-label": "Score to filter by" },
    option("", "any score"),
    measures.map((one) => one.cloneNode(true)),
  );
  const add = () => {
    if (where.value && (from.value.trim() || to.value.trim()))
      change({
        ranges: [
          ...state.ranges.filter(([column]) => column !== where.value),
          [where.value, numberIn(from.value.trim()), numberIn(to.value.trim())],
        ],
      });
  };
  for (const input of [from, to])
    on(input, "keydown", (event) => {
      if (event.key === "Enter") add();
    });
  section.append(
    el("p", { class: "note" }, constants(), many),
    el(
      "div",
      { class: "controls" },
      search,
      el("div", { class: "segments", role: "group", "aria-label": "Status" }, segments),
      data.reasons.length
        ? select(
            "reason",
            "Reason",
            [
              option("", "any"),
              ...data.reasons.map((step) =>
                option(step.reason, `${reasonWords(step.reason).slice(0, 80)} (${count(step.total)})`),
              ),
            ],
            (reason) => change({ reason, ...(reason && state.status === "kept" ? { status: "all" } : {}) }),
          )
        : null,
      hasDuplicates
        ? select(
            "group",
            "Duplicates",
            [option("", "all clips"), option("any", "in a group"), option("repeats", "repeats another")],
            (group) => change({ group, ...(group === "repeats" && state.status === "kept" ? { status: "all" } : {}) }),
          )
        : null,
      el(
        "span",
        { class: "together" },
        select(
          "sort",
          "Order",
          [option("", "shuffled"), ...measures, option("start", "start time"), option("seconds", "length")],
          (sort) => change({ sort }),
        ),
        button("", { class: "plain", id: "direction" }, () => change({ up: !state.up })),
      ),
      explorable.length
        ? el("span", { class: "together" }, where, from, to, button("Filter", { class: "plain", id: "add" }, add))
        : null,
    ),
    el(
      "div",
      { class: "found" },
      el("ul", { class: "chips", id: "chips" }),
      el("p", { class: "shown", id: "shown", role: "status" }),
    ),
    el("div", { class: "cards", id: "cards" }),
    button("", { class: "plain more", id: "more" }, more),
  );
  views.push((before) => {
    if (
      ["q", "status", "reason", "source", "group", "sort", "up", "ranges"].some((key) => before[key] !== state[key]) ||
      (state.status === "changed" && before.bounds !== state.bounds)
    )
      showFound();
    drawSegments();
  });
  showFound();
  drawSegments();
}
/* What is the same for each clip is told once, here. */
const constantColumns = new Set(
  explorable.filter((column) => rowCount > 1 && scores(column).every((value) => value === scores(column)[0])),
);
const constantFacts = new Set(
  Object.keys(clips.facts).filter(
    (name) => rowCount > 1 && facts(name).texts.length === 1 && facts(name).codes.every((code) => code === 1),
  ),
);
function constants() {
  const said = [
    ...[...constantColumns].map((column) => `${words(column)} ${score(scores(column)[0])}`),
    ...[...constantFacts].map((name) => `${words(name)} ${visible(facts(name).texts[0]).slice(0, 60)}`),
  ];
  const which = isSample ? (served ? " of a sample" : " in this page") : "";
  return said.length ? `The same for every clip${which}: ${said.join(", ")}.` : "";
}
function countOf(key) {
  if (key === "all") return totals.clips;
  if (key === "changed") {
    if (!changedColumns(state.bounds).length) return 0;
    const verdict = judged(state.bounds);
    return verdict.told ? verdict.told.differs[0] : tally(changes(verdict)).clips;
  }
  return totals[key] ?? tally((row) => hasStatus(row, key)).clips;
}
function drawSegments() {
  for (const one of document.querySelectorAll("[data-status]")) {
    const key = one.dataset.status,
      number = countOf(key);
    one.setAttribute("aria-pressed", key === state.status);
    one.hidden = !number && !["all", "kept", "rejected"].includes(key) && key !== state.status;
    one.textContent = `${one.dataset.label} ${count(number)}`;
  }
}
function showFound() {
  shownCards = PAGE;
  if (served) askFound();
  else {
    found = findClips();
    foundAll = { clips: found.length, seconds: found.reduce((sum, row) => sum + seconds[row], 0) };
  }
  if (document.activeElement !== at("q")) at("q").value = state.q;
  if (at("reason")) at("reason").value = state.reason;
  if (at("group")) at("group").value = ["any", "repeats"].includes(state.group) ? state.group : "";
  at("sort").value = state.sort;
  at("direction").hidden = !state.sort;
  at("direction").textContent = state.up ? "\u2191" : "\u2193";
  at("direction").setAttribute("aria-label", state.up ? "Lowest first; turn" : "Highest first; turn");
  const chip = (label, changes) =>
    el(
      "li",
      {},
      button(`${label} \u00d7`, { class: "chip", "aria-label": `Remove the filter: ${label}` }, () => change(changes)),
    );
  at("chips").replaceChildren(
    ...(state.group ? [chip(groupWords(state.group), { group: "" })] : []),
    ...(state.source ? [chip(`source ${baseName(state.source)}`, { source: "" })] : []),
    ...state.ranges.map(([column, ...range]) =>
      chip(`${words(column)} ${boundWords(range)}`, { ranges: state.ranges.filter(([other]) => other !== column) }),
    ),
    ...(state.reason ? [chip(reasonWords(state.reason), { reason: "" })] : []),
    ...(state.q ? [chip(`\u201c${visible(state.q)}\u201d`, { q: "" })] : []),
  );
  if (served) return;
  at("cards").replaceChildren();
  addCards(0);
}
const choiceNow = () => hashOf({ ...state, clip: "", rule: "" });
function askFound() {
  at("cards").setAttribute("aria-busy", "true");
  asked("find", choiceNow(), (answer, isNewest) => {
    if (!isNewest) return;
    found = rowsIn(answer);
    foundAll = { clips: answer.total, seconds: answer.seconds };
    at("cards").removeAttribute("aria-busy");
    at("cards").replaceChildren();
    addCards(0);
  });
}
/* See that as many of what was found are here as are to be shown. */
function fetchFound() {
  if (!served || found.length >= Math.min(shownCards, foundAll.clips)) return Promise.resolve();
  const said = choiceNow(),
    query = new URLSearchParams(said);
  query.set("from", found.length);
  query.set("count", shownCards - found.length);
  return ask("find", query).then((answer) => {
    if (said === choiceNow()) found.push(...rowsIn(answer));
  }, trouble);
}
function more() {
  const from = shownCards;
  shownCards += PAGE * 2;
  return fetchFound().then(() => {
    addCards(from);
    const first = at("cards").children[from];
    if (first && !at("clip").open) first.querySelector("button").focus({ preventScroll: true });
  });
}
function addCards(from) {
  const to = Math.min(shownCards, found.length);
  at("cards").append(...found.slice(from, to).map(card));
  if (!found.length) at("cards").append(el("p", { class: "empty" }, "No clip fits this choice."));
  at("shown").textContent =
    `Showing ${count(to)} of ${plural(foundAll.clips, "clip")}${isSample && !served ? " in this page" : ""}, ${play(foundAll.seconds)}`;
  at("more").hidden = to >= foundAll.clips;
  at("more").textContent = `Show ${count(Math.min(PAGE * 2, foundAll.clips - to))} more`;
}
/* From elsewhere on the page: these clips, and nothing else that was chosen before. */
function showClips(choice) {
  change({ q: "", status: "all", reason: "", source: "", group: "", ranges: [], ...choice });
  at("find").scrollIntoView();
  at("find-title").focus({ preventScroll: true });
}
