/* What the page asks of its server, where it has one: what bounds make of all clips, and which clips fit a choice. */
const told = new Map();
/* By the bounds that they are of. What was counted for the first drawing came with the page. */
const boundsKey = (bounds) => hashOf({ ...fresh(), bounds });
const toldOf = (bounds) => (served ? told.get(boundsKey(bounds)) : undefined);
if (data.judged) told.set("", { ...data.judged, near: new Map() });

async function ask(place, query, options) {
  let answer;
  try {
    answer = await fetch(query === undefined ? place : `${place}?${query}`, { cache: "no-store", ...options });
  } catch {
    throw new Error("The server does not answer any more: start `serve OUT` again, and open the address that it prints.");
  }
  if (!answer.ok) throw new Error((await answer.text()).slice(0, 500));
  return answer.json();
}
/* The rows of an answer, in its order. */
function rowsIn(answer, now) {
  for (const source of answer.sources) sourceOf.set(source.uri, source);
  return append(answer.clips, now);
}
/* One question of a kind is under way at a time; of those that come meanwhile, the newest is asked next. */
const PLACES = { "one source": "sources" };
const latest = lazily(() => ({ under: false, next: null }));
function asked(kind, query, use) {
  const line = latest(kind);
  if (line.under) {
    if (line.query !== String(query)) line.next = [query, use];
    return;
  }
  line.under = true;
  line.query = String(query);
  ask(PLACES[kind] || kind, query)
    .then((answer) => {
      trouble("");
      use(answer, !line.next);
    }, trouble)
    .finally(() => {
      line.under = false;
      if (line.next) {
        const [query, use] = line.next;
        line.next = null;
        asked(kind, query, use);
      }
    });
}
/* Judge all clips by these bounds, unless that is known: then this says so. */
function askJudge(bounds, column, end, whole, use) {
  const key = boundsKey(bounds),
    known = told.get(key),
    side = `${column}:${end}`;
  if (known && known.columns[column] && (whole ? known.whole : known.near.has(side))) return;
  const query = new URLSearchParams(key);
  query.set("column", column);
  query.set("end", end);
  if (whole) query.set("all", "1");
  asked("judge", query, (answer) => {
    const rows = rowsIn(answer),
      last = told.get(key) || { columns: {}, near: new Map() };
    if (told.size > 60) told.clear();
    told.set(key, {
      ...answer,
      whole: whole || last.whole,
      columns: { ...last.columns, ...answer.columns },
      near: last.near.set(side, { kept: rows.slice(0, answer.near[0]), dropped: rows.slice(answer.near[0]) }),
    });
    use(live !== null);
    drawSegments();
  });
}
/* What goes wrong between page and server is told at the foot of the window. */
function trouble(error) {
  const box = at("trouble");
  box.textContent = error ? error.message || String(error) : "";
  box.hidden = !error;
}
