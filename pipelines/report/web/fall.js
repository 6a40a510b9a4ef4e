/* Where the clips went: a step for each reason. */
function drawFall() {
  const section = at("fall");
  section.hidden = !totals.clips;
  if (!totals.clips) return;
  const row = (kind, label, bar, cells) => {
    const role = kind === "head" ? "columnheader" : "cell";
    return el(
      "div",
      { role: "row", class: kind },
      el("span", { role }, label),
      el("span", { role, class: "track" }, bar),
      cells.map((cell, i) => el("span", { role, class: i ? "num soft" : "num" }, cell)),
    );
  };
  const bar = (kind, from, width) =>
    style(el("i", { class: kind }), {
      left: `${(100 * from) / totals.clips}%`,
      width: `${(100 * width) / totals.clips}%`,
    });
  const table = el(
    "div",
    { role: "table", class: "fall", "aria-labelledby": "fall-title" },
    row("head", "reason", el("span", { class: "unseen" }, "share"), ["clips", "in all", "video"]),
    row("end", "found", bar("whole", 0, totals.clips), [count(totals.clips), "", play(totals.clip_seconds)]),
  );
  let left = totals.clips;
  for (const step of data.reasons) {
    left -= step.first;
    const shows = button(
      reasonWords(step.reason),
      { title: `Show clips: ${visible(step.reason)}`, "data-reason": step.reason },
      () => showClips({ reason: step.reason }),
    );
    table.append(
      row("step", shows, step.first ? bar("lost", left, step.first) : null, [
        step.first ? `\u2212${count(step.first)}` : "0",
        count(step.total),
        step.first ? `\u2212${play(step.first_seconds)}` : "",
      ]),
    );
  }
  table.append(
    row("end", "kept", totals.kept ? bar("kept", 0, totals.kept) : null, [
      count(totals.kept),
      "",
      play(totals.kept_seconds),
    ]),
  );
  section.append(
    el(
      "p",
      { class: "note" },
      "As the table has it now. Each clip falls at the first rule it breaks, in the order of the recipe; \u201cin all\u201d also counts the clips that an earlier rule had taken.",
    ),
    table,
  );
}
