/* Read the hash, draw everything, and follow the hash from then on. */
state = stateOf(location.hash.slice(1));
drawSummary();
drawExplore();
drawFall();
drawFind();
drawSources();
drawOrigin();
views.push((before) => {
  if (before.clip !== state.clip) drawClip();
});
if (state.clip) drawClip();
for (const type of ["popstate", "hashchange"])
  addEventListener(type, () => {
    if (location.hash.slice(1) !== hashOf(state)) readHash();
  });
on(at("skip"), "click", (event) => {
  event.preventDefault();
  at("find").scrollIntoView();
  at("find-title").focus({ preventScroll: true });
});
document.documentElement.dataset.ready = "";
