/* Elements are made here and only here: strings become text nodes, attribute names are our own. */
const at = (id) => document.getElementById(id);
function make(namespace, tag, attributes, children) {
  const made = namespace ? document.createElementNS(namespace, tag) : document.createElement(tag);
  for (const [key, value] of Object.entries(attributes || {})) if (value != null) made.setAttribute(key, value);
  made.append(...children.flat().filter((child) => child != null && child !== ""));
  return made;
}
const el = (tag, attributes, ...children) => make(null, tag, attributes, children);
const svg = (tag, attributes, ...children) => make("http://www.w3.org/2000/svg", tag, attributes, children);
const style = (element, properties) => {
  for (const [key, value] of Object.entries(properties)) element.style.setProperty(key, value);
  return element;
};
const on = (element, type, handler) => {
  element.addEventListener(type, handler);
  return element;
};
const button = (label, attributes, handler) =>
  on(el("button", { type: "button", ...attributes }, label), "click", handler);
const named = (tag, text, full, attributes) =>
  el(tag, { class: "name", dir: "auto", title: full == null ? null : visible(full), ...attributes }, text);
const option = (value, label) => el("option", { value }, label);
/* Once a frame at most, with the newest arguments. */
function perFrame(action) {
  let waiting = null;
  return (...given) => {
    if (waiting === null)
      requestAnimationFrame(() => {
        const last = waiting;
        waiting = null;
        action(...last);
      });
    waiting = given;
  };
}
function after(milliseconds, action) {
  let timer = 0;
  return (...given) => {
    clearTimeout(timer);
    timer = setTimeout(() => action(...given), milliseconds);
  };
}
