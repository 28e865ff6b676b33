// The page of a controller. Every text comes from records, which strangers may have written, so texts are only ever set as text.
"use strict";

const $ = (id) => document.getElementById(id);
const MOST_ROWS = 500;

/** Control characters, and characters that change the direction of what follows. */
const HIDDEN = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u200e\u200f\u202a-\u202e\u2066-\u2069]/g;
const plain = (text) => String(text ?? "").replace(HIDDEN, "\ufffd");

const state = {
  token: null,
  rows: new Map(),
  machines: [],
  phases: [],
  phase: "",
  open: null,
  detail: null,
  asked: null,
  picture: null,
};

function element(tag, properties = {}, ...children) {
  const made = Object.assign(document.createElement(tag), properties);
  made.append(...children);
  return made;
}

const text = (value) => element("span", { className: "text", textContent: plain(value) });
const keyOf = ({ machine, namespace, name }) => JSON.stringify([machine, namespace, name]);
const titleOf = ({ namespace, name }) => (namespace ? `${namespace}/${name}` : name);
const addressOf = ({ machine, namespace, name }) => "#/" + [machine, namespace, name].map(encodeURIComponent).join("/");

function fromAddress() {
  const parts = location.hash.match(/^#\/([^/]*)\/([^/]*)\/([^/]*)$/);
  if (!parts) return null;
  try {
    const [machine, namespace, name] = parts.slice(1).map(decodeURIComponent);
    return { machine, namespace, name };
  } catch {
    return null;
  }
}

/** A duration as `fsm` writes it: its two largest units. */
function span(milliseconds) {
  const s = Math.max(0, Math.floor(milliseconds / 1000));
  const two = (large, one, small, other) => (small ? `${large}${one}${small}${other}` : `${large}${one}`);
  if (s < 60) return `${s}s`;
  if (s < 3600) return two(Math.floor(s / 60), "m", s % 60, "s");
  if (s < 86400) return two(Math.floor(s / 3600), "h", Math.floor(s / 60) % 60, "m");
  return two(Math.floor(s / 86400), "d", Math.floor(s / 3600) % 24, "h");
}

const age = (row) => (row.since ? span(Date.now() - Date.parse(row.since)) : "");

// What is asked of the server.

class Problem extends Error {}

async function ask(path, options = {}) {
  const headers = { ...options.headers };
  if (state.token) headers.Authorization = `Bearer ${state.token}`;
  const response = await fetch(`api/${path}`, { ...options, headers, cache: "no-store", credentials: "omit" });
  if (response.status === 401) {
    logIn();
    throw new Problem("the token is missing or wrong");
  }
  if (!response.ok) {
    const told = await response.json().catch(() => ({}));
    throw Object.assign(new Problem(told.error ?? `the controller answered ${response.status}`), { status: response.status });
  }
  return response;
}

const get = async (path, query) => (await ask(query ? `${path}?${new URLSearchParams(query)}` : path)).json();
const post = async (path, body) =>
  (await ask(path, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) })).json();

function problem(error) {
  $("problem").hidden = !error;
  $("problem").textContent = error ? plain(error.message ?? error) : "";
}

let loggedIn = null;
function logIn() {
  if ($("login").open) return;
  $("login-problem").textContent = state.token ? "This token was refused." : "";
  state.token = null;
  $("ask").close();
  $("login").showModal();
}

$("login").addEventListener("cancel", (event) => event.preventDefault());
$("login-form").addEventListener("submit", (event) => {
  event.preventDefault();
  state.token = $("token").value.trim();
  $("token").value = "";
  $("login").close();
  problem(null);
  loggedIn?.();
});

// The list.

function fill(row, tr) {
  const link = tr.querySelector("a");
  link.href = addressOf(row);
  link.textContent = plain(titleOf(row));
  const cells = tr.cells;
  const machine = cells[0].querySelector("small");
  machine.textContent = plain(row.machine);
  machine.hidden = state.machines.length < 2;
  cells[1].firstChild.className = `phase ${row.phase}`;
  cells[1].firstChild.textContent = row.phase;
  cells[2].firstChild.textContent = plain(row.state ?? "");
  cells[3].textContent = age(row);
  const reason = row.message ? `${row.reason}: ${row.message}` : row.reason;
  cells[4].firstChild.textContent = plain(reason);
}

function blank() {
  const cell = (...children) => {
    const td = element("td", {}, ...children);
    td.setAttribute("role", "cell");
    return td;
  };
  const tr = element("tr", {}, cell(element("a", { className: "text" }), element("small", { className: "text" })),
    cell(element("span")), cell(text("")), cell(), cell(text("")));
  tr.setAttribute("role", "row");
  return tr;
}

function isWanted(row) {
  const words = $("text").value.toLowerCase().split(/\s+/).filter(Boolean);
  const all = [titleOf(row), row.machine, row.state, row.phase, row.reason, row.message].join(" ").toLowerCase();
  return (!$("machine").value || row.machine === $("machine").value) && words.every((word) => all.includes(word));
}

const shown = new Map();

function renderList() {
  const matching = [...state.rows.values()].filter(isWanted);
  const wanted = matching.filter((row) => !state.phase || row.phase === state.phase);
  wanted.sort((a, b) => a.machine.localeCompare(b.machine) || a.namespace.localeCompare(b.namespace) || a.name.localeCompare(b.name));
  const visible = wanted.slice(0, MOST_ROWS);
  const keys = new Set(visible.map(keyOf));
  for (const [key, tr] of shown) {
    if (!keys.has(key)) {
      tr.remove();
      shown.delete(key);
    }
  }
  // A row that stays is left where it is, so that it keeps the focus.
  let at = $("rows").firstElementChild;
  for (const row of visible) {
    const key = keyOf(row);
    let tr = shown.get(key);
    if (!tr) {
      tr = blank();
      shown.set(key, tr);
    }
    fill(row, tr);
    if (tr === at) at = at.nextElementSibling;
    else $("rows").insertBefore(tr, at);
  }
  const count = (phase) => matching.filter((row) => !phase || row.phase === phase).length;
  for (const button of $("phases").querySelectorAll("button")) {
    button.querySelector(".count").textContent = count(button.value);
    button.setAttribute("aria-pressed", String(button.value === state.phase));
  }
  const things = (n) => (n === 1 ? "1 resource" : `${n} resources`);
  const cut = visible.length < wanted.length ? `, of which the first ${visible.length} are listed` : "";
  const told = wanted.length === state.rows.size ? things(wanted.length) : `${wanted.length} of ${things(state.rows.size)}`;
  if ($("counts").textContent !== told + cut) $("counts").textContent = told + cut;
}

let pending = false;
function soon() {
  if (pending) return;
  pending = true;
  setTimeout(() => {
    pending = false;
    renderList();
  }, 50);
}

async function readAll() {
  const { resources, machines, phases } = await get("resources");
  state.rows = new Map(resources.map((row) => [keyOf(row), row]));
  if (state.machines.join() !== machines.join()) {
    state.machines = machines;
    $("machine").replaceChildren(element("option", { value: "", textContent: "all" }),
      ...machines.map((name) => element("option", { value: name, textContent: plain(name) })));
    $("machine-field").hidden = machines.length < 2;
  }
  if (!state.phases.length) {
    state.phases = phases;
    const button = (phase) => {
      const made = element("button", { type: "button", value: phase }, `${phase || "all"} `, element("span", { className: "count" }));
      made.addEventListener("click", () => {
        state.phase = phase;
        renderList();
      });
      return made;
    };
    $("phases").append(...["", ...phases].map(button));
  }
  renderList();
}

$("filter").addEventListener("submit", (event) => event.preventDefault());
$("text").addEventListener("input", renderList);
$("machine").addEventListener("change", renderList);

// One resource.

function items(id, values) {
  $(id).replaceChildren(...values.map((value) => element("li", {}, text(value))));
  $(id).parentElement.hidden = values.length === 0;
}

function renderStanding() {
  const row = state.detail?.row;
  if (!row) return;
  const parts = [element("span", { className: `phase ${row.phase}`, textContent: row.phase })];
  if (row.state) parts.push(" in ", text(row.state));
  if (row.since) parts.push(element("span", { id: "age", textContent: ` for ${age(row)}`, ariaHidden: "true" }));
  if (row.attempt) parts.push(`, attempt ${row.attempt}`);
  const key = JSON.stringify([row.phase, row.state, row.attempt]);
  // Only what changes is read out.
  if ($("standing").dataset.key === key) {
    if ($("age")) $("age").textContent = ` for ${age(row)}`;
    return;
  }
  $("standing").dataset.key = key;
  $("standing").replaceChildren(...parts);
}

function renderAsks(detail) {
  const key = JSON.stringify(detail.asks);
  if ($("asks").dataset.key === key) return;
  $("asks").dataset.key = key;
  const button = (offer) => {
    const made = element("button", { type: "button", textContent: label(offer) });
    made.addEventListener("click", () => begin(offer));
    return made;
  };
  $("asks").replaceChildren(...detail.asks.filter((offer) => !offer.rare).map(button));
  $("rare-asks").replaceChildren(...detail.asks.filter((offer) => offer.rare).map(button));
  $("rare").hidden = !detail.asks.some((offer) => offer.rare);
}

const NAMES = {
  "retry": "Retry", "roll-back": "Roll back", "waive": "Waive", "pause": "Pause", "resume": "Resume", "verify": "Verify",
  "not-applied": "It did not happen", "applied": "It happened", "rebind": "Rebind", "release": "Release",
};
const label = ({ asks }) => plain((NAMES[asks.verb] ?? asks.verb) + (asks.to ? `, to ${asks.to}` : ""));

async function readOne() {
  const open = state.open;
  if (!open) return;
  let detail;
  try {
    detail = await get("resource", open);
  } catch (error) {
    if (error.status !== 404 || state.open !== open) throw error;
    state.detail = null;
    $("standing").dataset.key = "gone";
    $("standing").textContent = "gone: nothing is left of it";
    $("message").textContent = "";
    $("runbook").hidden = true;
    for (const section of $("one").querySelectorAll("section")) section.hidden = true;
    return;
  }
  if (state.open !== open) return;
  state.detail = detail;
  for (const section of $("one").querySelectorAll("section")) section.hidden = false;
  renderStanding();
  const { row } = detail;
  const message = row.message ? `${row.reason}: ${row.message}` : row.reason;
  $("message").replaceChildren(text(message));
  $("runbook").hidden = !detail.runbook;
  if (detail.runbook) $("runbook").firstElementChild.href = detail.runbook;
  renderAsks(detail);
  items("waits", detail.waits ?? []);
  items("made", (detail.made ?? []).map((line) => line.replace(/ {2,}/g, " · ")));
  items("history", [...(detail.history ?? [])].reverse());
  const facts = detail.facts ?? [];
  $("facts").replaceChildren(...facts.flatMap(({ name, value }) => [element("dt", {}, text(name)), element("dd", {}, text(value))]));
  $("facts").parentElement.hidden = facts.length === 0;
  $("drawing").textContent = (detail.drawing ?? "").split("\n").map(plain).join("\n");
  const picture = await (await ask(`picture?${new URLSearchParams(open)}`)).blob();
  if (state.open !== open) return;
  const before = state.picture;
  state.picture = URL.createObjectURL(picture);
  $("picture").src = state.picture;
  $("picture").alt = plain(`State diagram of ${open.machine}: ${titleOf(open)} is ${row.phase}${row.state ? ` in ${row.state}` : ""}`);
  $("picture").dataset.seq = row.seq ?? "";
  if (before) URL.revokeObjectURL(before);
}

/** Runs one read at a time. What happens meanwhile leads to one more. */
function reader(read) {
  let running = false;
  let again = false;
  const run = async () => {
    if (running) {
      again = true;
      return;
    }
    running = true;
    do {
      again = false;
      await read().then(() => problem(null), problem);
    } while (again);
    running = false;
  };
  return run;
}

const refreshOne = reader(readOne);
const refreshAll = reader(readAll);

function route() {
  const open = fromAddress();
  const isOther = (open && keyOf(open)) !== (state.open && keyOf(state.open));
  state.open = open;
  $("one").hidden = !open;
  $("all").hidden = Boolean(open);
  if (!open) {
    document.title = "Resources";
    if (isOther) $("main").focus();
    renderList();
    return;
  }
  $("name").textContent = plain(titleOf(open));
  $("kind").textContent = plain(open.machine);
  document.title = `${plain(titleOf(open))} · Resources`;
  if (isOther) {
    state.detail = null;
    delete $("standing").dataset.key;
    delete $("asks").dataset.key;
    $("standing").textContent = "";
    $("message").textContent = "";
    $("picture").removeAttribute("src");
    $("name").focus();
  }
  refreshOne();
}

window.addEventListener("hashchange", route);
setInterval(() => {
  renderStanding();
  if (!state.open) for (const [key, tr] of shown) tr.cells[3].textContent = age(state.rows.get(key) ?? {});
}, 1000);

// The verbs.

let opener = null;
let generation = 0;
let waiting = null;

function body() {
  const { offer, resource, seq } = state.asked;
  const asks = structuredClone(offer.asks);
  for (const input of $("ask-fields").querySelectorAll("input")) {
    if (input.dataset.fact) asks.facts[input.name] = input.value;
    else asks[input.name] = input.value;
  }
  return { resource, seq, asks };
}

function say(text, kind) {
  $("ask-will").textContent = plain(text);
  $("ask-will").className = kind;
}

async function preview() {
  const mine = ++generation;
  $("ask-do").disabled = true;
  if ([...$("ask-fields").querySelectorAll("input")].some((input) => !input.value)) {
    say("Look at the provider, and fill in what it says.", "");
    return;
  }
  try {
    const { text } = await post("preview", body());
    if (mine !== generation) return;
    say(`What will happen: ${text}`, "");
    $("ask-do").disabled = false;
  } catch (error) {
    if (mine === generation) say(`Refused: ${error.message}`, "refused");
  }
}

function begin(offer) {
  opener = document.activeElement;
  state.asked = { offer, resource: state.open, seq: state.detail?.row.seq ?? null };
  $("ask-title").textContent = label(offer);
  $("ask-name").textContent = plain(`${titleOf(state.open)}: ${offer.what}`);
  const field = (name, isFact) => {
    const id = `ask-${isFact ? "fact-" : ""}${name}`;
    const input = element("input", { id, name, autocomplete: "off", spellcheck: false });
    if (isFact) input.dataset.fact = "1";
    return element("p", { className: "field" }, element("label", { htmlFor: id, textContent: plain(name) }), input);
  };
  const fields = (offer.facts ?? []).map((name) => field(name, true));
  if (offer.field) fields.push(field(offer.field, false));
  $("ask-fields").replaceChildren(...fields);
  $("ask-do").textContent = label(offer);
  $("ask-do").hidden = false;
  $("ask-close").textContent = "Cancel";
  say("Asking the controller what will happen.", "");
  $("ask").showModal();
  if (fields.length) fields[0].querySelector("input").focus();
  preview();
}

$("ask-fields").addEventListener("input", () => {
  clearTimeout(waiting);
  generation += 1;
  $("ask-do").disabled = true;
  waiting = setTimeout(preview, 250);
});
$("ask-close").addEventListener("click", () => $("ask").close());
$("ask").addEventListener("close", () => {
  generation += 1;
  clearTimeout(waiting);
  if (opener?.isConnected) opener.focus();
  else if (state.open) $("name").focus();
});
$("ask-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  if ($("ask-do").disabled || $("ask-do").hidden) return;
  const mine = ++generation;
  $("ask-do").disabled = true;
  try {
    const { text } = await post("do", body());
    if (mine === generation) say(`Done: ${text}`, "done");
  } catch (error) {
    if (mine === generation) say(`Refused: ${error.message}`, "refused");
  }
  $("ask-do").hidden = true;
  $("ask-close").textContent = "Close";
  $("ask-close").focus();
  refreshOne();
});

// What changes, as the controller tells it.

function heard(event, data) {
  if (event === "again") {
    refreshAll();
    refreshOne();
    return;
  }
  if (event !== "change") return;
  const { row, ...resource } = JSON.parse(data);
  const key = keyOf(resource);
  if (row) state.rows.set(key, row);
  else state.rows.delete(key);
  soon();
  if (state.open && keyOf(state.open) === key) refreshOne();
}

/** An EventSource sends no token, so the stream is read here. */
async function follow() {
  const response = await ask("events");
  const lines = response.body.pipeThrough(new TextDecoderStream()).getReader();
  $("link").textContent = "live";
  $("link").className = "live";
  problem(null);
  let left = "";
  let event = "";
  let data = "";
  for (;;) {
    const { value, done } = await lines.read();
    if (done) return;
    left += value;
    const complete = left.split("\n");
    left = complete.pop();
    for (const line of complete) {
      if (line.startsWith("event:")) event = line.slice(6).trim();
      else if (line.startsWith("data:")) data += line.slice(5).trim();
      else if (line === "") {
        if (data) heard(event, data);
        event = data = "";
      }
    }
  }
}

async function stay() {
  let wait = 500;
  for (;;) {
    const begun = Date.now();
    await follow().catch((error) => {
      // The token is asked for, or the page says what is wrong.
      if (error instanceof Problem && !$("login").open) problem(error);
    });
    $("link").textContent = "not connected, trying again";
    $("link").className = "";
    if ($("login").open) await new Promise((resolve) => (loggedIn = resolve));
    else {
      wait = Date.now() - begun > 5000 ? 500 : Math.min(wait * 2, 10000);
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
}

route();
stay();
