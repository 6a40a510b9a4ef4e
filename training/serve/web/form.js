// The form: what is asked, and what the model can make of it.

let model = null;

const NUMBERS = ["frames", "width", "height", "seed", "steps", "guidance"];

function fillForm(told) {
  model = told;
  byId("run").textContent = `${told.run}, step ${told.step.toLocaleString("en")}`;
  const { frames, width, height } = told.size;
  byId("makes").textContent = `${plural(frames, "frame")} of ${width} × ${height} at ${told.fps} fps, as trained`;
  for (const [name, value] of Object.entries({ frames, width, height, steps: told.steps, guidance: told.guidance })) byId(name).value = value;
  Object.assign(byId("frames"), { step: told.frames_every, min: 1 });
  for (const name of ["width", "height"]) Object.assign(byId(name), { step: told.pixels_every, min: told.pixels_every });
  byId("scheduler").replaceChildren(...told.schedulers.map(name => element("option", { value: name }, name)));
  byId("scheduler").value = told.scheduler;
  byId("lora").append(...told.loras.map(name => element("option", { value: name }, name)));
  byId("lora-row").hidden = !told.loras.length;
  drawFiles(told.takes);
  noteSize();
}

function noteSize() {
  const [frames, width, height] = ["frames", "width", "height"].map(name => Number(byId(name).value));
  const every = model.frames_every;
  const wrong = (frames - 1) % every || width % model.pixels_every || height % model.pixels_every;
  const length = frames === 1 ? "A picture" : `${(frames / model.fps).toFixed(1)} s at ${model.fps} fps`;
  const rule = every > 1 ? `Frames are ${every}n + 1, sides multiples of ${model.pixels_every}.` : `Sides are multiples of ${model.pixels_every}.`;
  byId("size-note").textContent = wrong || !frames || !width || !height ? rule : `${length}.`;
}

/** What the form says, as the API takes it. */
function asked() {
  const told = { prompt: byId("prompt").value, negative: byId("negative").value, scheduler: byId("scheduler").value };
  for (const name of NUMBERS) if (byId(name).value !== "") told[name] = Number(byId(name).value);
  Object.assign(told, uploadedFiles());
  if (told.video && !told.mask) told.strength = Number(byId("strength").value);
  if (knows()) told.keep = byId("keep").checked;
  if (byId("lora").value) Object.assign(told, { lora: byId("lora").value, lora_strength: Number(byId("lora-strength").value) });
  return told;
}

/** A job's settings, to change and make again. */
function takeSettings(job, withSeed) {
  for (const name of ["prompt", "negative", "frames", "width", "height", "steps", "guidance", "scheduler"]) byId(name).value = job.ask[name];
  byId("seed").value = withSeed ? job.ask.seed : "";
  const lora = model.loras.includes(job.ask.lora) ? job.ask.lora : "";
  byId("lora").value = lora;
  byId("lora-strength").value = job.ask.lora_strength;
  byId("strength").value = job.ask.strength;
  byId("keep").checked = job.ask.keep;
  takeFiles(job.ask);
  for (const slider of document.querySelectorAll(".slider input")) slider.dispatchEvent(new Event("input"));
  byId("lora").dispatchEvent(new Event("change"));
  noteSize();
  byId("prompt").focus();
}

async function submit(event) {
  event?.preventDefault();
  if (byId("make").disabled) return;
  show(byId("trouble"), "");
  byId("make").disabled = true;
  try {
    const job = await ask("POST", "jobs", asked());
    jobs.unshift(job); // as it was, so that its end is told even if it comes before we look again
    choose(job.id);
    await refresh();
    if (byId("stage").getBoundingClientRect().top > innerHeight / 2) byId("stage").scrollIntoView({ block: "start" });
  } catch (error) {
    show(byId("trouble"), error.message);
  } finally {
    byId("make").disabled = false;
  }
}

function listenToForm() {
  byId("form").noValidate = true; // the server says what is wrong, in a sentence
  byId("form").addEventListener("submit", submit);
  byId("form").addEventListener("keydown", event => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) submit(event);
  });
  for (const name of ["frames", "width", "height"]) byId(name).addEventListener("input", noteSize);
  for (const slider of document.querySelectorAll(".slider input")) {
    slider.addEventListener("input", () => { slider.nextElementSibling.value = slider.value; });
  }
  byId("lora").addEventListener("change", () => { byId("lora-strength-row").hidden = !byId("lora").value; });
}
