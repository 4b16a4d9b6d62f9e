// Labels: kept in this browser, saved as the file that `space2vec train --labels` takes.
"use strict";

S2V.labels = (() => {
  const LABELS = ["real", "bogus", "unsure"];
  const labels = new Map(); // by candidate id
  let key = "";
  const listeners = [];

  // Where the pages are served by space2vec review, labels are kept by it.
  const send = (id, label) => fetch("label", {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify({ candidate_id: id, label }),
  }).then(async (answer) => { if (!answer.ok) throw new Error(await answer.text()); });

  const store = () => {
    if (S2V.night.served) return true;
    try {
      localStorage.setItem(key, JSON.stringify([...labels]));
      return true;
    } catch {
      return false; // a private window, or no space: the labels last as long as the page
    }
  };

  const start = () => {
    key = `space2vec labels ${S2V.night.night}`;
    for (const [id, label] of Object.entries(S2V.night.labels)) labels.set(id, label);
    if (S2V.night.served) return;
    try {
      for (const [id, label] of JSON.parse(localStorage.getItem(key) || "[]")) if (LABELS.includes(label)) labels.set(id, label);
    } catch {
      localStorage.removeItem(key);
    }
  };

  const of = (row) => labels.get(S2V.night.candidate[row]) || "";

  const change = (id, label) => {
    const before = labels.get(id) || "";
    if (label) labels.set(id, label); else labels.delete(id);
    if (!S2V.night.served) return;
    send(id, label).catch((error) => {
      if (before) labels.set(id, before); else labels.delete(id);
      S2V.onLabelLost(`the label of ${id} is not written: ${error.message}`);
      for (const listener of listeners) listener();
    });
  };

  /** Label a row, or take its label away; false if it has no id that a file of labels could name. */
  const set = (row, label) => {
    const id = S2V.night.candidate[row];
    if (id === null || id === "") return false;
    change(id, label);
    store();
    for (const listener of listeners) listener();
    return true;
  };

  const counts = () => Object.fromEntries(LABELS.map((label) => [label, [...labels.values()].filter((x) => x === label).length]));

  const quote = (text) => /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;

  const toCsv = () => ["candidate_id,label", ...[...labels].map(([id, label]) => `${quote(id)},${label}`)].join("\n") + "\n";

  /** Split CSV text into rows of cells. */
  const parseCsv = (text) => {
    const rows = [];
    let row = [], cell = "", quoted = false;
    for (let i = 0; i < text.length; i++) {
      const c = text[i];
      if (quoted) {
        if (c !== '"') cell += c;
        else if (text[i + 1] === '"') { cell += c; i++; }
        else quoted = false;
      } else if (c === '"') quoted = true;
      else if (c === ",") { row.push(cell); cell = ""; }
      else if (c === "\n" || c === "\r") {
        if (c === "\r" && text[i + 1] === "\n") i++;
        rows.push([...row, cell]);
        row = [];
        cell = "";
      } else cell += c;
    }
    if (cell || row.length) rows.push([...row, cell]);
    return rows.filter((cells) => cells.some(Boolean));
  };

  /** Take over the labels of a file; return how many were taken, and how many candidates are not of this night. */
  const fromCsv = (text) => {
    const [head = [], ...rows] = parseCsv(text.replace(/^\ufeff/, ""));
    const id = head.indexOf("candidate_id"), label = head.indexOf("label");
    if (id < 0 || label < 0) throw new Error("the file has no columns candidate_id and label");
    const names = { 1: "real", 0: "bogus", real: "real", bogus: "bogus", unsure: "unsure" };
    const known = new Set(S2V.night.candidate);
    let taken = 0, strange = 0;
    for (const cells of rows) {
      const name = names[(cells[label] || "").trim().toLowerCase()];
      if (!name || !known.has(cells[id])) { strange++; continue; }
      change(cells[id], name);
      taken++;
    }
    store();
    for (const listener of listeners) listener();
    return { taken, strange };
  };

  return { start, of, set, counts, toCsv, fromCsv, onChange: (listener) => listeners.push(listener) };
})();
