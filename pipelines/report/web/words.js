/* How numbers, times and names are said. */
const count = (n) => Math.round(n).toLocaleString("en-US");
const plural = (n, one, many) => `${count(n)} ${Math.round(n) === 1 ? one : many || one + "s"}`;
const signed = (text, n) => `${n < 0 ? "\u2212" : "+"}${text}`;
const percent = (part, whole) =>
  whole > 0
    ? part > 0 && part / whole < 0.001
      ? "<0.1%"
      : `${((100 * part) / whole).toFixed(part && part < whole && part / whole < 0.1 ? 1 : 0)}%`
    : "\u2013";
function score(value) {
  if (value == null || Number.isNaN(value)) return "\u2013";
  const size = Math.abs(value);
  if (size === Infinity) return value < 0 ? "\u2212\u221e" : "\u221e";
  if (size && (size < 1e-5 || size >= 1e7)) return value.toExponential(1);
  if (size && size < 0.01) return value.toLocaleString("en-US", { maximumSignificantDigits: 2 });
  return value.toLocaleString("en-US", { maximumFractionDigits: size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3 });
}
/* A bound is told with all its digits: the command says nothing else. */
const exact = String;
function play(seconds) {
  if (seconds < 59.5) return `${seconds && seconds < 9.95 ? seconds.toFixed(1) : Math.round(seconds)} s`;
  if (seconds < 3570)
    return `${(seconds / 60).toLocaleString("en-US", { maximumFractionDigits: seconds < 597 ? 1 : 0 })} min`;
  const hours = seconds / 3600;
  return `${hours.toLocaleString("en-US", { maximumFractionDigits: hours < 10 ? 2 : hours < 100 ? 1 : 0 })} h`;
}
function clock(seconds) {
  const tenths = Math.round(seconds * 10),
    rest = (tenths % 600) / 10,
    minutes = Math.floor(tenths / 600);
  const text = (rest < 10 ? "0" : "") + rest.toFixed(1);
  return minutes < 60
    ? `${minutes}:${text}`
    : `${Math.floor(minutes / 60)}:${String(minutes % 60).padStart(2, "0")}:${text}`;
}
function bytes(n) {
  if (n == null) return "";
  const power = n < 1000 ? 0 : Math.min(4, Math.floor(Math.log10(n) / 3));
  return `${(n / 1000 ** power).toFixed(power && n / 1000 ** power < 10 ? 1 : 0)} ${["B", "kB", "MB", "GB", "TB"][power]}`;
}
const words = (name) => visible(name.replaceAll("_", " "));
/* The rules' own reasons read as words; what a decoder or a scorer said is quoted as it is. */
function reasonWords(reason) {
  if (reason === "verdict:drop") return "dropped by hand";
  const [, column, what, number] = reason.match(/^(\w+):(below|above|not_measured)(?:_(-?[\d.e+-]+))?$/) || [];
  if (column) return `${words(column)} ${words(what)}${number === undefined ? "" : ` ${score(Number(number))}`}`;
  return /^[a-z_]+$/.test(reason) ? words(reason) : visible(reason);
}
const hasBounds = ([min, max]) => min != null || max != null;
function boundWords([min, max]) {
  if (min == null && max == null) return "no bound";
  return max == null
    ? `at least ${exact(min)}`
    : min == null
      ? `at most ${exact(max)}`
      : `${exact(min)} to ${exact(max)}`;
}
/* Control and direction characters of a file name are shown, not obeyed. */
const visible = (text) =>
  text.replace(/[\u0000-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g, (c) =>
    c === "\n" ? "\u21b5" : `[U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}]`,
  );
const visibleLines = (text) => text.split("\n").map(visible).join("\n");
function baseName(uri) {
  const letters = Array.from(visible((uri || "").replace(/\/+$/, "").replace(/^.*\//s, "") || uri || "unnamed"));
  return letters.length > 64 ? [...letters.slice(0, 40), "\u2026", ...letters.slice(-20)].join("") : letters.join("");
}
const day = (iso) => {
  const when = new Date(iso);
  return isNaN(when) ? visible(String(iso)) : when.toLocaleString("en-GB", { dateStyle: "long", timeStyle: "short" });
};
