/* A clip's picture: a still that is always there, and above it the film itself, where this disk has it. */
const sourceOf = new Map(data.shown_sources.map((source) => [source.uri, source]));
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const unplayable = new Set();

/* A server has its films by their clips' ids, and a picture of each clip. */
const isFilm = (row) => {
  const [block, place] = blockOf(row),
    { films, uri: uris } = blocks[block];
  return films[codesIn(uris)[place] - 1];
};
const codesIn = lazily(codesOf);
const stillAddress = (row) => `still/${encodeURIComponent(clips.id[row])}`;
function servedStill(row, attributes) {
  const made = el("img", { src: stillAddress(row), decoding: "async", loading: "lazy", ...attributes });
  return on(made, "error", () => made.replaceWith(el("span", { class: "blank" }, filmOf(row) ? "" : "no picture")));
}

function filmOf(row) {
  if (served)
    return isFilm(row) && !Number.isNaN(start[row]) && !unplayable.has(uri.of(row))
      ? `film/${encodeURIComponent(clips.id[row])}`
      : null;
  const source = sourceOf.get(uri.of(row));
  return source && source.file && !Number.isNaN(start[row]) && !unplayable.has(source.file) ? source.file : null;
}
const placeOnSheets = new Map(clips.stills.drawn.map((row, place) => [row, place]));
const sheet = lazily((number) => {
  const image = new Image();
  image.src = clips.stills.sheets[number];
  return image.decode().then(() => image);
});
/* Its small still, cut out of a sheet; undefined where there is none. */
function cutOut(row) {
  const place = placeOnSheets.get(row),
    [wide, high, across, down] = clips.stills.size;
  if (place === undefined) return undefined;
  const canvas = el("canvas", { width: wide, height: high, "aria-hidden": "true" }),
    onSheet = place % (across * down);
  sheet(Math.floor(place / (across * down))).then(
    (image) =>
      canvas
        .getContext("2d")
        .drawImage(image, (onSheet % across) * wide, Math.floor(onSheet / across) * high, wide, high, 0, 0, wide, high),
    () => {},
  );
  return canvas;
}
/* The middle one of the three frames of a strip. */
function still(row) {
  if (served) return servedStill(row, { alt: "", class: isPicture[row] ? "whole" : "middle" });
  const strip = clips.previews[row];
  if (strip == null) return cutOut(row) || el("span", { class: "blank" }, filmOf(row) ? "" : "no picture");
  return el("img", { src: strip, alt: "", decoding: "async", class: isPicture[row] ? "whole" : "middle" });
}
function stripOf(row) {
  if (served) return servedStill(row, { alt: isPicture[row] ? "The picture" : "First, middle and last frame" });
  const strip = clips.previews[row];
  return strip == null
    ? cutOut(row) || el("span", { class: "blank" }, "no picture")
    : el("img", {
        src: strip,
        alt: isPicture[row] ? "The picture" : "First, middle and last frame",
        decoding: "async",
      });
}
/* `when`: "seen" plays while it is on the screen, "pointed" while the pointer or the focus is on it. */
function moving(row, when) {
  const frame = style(el("span", { class: "frame" }, still(row)), {
    "aspect-ratio": width[row] > 0 && height[row] > 0 ? `${width[row]} / ${height[row]}` : "16 / 9",
  });
  const box = el("span", { class: "moving", "data-tall": height[row] > width[row] ? "" : null }, frame);
  if (!filmOf(row)) return box;
  box.begin = () => {
    if (!frame.film) frame.append((frame.film = film(row, frame)));
  };
  box.end = () => {
    if (frame.film) {
      frame.film.removeAttribute("src");
      frame.film.load();
      frame.film.remove();
      frame.film = null;
    }
  };
  if (when === "seen" && !calm.matches) seen.observe(box);
  return box;
}
function film(row, frame) {
  const file = filmOf(row),
    from = start[row],
    to = from + seconds[row];
  const made = el("video", {
    src: `${file}#t=${from.toFixed(3)},${to.toFixed(3)}`,
    playsinline: "",
    preload: "auto",
    tabindex: "-1",
    "aria-hidden": "true",
  });
  made.muted = true;
  made.autoplay = true;
  on(made, "playing", () => made.classList.add("ready"));
  const again = () => {
    made.currentTime = from;
    made.play().catch(() => {});
  };
  on(made, "timeupdate", () => {
    if (made.currentTime >= to - 0.05) again();
  });
  on(made, "pause", () => {
    if (made.currentTime >= to - 0.3) again();
  });
  on(made, "ended", again);
  on(made, "error", () => {
    if (made.hasAttribute("src")) {
      unplayable.add(served ? uri.of(row) : file);
      frame.film = null;
      made.remove();
    }
  });
  return made;
}
const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries)
      if (isIntersecting && target.isConnected) target.begin();
      else target.end();
  },
  { threshold: 0.3 },
);
/* The card that the pointer or the focus is on plays. */
function playsWhenPointed(card, box) {
  if (!box.begin) return card;
  for (const type of ["pointerenter", "focusin"])
    on(card, type, () => {
      if (!calm.matches) box.begin();
    });
  for (const type of ["pointerleave", "focusout"]) on(card, type, () => box.end());
  return card;
}
