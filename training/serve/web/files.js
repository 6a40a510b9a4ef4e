// Pictures and films that go with a prompt: picked or dropped, uploaded at once.

const FILE_KINDS = {
  image: ["First frame", "image/*", "A picture to begin with"],
  last_image: ["Last frame", "image/*", "A picture to end with"],
  video: ["Film to change", "video/*", "As much as the slider says, or where a mask is white"],
  mask: ["Mask", "image/*,video/*", "Of the film to change, white is made anew and black is kept"],
  control: ["Film to follow", "video/*", "Poses, depths, edges or tracks"],
  reference: ["Looks like", "image/*", "A picture of what things look like"],
};
const taken = new Map(); // kind -> {id, url, film}

function drawFiles(takes) {
  byId("files").replaceChildren(...Object.keys(FILE_KINDS).filter(kind => takes.includes(kind)).map(fileTile));
}

function fileTile(kind) {
  const [name, accept, title] = FILE_KINDS[kind];
  const input = element("input", { type: "file", id: `file-${kind}`, className: "unseen", accept });
  const label = element("label", { for: `file-${kind}`, title }, element("span", {}, name));
  const tile = element("div", { className: "file", id: `tile-${kind}` }, input, label);
  input.addEventListener("change", () => { if (input.files[0]) upload(kind, input.files[0]); input.value = ""; });
  tile.addEventListener("dragover", event => { event.preventDefault(); tile.classList.add("over"); });
  tile.addEventListener("dragleave", () => tile.classList.remove("over"));
  tile.addEventListener("drop", event => {
    event.preventDefault();
    tile.classList.remove("over");
    if (event.dataTransfer.files[0]) upload(kind, event.dataTransfer.files[0]);
  });
  return tile;
}

async function upload(kind, file) {
  show(byId("trouble"), "");
  try {
    const { id, kind: what } = await ask("POST", "files", new Blob([file]));
    taken.set(kind, { id, film: what === "film", url: URL.createObjectURL(file) });
  } catch (error) {
    show(byId("trouble"), `${file.name}: ${error.message}`);
  }
  drawTile(kind);
}

function drawTile(kind) {
  const tile = byId(`tile-${kind}`), file = taken.get(kind), label = tile.querySelector("label");
  tile.classList.toggle("has", Boolean(file));
  tile.querySelectorAll("img, video, button").forEach(each => each.remove());
  if (file) {
    if (file.url) {
      const shown = file.film ? element("video", { src: file.url, muted: true, loop: true, autoplay: true, playsInline: true }) : element("img", { src: file.url, alt: "" });
      label.prepend(shown);
    }
    const remove = element("button", { type: "button", "aria-label": `Remove: ${FILE_KINDS[kind][0]}` }, "×");
    remove.addEventListener("click", () => { taken.delete(kind); drawTile(kind); byId(`file-${kind}`).focus(); });
    tile.append(remove);
  }
  byId("strength-row").hidden = !taken.has("video") || taken.has("mask");
  byId("keep-row").hidden = !knows();
}

/** Whether a part of the video is known. */
const knows = () => ["image", "last_image", "mask"].some(kind => taken.has(kind));

const uploadedFiles = () => Object.fromEntries([...taken].map(([kind, file]) => [kind, file.id]));

/** The files of an earlier job: they are still on the server, without a picture of them here. */
function takeFiles(told) {
  for (const kind of Object.keys(FILE_KINDS)) {
    if (!byId(`tile-${kind}`)) continue;
    if (!told[kind]) taken.delete(kind);
    else if (taken.get(kind)?.id !== told[kind]) taken.set(kind, { id: told[kind] });
    drawTile(kind);
  }
}
