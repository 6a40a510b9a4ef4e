/* The list of rules and measures, each with a small histogram. */
/* Buttons stay the same ones: what is rebuilt while a finger is on it cannot be pressed. */
const ruleItem = lazily((column) => {
  const said = el("span", { class: "soft" }),
    picture = el("span", { class: "spark" });
  return {
    said,
    picture,
    button: button(
      [el("span", { class: "label" }, el("b", {}, words(column)), said), picture],
      { "data-column": column },
      () => change({ rule: column }),
    ),
  };
});
let listedRules = "";
function drawRules(bounds, verdict) {
  const isRuled = (column) => hasBounds(boundsOf(column, bounds)) || ownBounds.has(column),
    ruled = explorable.filter(isRuled),
    others = explorable.filter((column) => !isRuled(column));
  for (const column of explorable) {
    const item = ruleItem(column),
      own = boundsOf(column, bounds),
      dropped = totals.clips - keptAlone(column, verdict).clips,
      only = onlyBy(column, verdict).clips;
    item.said.textContent = hasBounds(own)
      ? `${boundWords(own)}: drops ${count(dropped)}${dropped ? `, ${count(only)} alone` : ""}`
      : "no bound";
    item.picture.replaceChildren(sparkline(column, own, verdict));
    item.button.setAttribute("aria-pressed", column === detail.column);
    item.button.setAttribute("class", same(own, boundsOf(column, ownBounds)) ? "rule" : "rule changed");
  }
  if (listedRules === ruled.join("\n")) return;
  listedRules = ruled.join("\n");
  const buttons = (some) => some.map((column) => ruleItem(column).button),
    focused = document.activeElement;
  at("rules").replaceChildren(
    ...buttons(ruled),
    ...(others.length
      ? [el("h3", { class: "small" }, ruled.length ? "No rule yet" : "Measures"), ...buttons(others)]
      : []),
  );
  if (at("rules").contains(focused)) focused.focus({ preventScroll: true });
}
