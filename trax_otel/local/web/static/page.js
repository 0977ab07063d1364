// What the page does beyond links and forms: folding and opening spans, finding, showing what arrives. No library.
"use strict";
(() => {
  const all = (selector, within = document) => Array.from(within.querySelectorAll(selector));

  // --- A trace's rows ------------------------------------------------------------------------------------------------

  const depth = (row) => Number(row.dataset.d);
  const twistOf = (row) => (row.firstElementChild.matches(".twist") ? row.firstElementChild : null);
  const headOf = (row) => row.querySelector(":scope > .head");
  const folded = (row) => twistOf(row)?.getAttribute("aria-expanded") === "false";

  /** Hides every row that lies below a folded one. */
  function layOut(waterfall) {
    let hiddenBelow = Infinity;
    for (const row of all(".row", waterfall)) {
      const hidden = depth(row) > hiddenBelow;
      if (row.hidden !== hidden) row.hidden = hidden;
      if (!hidden) hiddenBelow = folded(row) ? depth(row) : Infinity;
    }
  }

  function fold(row, state) {
    const twist = twistOf(row);
    if (!twist) return false;
    twist.setAttribute("aria-expanded", String(!state));
    return true;
  }

  /** Makes a row visible, by unfolding what it lies below. */
  function unfoldAbove(row) {
    const rows = all(".row", row.closest(".waterfall"));
    let below = depth(row);
    for (let place = rows.indexOf(row) - 1; place >= 0 && below > 0; place--) {
      if (depth(rows[place]) < below) {
        below = depth(rows[place]);
        fold(rows[place], false);
      }
    }
    layOut(row.closest(".waterfall"));
  }

  function goToHash() {
    const row = location.hash.startsWith("#s-") && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!row) return;
    unfoldAbove(row);
    open(row, true);
    row.scrollIntoView({ block: "start" });
    headOf(row).focus({ preventScroll: true });
  }

  /** Shows or hides a span's details; a long trace comes without them, so that they are fetched first. */
  async function open(row, state) {
    headOf(row).setAttribute("aria-expanded", String(state));
    let more = row.querySelector(":scope > .more");
    if (more) more.hidden = !state;
    if (more || !state) return;
    more = document.createElement("div");
    more.className = "more";
    row.append(more);
    try {
      const answer = await fetch(`${row.closest(".waterfall").dataset.spans}${row.id.slice(2)}?bare=1`);
      if (!answer.ok) throw new Error(answer.statusText);
      more.innerHTML = await answer.text(); // from our own server, which escapes all that telemetry says
    } catch {
      more.remove(); // opening it again asks again
      headOf(row).setAttribute("aria-expanded", "false");
    }
  }

  const toggle = (row) => open(row, headOf(row).getAttribute("aria-expanded") !== "true");

  function neighbour(row, step) {
    const rows = all(".row", row.closest(".waterfall")).filter((other) => !other.hidden && headOf(other));
    return rows[rows.indexOf(row) + step];
  }

  function onRowKey(event) {
    const row = event.target.closest?.(".row");
    if (!row || !event.target.matches(".head, .twist") || event.ctrlKey || event.metaKey || event.altKey) return;
    const waterfall = row.closest(".waterfall");
    if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      neighbour(row, event.key === "ArrowDown" ? 1 : -1)?.querySelector(".head").focus();
    } else if ((event.key === "Enter" || event.key === " ") && event.target.matches(".head")) {
      toggle(row);
    } else if (event.key === "ArrowLeft" && twistOf(row) && !folded(row)) {
      fold(row, true);
      layOut(waterfall);
    } else if (event.key === "ArrowRight" && folded(row)) {
      fold(row, false);
      layOut(waterfall);
    } else {
      return;
    }
    event.preventDefault();
  }

  document.addEventListener("click", (event) => {
    const twist = event.target.closest?.(".twist");
    if (twist) {
      const row = twist.closest(".row");
      fold(row, !folded(row));
      layOut(row.closest(".waterfall"));
    }
    const head = event.target.closest?.(".head");
    if (head && !event.target.closest("a")) toggle(head.parentElement);
    const button = event.target.closest?.("[data-fold]");
    if (button) {
      for (const row of all(".row")) fold(row, button.dataset.fold === "all" && depth(row) > 0);
      all(".waterfall").forEach(layOut);
    }
  });
  document.addEventListener("keydown", onRowKey);
  window.addEventListener("hashchange", goToHash);

  // --- Finding --------------------------------------------------------------------------------------------------------

  document.addEventListener("keydown", (event) => {
    const field = document.getElementById("find");
    if (event.key === "/" && field && !event.target.matches("input, select, textarea")) {
      event.preventDefault();
      field.focus();
    }
  });

  function findInTrace(tools) {
    const field = tools.querySelector("#find");
    const told = tools.querySelector("#matches");
    let matches = [];
    let place = -1;
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      matches = [];
      place = -1;
      for (const row of all(".row")) {
        const fits = wanted !== "" && all(".what, .asked, .said", row).some((part) => part.textContent.toLowerCase().includes(wanted));
        row.classList.toggle("match", fits);
        if (fits) matches.push(row);
      }
      told.textContent = wanted === "" ? "" : matches.length === 0 ? "none" : `${matches.length} found`;
    });
    field.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || matches.length === 0) return;
      event.preventDefault();
      place = (place + (event.shiftKey ? matches.length - 1 : 1)) % matches.length;
      unfoldAbove(matches[place]);
      matches[place].scrollIntoView({ block: "center" });
      matches.forEach((row, number) => row.classList.toggle("here", number === place));
      told.textContent = `${place + 1} of ${matches.length}`;
    });
    tools.hidden = false;
  }

  // --- What arrives ---------------------------------------------------------------------------------------------------

  /** Puts what the server shows now into the parts that live; open records, focus and a selection stay as they are. */
  async function refresh() {
    const answer = await fetch(location.href);
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
    for (const part of all("[data-live]")) {
      const other = fresh.getElementById(part.id);
      if (!other || other.innerHTML === part.dataset.shown) continue;
      part.dataset.shown = other.innerHTML;
      const known = new Set(all("[data-key]", part).map((row) => row.dataset.key));
      const open = new Set(all("details[data-key][open]", part).map((row) => row.dataset.key));
      const links = all("a, summary", part);
      const focused = links[links.indexOf(document.activeElement)];
      part.replaceChildren(...other.childNodes);
      for (const row of all("[data-key]", part)) {
        if (open.has(row.dataset.key)) row.open = true;
        if (known.size && !known.has(row.dataset.key)) row.classList.add("fresh");
      }
      if (focused) {
        all("a, summary", part)
          .find((link) => link.textContent === focused.textContent && link.href === focused.href)
          ?.focus({ preventScroll: true });
      }
    }
  }

  async function lookForGrowth(remark) {
    const answer = await fetch(remark.dataset.from);
    if (answer.ok) remark.hidden = Number(await answer.text()) <= Number(remark.dataset.size);
  }

  const REST = 800; // milliseconds between two looks at least; four times what the last one took, where that is longer

  function goLive(button) {
    const parts = all("[data-live]");
    const remark = document.getElementById("grown");
    if (!window.EventSource || (!parts.length && !remark)) return;
    let seen = document.body.dataset.revision;
    let newest = seen;
    let busy = false;
    let news = null;
    const live = () => button.getAttribute("aria-pressed") === "true";
    const reading = () => getSelection()?.type === "Range" && parts.some((part) => part.contains(getSelection().anchorNode));

    async function follow() {
      if (busy || newest === seen || !live() || document.hidden) return;
      busy = true;
      const began = performance.now();
      const showing = newest;
      try {
        if (!reading()) {
          await (remark ? lookForGrowth(remark) : refresh());
          seen = showing;
        }
      } catch {
        // the server is away; the stream tells when it is back
      }
      setTimeout(() => {
        busy = false;
        follow();
      }, Math.max(REST, 4 * (performance.now() - began)));
    }

    /** A page in sight holds a stream; one out of sight lets go of it, since a browser has only six for a server. */
    function listen() {
      if (document.hidden) {
        news?.close();
        news = null;
        return;
      }
      if (news) return;
      news = new EventSource("/live");
      news.addEventListener("revision", (event) => {
        newest = event.data;
        button.classList.remove("away");
        button.title = "Show what arrives as it arrives";
        follow();
      });
      news.addEventListener("error", () => {
        button.classList.add("away");
        button.title = "The endpoint does not answer";
      });
    }

    for (const part of parts) part.dataset.shown = part.innerHTML;
    button.addEventListener("click", () => {
      button.setAttribute("aria-pressed", String(!live()));
      follow();
    });
    document.addEventListener("visibilitychange", listen);
    window.addEventListener("pagehide", () => news?.close());
    button.hidden = false;
    listen();
  }

  function begin() {
    document.querySelector(".top a[aria-current]")?.scrollIntoView({ inline: "center", block: "nearest" });
    const tools = document.querySelector(".tools");
    if (tools) findInTrace(tools);
    const button = document.getElementById("live");
    if (button) goLive(button);
    goToHash();
  }

  if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
  else begin();
})();
