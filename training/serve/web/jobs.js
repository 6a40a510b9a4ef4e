// The queue and what was made: one job on the stage, all of them below.

const ENDED = ["done", "failed", "cancelled"];
const BUSY_MS = 350, IDLE_MS = 4000;
let jobs = [], chosen = null, drawn = "", began = null;

const filmOf = job => `jobs/${job.id}/film`;
const stillOf = job => `jobs/${job.id}/still`;
const isCoarse = job => Math.max(job.ask.width, job.ask.height) < 128 ? "coarse" : "";

function choose(id) {
  if (id) location.hash = `job=${id}`;
  else history.replaceState(null, "", location.pathname);
  chosen = id;
  draw();
}

function fromAddress() {
  chosen = new URLSearchParams(location.hash.slice(1)).get("job");
  draw();
}

async function refresh() {
  const before = new Map(jobs.map(job => [job.id, job.state]));
  jobs = await ask("GET", "jobs");
  for (const job of jobs) {
    const was = before.get(job.id);
    if (was && was !== job.state && ENDED.includes(job.state)) byId("told").textContent = `${job.state}: ${job.ask.prompt}`;
  }
  draw();
}

function draw() {
  const job = jobs.find(each => each.id === chosen) ?? (chosen ? null : jobs.find(each => each.state === "done")) ?? null;
  const stage = job ? `${job.id} ${job.state}` : "none";
  if (stage !== drawn) {
    byId("stage").replaceChildren(...(job ? staged(job) : [blank("What you make is shown here.")]));
    drawn = stage;
  }
  if (job?.state === "running" || job?.state === "queued") tellProgress(job);
  drawCards(job);
}

function blank(text) {
  return element("div", { className: "screen" }, element("p", { className: "blank" }, text));
}

function staged(job) {
  const said = element("p", { className: "said" }, job.ask.prompt);
  const caption = element("div", { className: "caption" }, said, element("p", { className: "note" }, settings(job)));
  if (!ENDED.includes(job.state)) {
    began = null;
    const cancel = element("button", { type: "button", id: "cancel" }, "Cancel");
    cancel.addEventListener("click", () => act("POST", `jobs/${job.id}/cancel`, cancel));
    const bar = element("progress", { id: "progress", max: 1, value: 0, "aria-label": "Steps done" });
    const working = element("div", { className: "working" }, element("b", { id: "share" }, ""), bar, element("p", { id: "eta", className: "note" }, ""), cancel);
    return [element("div", { className: "screen" }, working), caption];
  }
  if (job.state === "done") return [screen(job), caption, actions(job)];
  const why = job.state === "cancelled" ? blank("Cancelled.") : element("div", { className: "screen" }, element("p", { className: "trouble" }, job.error ?? ""));
  return [why, caption, actions(job)];
}

function screen(job) {
  const what = { className: isCoarse(job) };
  const film = { ...what, id: "film", src: filmOf(job), poster: stillOf(job), controls: true, loop: true, muted: true, autoplay: true, playsInline: true, "aria-label": job.ask.prompt };
  return element("div", { className: "screen" }, job.kind === "film" ? element("video", film) : element("img", { ...what, id: "film", src: filmOf(job), alt: job.ask.prompt }));
}

function settings(job) {
  const told = job.ask;
  const parts = [`${told.frames} × ${told.width} × ${told.height}`, `seed ${told.seed}`, plural(told.steps, "step"), `guidance ${told.guidance}`, told.scheduler];
  if (told.negative) parts.push(`away from “${told.negative}”`);
  if (told.lora) parts.push(`${told.lora} × ${told.lora_strength}`);
  if (job.seconds !== null) parts.push(lasting(job.seconds));
  return parts.join(" · ");
}

function actions(job) {
  const again = element("button", { type: "button" }, "Use these settings");
  again.addEventListener("click", () => takeSettings(job, true));
  const other = element("button", { type: "button" }, "With another seed");
  other.addEventListener("click", () => { takeSettings(job, false); submit(); });
  const remove = element("button", { type: "button" }, "Delete");
  remove.addEventListener("click", async () => { await act("DELETE", `jobs/${job.id}`, remove); choose(null); });
  const save = job.state === "done" ? element("a", { href: `${filmOf(job)}?download=true`, download: "" }, "Download") : null;
  return element("div", { className: "actions" }, save, again, other, remove);
}

async function act(method, place, button) {
  button.disabled = true;
  show(byId("trouble"), "");
  try {
    await ask(method, place);
    await refresh();
  } catch (error) {
    show(byId("trouble"), error.message);
    button.disabled = false;
  }
}

function tellProgress(job) {
  const bar = byId("progress");
  if (job.state === "queued") {
    byId("share").textContent = "Waiting";
    byId("eta").textContent = job.ahead ? `${plural(job.ahead, "video")} before it` : "It begins now";
    bar.value = 0;
    return;
  }
  const now = performance.now();
  if (job.step && !began) began = { at: now, step: job.step };
  const share = job.steps ? job.step / job.steps : 0;
  byId("share").textContent = `${Math.round(100 * share)} %`;
  const left = began && job.step > began.step ? ((now - began.at) / (job.step - began.step)) * (job.steps - job.step) / 1000 : null;
  byId("eta").textContent = `step ${job.step} of ${job.steps || "…"}` + (left === null ? "" : `, about ${lasting(left)} left`);
  bar.value = share;
}

const cardOf = new Map(); // id -> {item, state}

function drawCards(onStage) {
  byId("no-cards").hidden = jobs.length > 0;
  const there = new Set(jobs.map(job => job.id));
  for (const id of [...cardOf.keys()]) if (!there.has(id)) { cardOf.get(id).item.remove(); cardOf.delete(id); }
  let previous = null;
  for (const job of jobs) {
    let held = cardOf.get(job.id);
    if (held?.state !== job.state) {
      const item = element("li", {}, card(job));
      if (held) held.item.replaceWith(item);
      held = { item, state: job.state };
      cardOf.set(job.id, held);
    }
    const place = previous ? previous.nextSibling : byId("cards").firstChild;
    if (held.item !== place) byId("cards").insertBefore(held.item, place);
    previous = held.item;
    held.item.firstChild.setAttribute("aria-current", String(job.id === onStage?.id));
    const bar = held.item.querySelector("progress");
    if (bar) bar.value = job.steps ? job.step / job.steps : 0;
  }
}

function card(job) {
  const thumb = element("div", { className: "thumb" });
  if (job.state === "done") thumb.append(element("img", { src: stillOf(job), alt: "", className: isCoarse(job), loading: "lazy" }));
  else thumb.append(element("span", { className: job.state }, job.state));
  if (job.state === "running") thumb.append(element("progress", { max: 1, value: 0, "aria-label": "Steps done" }));
  const made = element("button", { type: "button", className: "card" }, thumb, element("span", { className: "said" }, job.ask.prompt));
  made.addEventListener("click", () => choose(job.id));
  if (job.state === "done" && job.kind === "film" && !matchMedia("(prefers-reduced-motion: reduce)").matches) {
    const play = () => thumb.querySelector("video") ?? thumb.append(element("video", { src: filmOf(job), className: isCoarse(job), muted: true, loop: true, autoplay: true, playsInline: true }));
    const stop = () => thumb.querySelector("video")?.remove();
    for (const [name, what] of Object.entries({ pointerenter: play, focus: play, pointerleave: stop, blur: stop })) made.addEventListener(name, what);
  }
  return made;
}

async function keepAsking() {
  try {
    await refresh();
    if (byId("trouble").dataset.lost) { show(byId("trouble"), ""); delete byId("trouble").dataset.lost; }
  } catch (error) {
    byId("trouble").dataset.lost = "yes";
    show(byId("trouble"), error.message);
  }
  setTimeout(keepAsking, jobs.some(job => !ENDED.includes(job.state)) ? BUSY_MS : IDLE_MS);
}
