// The page: who is signed in, their todos, and what went wrong.

import { AuthClient } from "@supabase/auth-js";
import { Database, DatabaseError } from "./database.mjs";
import { Todos } from "./todos.mjs";

/** How often the shown expiry and the list's token are looked at. */
const LOOK_MS = 30_000;

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {{new (): T}} type
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${id}`);
  return found;
}

const page = {
  add: element("add", HTMLFormElement),
  empty: element("empty", HTMLParagraphElement),
  error: element("error", HTMLParagraphElement),
  lease: element("lease", HTMLParagraphElement),
  list: element("list", HTMLUListElement),
  login: element("login", HTMLFormElement),
  signOut: element("sign-out", HTMLButtonElement),
  title: element("title", HTMLInputElement),
  todos: element("todos", HTMLElement),
};

const config = await fetch("/config.json").then((response) => response.json());
const auth = new AuthClient({
  url: config.auth,
  headers: config.apiKey ? { apikey: config.apiKey } : {},
  storageKey: "demo-todos",
  autoRefreshToken: true,
  persistSession: true,
  detectSessionInUrl: false,
});

/** @type {Database | undefined} */
let database;
/** @type {string | undefined} */
let user;

/** A login token that is good now: the library renews it when it must. */
async function login() {
  const { data, error } = await auth.getSession();
  if (error) throw new DatabaseError(error.message, { cause: error });
  if (!data.session) throw new DatabaseError("You are signed out.", { signedOut: true });
  return data.session.access_token;
}

/** @param {string} [message] nothing: the last error is over */
function say(message) {
  page.error.textContent = message ?? "";
  page.error.hidden = !message;
}

/**
 * Runs an action of the user: buttons rest meanwhile, errors are shown.
 * @param {() => Promise<void>} action
 */
async function attempt(action) {
  const buttons = [...document.querySelectorAll("button")];
  for (const button of buttons) button.disabled = true;
  try {
    await action();
    say();
  } catch (error) {
    say(error instanceof Error ? error.message : String(error));
    if (error instanceof DatabaseError && error.signedOut) await leave();
  } finally {
    for (const button of buttons) button.disabled = false;
  }
}

/** @param {string | undefined} id of the user; nothing: signed out */
async function enter(id) {
  if (id !== user || !id) {
    database?.close();
    database = id ? new Database({ mint: config.mint, login }) : undefined;
    user = id;
  }
  page.login.hidden = Boolean(id);
  page.todos.hidden = page.signOut.hidden = page.lease.hidden = !id;
  if (id) {
    await show();
    page.title.focus();
  } else {
    page.list.replaceChildren();
    element("email", HTMLInputElement).focus();
  }
}

async function leave() {
  // Of this browser alone. When the auth server is away the session is forgotten here all the same.
  await auth.signOut({ scope: "local" });
  await enter(undefined);
}

function todos() {
  if (!database) throw new DatabaseError("You are signed out.", { signedOut: true });
  return new Todos(database);
}

async function show() {
  const found = await todos().all();
  page.list.replaceChildren(...found.map(entry));
  page.empty.hidden = found.length > 0;
  await showLease();
}

async function showLease() {
  if (!database) return;
  const { namespace, expiresAt } = await database.lease();
  const time = new Date(expiresAt).toLocaleTimeString();
  page.lease.textContent = `Database ${namespace}. The token is good until ${time} and renews itself.`;
}

/** @param {import("./todos.mjs").Todo} todo */
function entry({ id, title, done }) {
  const item = document.createElement("li");
  item.classList.toggle("done", done);
  const label = document.createElement("label");
  const box = document.createElement("input");
  box.type = "checkbox";
  box.checked = done;
  box.addEventListener("change", () => change(() => todos().mark(id, box.checked)));
  const remove = document.createElement("button");
  remove.type = "button";
  remove.textContent = "Delete";
  remove.setAttribute("aria-label", `Delete ${title}`);
  remove.addEventListener("click", () => change(() => todos().remove(id)));
  label.append(box, document.createTextNode(title));
  item.append(label, remove);
  return item;
}

/** @param {() => Promise<void>} action */
const change = (action) =>
  attempt(async () => {
    await action();
    await show();
  });

page.login.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = new FormData(page.login);
  const credentials = { email: String(form.get("email")), password: String(form.get("password")) };
  const button = event.submitter;
  const up = button instanceof HTMLButtonElement && button.value === "up";
  void attempt(async () => {
    const { data, error } = up ? await auth.signUp(credentials) : await auth.signInWithPassword(credentials);
    if (error) throw error;
    if (!data.session) throw new Error("Signed up. Now follow the link in the e-mail, then sign in.");
    page.login.reset();
    await enter(data.session.user.id);
  });
});

page.add.addEventListener("submit", (event) => {
  event.preventDefault();
  const title = page.title.value.trim();
  if (!title) return;
  void change(async () => {
    await todos().add(title);
    page.add.reset();
  }).then(() => page.title.focus());
});

page.signOut.addEventListener("click", () => void attempt(leave));

// Another tab may sign in or out. No call of the library inside: it holds its lock here.
auth.onAuthStateChange((_event, session) => {
  const now = session?.user.id;
  setTimeout(() => {
    if (now !== user) void attempt(() => enter(now));
  });
});
setInterval(() => {
  if (database && !document.hidden) showLease().catch((error) => say(error.message));
}, LOOK_MS);

const { data } = await auth.getSession();
await attempt(() => enter(data.session?.user.id));
