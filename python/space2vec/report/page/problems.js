// What was wrong with the inputs: records that cannot be read, and candidates without a score.
"use strict";

S2V.problems = (() => {
  const FIRST = 20; // that are listed before all are asked for
  let byRow = new Map();

  /** List the problems; a click selects the candidate. */
  const start = (onPick) => {
    const { night } = S2V, { element } = S2V.list;
    byRow = new Map();
    for (const problem of night.problems) byRow.set(problem[0], [...(byRow.get(problem[0]) || []), problem]);
    if (!night.problemCount) return;
    document.getElementById("problembox").hidden = false;
    const counts = new Map();
    for (const [, , reason] of night.problems) counts.set(reason, (counts.get(reason) || 0) + 1);
    const more = night.problemCount - night.problems.length;
    document.getElementById("problemcount").textContent =
      [...counts].map(([reason, n]) => `${n} ${reason}`).join(", ") + (more ? `; ${more} more are not listed` : "");
    const list = document.getElementById("problems");
    const add = (problems) => {
      for (const [row, place, reason, message] of problems) {
        const button = element("button");
        button.type = "button";
        button.title = message;
        button.append(element("span", "", place.split("/").pop() || night.candidate[row] || `row ${row}`), element("span", "faint", reason));
        button.addEventListener("click", () => onPick(row));
        const item = element("li");
        item.append(button);
        list.append(item);
      }
    };
    add(night.problems.slice(0, FIRST));
    if (night.problems.length <= FIRST) return;
    const item = element("li"), all = element("button", "", `List all ${night.problems.length}`);
    all.type = "button";
    all.addEventListener("click", () => {
      const next = list.children.length - 1;
      item.remove();
      add(night.problems.slice(FIRST));
      list.children[next].firstChild.focus();
    });
    item.append(all);
    list.append(item);
  };

  /** The problems of a row as lines of text. */
  const of = (row) => (byRow.get(row) || []).map(([, place, reason, message]) => `${reason}: ${message}${place ? ` (${place})` : ""}`);

  return { start, of };
})();
