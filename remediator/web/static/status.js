// Keeps the page true: loads it again every few seconds without losing the reader's place, counts in between, and says
// loudly how old it is where no answer comes. Nothing but the page itself is asked for, so there is one rendering.
"use strict";

(() => {
  const REFRESH = 3_000;
  const PATIENCE = 5_000;
  const OLD = 15_000; // Older than any answer that was waited for: the device slept.

  const root = document.documentElement;
  const at = (id) => document.getElementById(id);
  let received = Date.now();
  let asking = false;
  let failed = false;

  // The server's clock. The device's own may be wrong, and is only trusted to go on, also through a sleep.
  const age = () => Math.max(0, Date.now() - received);
  const now = () => Date.parse(root.dataset.time) + age();

  // The two largest units, as the service writes durations.
  function spell(seconds) {
    const parts = [];
    for (const [unit, size] of [["w", 604800], ["d", 86400], ["h", 3600], ["m", 60], ["s", 1]]) {
      const count = Math.floor(seconds / size);
      seconds -= count * size;
      if (count) parts.push(count + unit);
    }
    return parts.slice(0, 2).join("") || "0s";
  }

  function write(element, text) {
    if (element.textContent !== text) element.textContent = text;
  }

  function count() {
    for (const element of document.querySelectorAll("[data-until]")) {
      write(element, `${spell(Math.ceil(Math.max(0, Date.parse(element.dataset.until) - now()) / 1000))} left`);
    }
    for (const element of document.querySelectorAll("[data-since]")) {
      write(element, `${spell(Math.floor(Math.max(0, now() - Date.parse(element.dataset.since)) / 1000))} ago`);
    }
    at("age").hidden = false;
    write(at("age"), `, ${spell(Math.floor(age() / 1000))} ago`);

    const silent = failed || age() > OLD;
    const title = document.title.replace(/^No answer - /, "");
    root.classList.toggle("silent", silent);
    document.title = silent ? `No answer - ${title}` : title;
    // Read aloud when it appears, so nothing in it counts.
    const since = at("shown").firstElementChild.textContent.split(" ").slice(1).join(" ");
    write(at("silence"), silent ? `✕ No answer since ${since}. All below is that old.` : "");
  }

  // Makes an old node like a fresh one. What is kept keeps its focus, its selection and its place.
  function follow(old, fresh) {
    if (old.nodeName !== fresh.nodeName || old.id !== fresh.id) {
      old.replaceWith(fresh);
      return;
    }
    if (!(old instanceof Element)) {
      if (old.nodeValue !== fresh.nodeValue) old.nodeValue = fresh.nodeValue;
      return;
    }
    for (const { name } of [...old.attributes]) {
      if (name !== "open" && !fresh.hasAttribute(name)) old.removeAttribute(name);
    }
    for (const { name, value } of fresh.attributes) {
      if (old.getAttribute(name) !== value) old.setAttribute(name, value);
    }
    const [olds, freshes] = [[...old.childNodes], [...fresh.childNodes]];
    olds.slice(freshes.length).forEach((node) => node.remove());
    freshes.forEach((node, index) => (index < olds.length ? follow(olds[index], node) : old.append(node)));
  }

  async function refresh() {
    if (asking) return;
    asking = true;
    const asked = Date.now();
    try {
      const answer = await fetch(location.href, { cache: "no-store", signal: AbortSignal.timeout(PATIENCE) });
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.documentElement.dataset;
      // A proxy's error or login page is no answer either.
      if (!answer.ok || !fresh.time) throw new Error(`answer ${answer.status}`);
      if (fresh.version !== root.dataset.version) return location.reload();
      follow(document.querySelector("main"), page.querySelector("main"));
      at("shown").firstElementChild.replaceWith(page.getElementById("shown").firstElementChild);
      document.title = page.title;
      root.dataset.time = fresh.time;
      [received, failed] = [asked, false];
    } catch {
      failed = true;
    } finally {
      asking = false;
    }
    count();
  }

  count();
  setInterval(count, 1_000);
  setInterval(refresh, REFRESH);
  document.addEventListener("visibilitychange", () => document.hidden || refresh());
})();
