/* Where this comes from: the recipe, versions, times. */
function drawOrigin() {
  const pair = (name, text) =>
    el("div", {}, el("span", {}, visible(name)), el("span", { class: "num" }, visible(text)));
  const block = (title, content) => (content.length ? el("div", {}, el("dt", {}, title), el("dd", {}, content)) : null);
  const text = (one) => (typeof one === "object" ? JSON.stringify(one) : String(one));
  const scorers = Array.isArray(recipe.scorers) ? recipe.scorers : [];
  const times = [
    ["started", run.started],
    ["finished", run.finished],
  ]
    .filter((time) => time[1] != null)
    .map(([name, iso]) => pair(name, day(iso)));
  at("origin").append(
    el(
      "dl",
      {},
      block(
        "Rules",
        [...ownBounds].map(([column, bounds]) => pair(words(column), boundWords(bounds))),
      ),
      block("Scorers", scorers.map((one) => visible(text(one))).join(", ")),
      block(
        "Versions",
        Object.entries(run.versions || {}).map(([name, version]) => pair(name, text(version))),
      ),
      block(
        "Run",
        [...times, run.fingerprint == null ? null : el("code", {}, visible(text(run.fingerprint)))].filter(Boolean),
      ),
    ),
  );
  if (Object.keys(settings).length)
    at("origin").append(
      el(
        "details",
        {},
        el("summary", {}, "All settings"),
        el(
          "pre",
          {},
          Object.entries(settings)
            .map(([key, value]) => `${visible(key)} = ${visible(text(value))}`)
            .join("\n"),
        ),
      ),
    );
}
