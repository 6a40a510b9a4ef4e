// The server's answers. A refusal is an error whose message is its sentence.

async function ask(method, place, body) {
  const headers = {};
  if (body instanceof Blob) headers["Content-Type"] = "application/octet-stream";
  else if (body !== undefined) {
    headers["Content-Type"] = "application/json";
    body = JSON.stringify(body);
  }
  let answer;
  try {
    answer = await fetch(place, { method, headers, body });
  } catch {
    throw new Error("The server does not answer. Is `serve` still running?");
  }
  if (answer.ok) return answer.status === 204 ? null : answer.json();
  const told = await answer.json().catch(() => ({}));
  const sentence = told.detail ?? `the server answered ${answer.status}`;
  throw new Error(sentence.charAt(0).toUpperCase() + sentence.slice(1));
}
