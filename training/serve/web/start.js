async function start() {
  listenToForm();
  addEventListener("hashchange", fromAddress);
  try {
    fillForm(await ask("GET", "model"));
    chosen = new URLSearchParams(location.hash.slice(1)).get("job");
    await keepAsking();
  } catch (error) {
    show(byId("trouble"), error.message);
  }
  document.documentElement.dataset.ready = "";
}

start();
