/* The bar at the foot of the window, there as soon as a bound is another one than the recipe's. */
function drawChange(bounds, verdict) {
  const box = at("change"),
    changed = changedColumns(bounds).length > 0;
  if (box.hidden && !changed) return;
  if (!box.firstChild)
    box.append(
      el("p", { role: "status", id: "change-said" }),
      el(
        "div",
        { class: "buttons" },
        button("Undo", { class: "plain", id: "undo" }, undo),
        button("Start over", { class: "plain", id: "over" }, () => change({ bounds: new Map(ownBounds) })),
        button("Copy command", { class: "plain main", id: "copy" }, copyCommand),
      ),
      el("code", {
        id: "command",
        tabindex: "0",
        role: "textbox",
        "aria-readonly": "true",
        "aria-label": "The command",
      }),
    );
  box.hidden = !changed && !past.length;
  const now = keptBy(verdict),
    before = ownKept(verdict);
  at("change-said").replaceChildren(
    el("b", { id: "would-keep" }, about(clipsAnd(now), verdict)),
    ` kept, ${differenceOf(now, before, verdict)}`,
  );
  at("undo").disabled = !past.length;
  at("over").disabled = at("copy").disabled = !changed;
  at("copy").textContent = "Copy command";
  at("command").textContent = changed ? commandFor(bounds) : "";
}
function copyCommand() {
  const said = () => {
    at("copy").textContent = "Copied";
  };
  const select = () => {
    getSelection().selectAllChildren(at("command"));
    if (document.execCommand("copy")) said();
  };
  if (navigator.clipboard) navigator.clipboard.writeText(at("command").textContent).then(said, select);
  else select();
}
