/* The sources: what each one gave, on its time line, and what lies in no clip. */
const SOURCES = 12;
let shownSources = SOURCES;
function drawSources() {
  const section = at("sources"),
    codecs = data.codecs.map(([codec, n]) => `${visible(codec)} ${count(n)}`).join(", "),
    failures = data.failures.map(([why, n]) => `${visible(why)} ${count(n)}`).join(", ");
  section.append(
    el(
      "p",
      { class: "note" },
      `${plural(totals.sources, "source")}: ${count(totals.sources_ok)} read, ${count(totals.sources_failed)} failed${failures ? ` (${failures})` : ""}, ${plural(totals.sources_duplicate, "duplicate")}.${codecs ? ` Codecs: ${codecs}.` : ""}`,
    ),
  );
  if (served ? totals.clips : rowsOfSource().size) {
    section.append(
      el(
        "p",
        { class: "legend" },
        [
          ["kept", "kept"],
          ["lost", "dropped"],
          ["none", "in no clip"],
        ].map(([kind, label]) => el("span", {}, el("i", { class: kind }), label)),
      ),
      on(
        el("input", {
          type: "search",
          id: "find-source",
          placeholder: "file name",
          "aria-label": "Search sources",
          autocomplete: "off",
          spellcheck: "false",
        }),
        "input",
        after(120, () => {
          shownSources = SOURCES;
          listSources();
        }),
      ),
      el("ul", { class: "lines", id: "lines" }),
      button("", { class: "plain more", id: "more-sources" }, () => {
        shownSources += SOURCES * 4;
        listSources();
      }),
      el("div", { id: "source", tabindex: "-1", role: "region", "aria-label": "One source" }),
    );
    listSources();
    views.push((before) => {
      if (before.source !== state.source) drawSource();
    });
    if (state.source) drawSource();
  }
  unusedSources(section);
}
function listSources() {
  const name = at("find-source").value.toLowerCase();
  if (served) {
    asked("sources", new URLSearchParams({ name, count: Math.min(100, shownSources) }), (answer, isNewest) => {
      remember(answer);
      if (isNewest) showSources(answer.listed, answer.total);
    });
    return;
  }
  const all = [...rowsOfSource().keys()].filter((key) => key.toLowerCase().includes(name)).sort();
  showSources(
    all.slice(0, shownSources).map((key) => {
      const rows = rowsOfSource().get(key);
      return { uri: key, clips: rows.length, kept: rows.filter((row) => status.of(row) === "kept").length };
    }),
    all.length,
  );
}
/* The rows of an answer, by their sources. */
function remember(answer) {
  const rows = Map.groupBy(rowsIn(answer), (row) => uri.of(row) || "");
  for (const { uri: key } of answer.listed) rowsOfSource().set(key, rows.get(key) || []);
}
function showSources(listed, total) {
  at("lines").replaceChildren(
    ...listed.map(({ uri: key, clips: number, kept }) => {
      return el(
        "li",
        {},
        button(baseName(key), { class: "link name", dir: "auto", title: visible(key), "data-source": key }, () =>
          showSource(key),
        ),
        timeLine(key, 14),
        el("span", { class: "num" }, `${count(kept)} of ${count(number)}`),
      );
    }),
  );
  at("more-sources").hidden = total <= listed.length || (served && listed.length >= 100);
  at("more-sources").textContent = `Show more of ${plural(total, "source")}`;
}
function showSource(key) {
  change({ source: key });
  at("source").focus({ preventScroll: true });
  at("source").scrollIntoView({ block: "start" });
}
/* One source: its time line, then each stretch of it with what became of it. */
function drawSource() {
  const key = state.source;
  if (!served || !key) return drawPieces();
  asked("one source", new URLSearchParams({ uri: key }), (answer, isNewest) => {
    remember(answer);
    if (isNewest && state.source === key) drawPieces();
  });
}
function drawPieces() {
  const box = at("source"),
    key = state.source,
    rows = rowsOfSource().get(key);
  box.replaceChildren();
  if (!rows) return;
  const source = sourceOf.get(key),
    { made, end } = pieces(rows, source),
    unseen = source && source.num_clips > rows.length ? source.num_clips - rows.length : 0;
  const facts = [
    end ? play(end) : "",
    source && source.codec ? visible(source.codec) : "",
    source && source.fps ? `${score(source.fps)} frames/s` : "",
    source && source.reason ? reasonWords(source.reason) : "",
    unseen ? `${count(unseen)} more clips that this page does not hold` : "",
  ].filter(Boolean);
  const line = ({ row, from, to }) =>
    row === undefined
      ? el(
          "li",
          { class: "gap" },
          el("span", { class: "span" }, `${clock(from)} \u2013 ${clock(to)}`),
          el("span", {}, unseen ? "in no clip of this page" : `in no clip: ${whyNone(from, to, source)}`),
          el("span", { class: "num" }, play(to - from)),
        )
      : el(
          "li",
          {},
          button(span(row), { class: "link span" }, () => openClip(row, rows)),
          el(
            "span",
            { class: status.of(row) === "kept" ? "ok" : "bad" },
            status.of(row) === "kept" ? "kept" : reasonsOf(row).map(reasonWords).join(", "),
          ),
          el("span", { class: "num" }, play(seconds[row])),
        );
  box.append(
    el("h3", { class: "name", dir: "auto" }, visible(key || "unnamed")),
    el("p", { class: "note" }, facts.join(" \u00b7 ")),
    filmLine(made, rows),
    el("ol", { class: "pieces" }, made.map(line)),
    el(
      "p",
      {},
      button("Show its clips as cards", { class: "plain" }, () => showClips({ source: key })),
      " ",
      button("Close this source", { class: "plain" }, () => change({ source: "" })),
    ),
  );
}
function unusedSources(section) {
  const unused = totals.sources - totals.sources_ok;
  if (!unused) return;
  const row = (kind, cells) => el("div", { role: "row", class: kind }, cells);
  const head = (text, kind) => el("span", { role: "columnheader", class: kind }, text);
  const cell = (text, kind) => el("span", { role: "cell", class: kind }, text);
  section.append(
    el("h3", { class: "sub", id: "unused-title" }, "Sources that gave nothing"),
    el(
      "div",
      { role: "table", class: "files", "aria-labelledby": "unused-title" },
      row("head", [head("status"), head("file"), head("reason"), head("size", "num")]),
      data.sources.map((source) =>
        row("row", [
          cell(visible(source.status || "unknown"), source.status === "failed" ? "failed" : null),
          named("span", visible(source.uri || "unnamed"), null, { role: "cell" }),
          named("span", visible(source.reason || ""), null, { role: "cell", class: "why name" }),
          cell(bytes(source.bytes), "num"),
        ]),
      ),
    ),
  );
  if (data.sources.length < unused)
    section.append(el("p", { class: "note" }, `Showing ${count(data.sources.length)} of ${count(unused)}.`));
}
