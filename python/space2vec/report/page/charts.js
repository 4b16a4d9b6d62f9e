// The night as a whole: the histogram of scores, the counts of flags, and the map of the sky.
"use strict";

S2V.charts = (() => {
  const BINS = 25, WIDTH = 272, HEIGHT = 120;
  const SVG = "http://www.w3.org/2000/svg";

  const svg = (name, attributes, text) => {
    const node = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, String(value));
    if (text !== undefined) node.textContent = text;
    return node;
  };

  const binsOf = (rows) => {
    const bins = new Array(BINS).fill(0);
    for (const row of rows) {
      const score = S2V.night.score[row];
      if (score !== null) bins[Math.min(BINS - 1, Math.floor(score * BINS))]++;
    }
    return bins;
  };

  /** Draw how many candidates have which score: all of them, and those that the filter shows. */
  const drawHistogram = (all, rows, onPick) => {
    const total = binsOf(all), part = binsOf(rows), most = Math.max(1, ...total);
    const height = (n) => n === 0 ? 0 : Math.max(1.5, HEIGHT * Math.sqrt(n / most)); // areas of small bins stay visible
    const picture = svg("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT + 18}`, role: "group", "aria-label": "Histogram of scores, heights as square roots" });
    const step = WIDTH / BINS;
    total.forEach((n, k) => {
      const from = k / BINS, to = (k + 1) / BINS;
      const text = `${n} candidates with a score from ${from.toFixed(2)} to ${to.toFixed(2)}, ${part[k]} shown`;
      const bin = svg("g", { class: "bin", tabindex: 0, role: "button", "aria-label": text });
      bin.append(svg("title", {}, text));
      bin.append(svg("rect", { class: "area", x: k * step, y: 0, width: step, height: HEIGHT }));
      for (const [kind, count] of [["all", n], ["shown", part[k]]]) {
        bin.append(svg("rect", { class: kind, x: k * step + 0.5, y: HEIGHT - height(count), width: step - 1, height: height(count) }));
      }
      const pick = () => onPick(`score>=${from.toFixed(2)} score${k === BINS - 1 ? "<=" : "<"}${to.toFixed(2)}`);
      bin.addEventListener("click", pick);
      bin.addEventListener("keydown", (event) => { if (event.key === "Enter") pick(); });
      picture.append(bin);
    });
    const x = S2V.night.threshold * WIDTH;
    picture.append(svg("line", { class: "threshold", x1: x, x2: x, y1: 0, y2: HEIGHT, "stroke-dasharray": "4 3" }));
    for (const [tick, anchor] of [[0, "start"], [0.5, "middle"], [1, "end"]]) {
      picture.append(svg("text", { x: tick * WIDTH, y: HEIGHT + 14, "text-anchor": anchor }, String(tick)));
    }
    document.getElementById("histogram").replaceChildren(picture);
  };

  /** List the flags with the number of candidates that carry each; a click filters by one. */
  const listFlags = (rows, onPick) => {
    const { element } = S2V.list;
    const list = document.getElementById("flags");
    list.replaceChildren();
    const without = rows.filter((row) => S2V.night.flags[row] === 0).length;
    const entries = [{ name: "none", meaning: "no flag", n: without }];
    for (const flag of S2V.night.flagNames) {
      const n = rows.filter((row) => (S2V.night.flags[row] >>> flag.bit) & 1).length;
      if (n) entries.push({ name: flag.name, meaning: `${flag.meaning}${flag.scored ? "" : " (not scored)"}`, n });
    }
    for (const { name, meaning, n } of entries) {
      const button = element("button");
      button.type = "button";
      button.title = meaning;
      button.append(element("span", "", name), element("span", "", String(n)));
      button.addEventListener("click", () => onPick(`flag:${name}`));
      const item = element("li");
      item.append(button);
      list.append(item);
    }
  };

  let points = [];

  const coordinates = () => {
    const of = (name) => S2V.night.columns.find((column) => column.numeric && column.name === name);
    const ra = of("ra"), dec = of("dec");
    return ra && dec ? { ra: ra.values, dec: dec.values } : null;
  };

  /** Draw where the candidates are: all in one small field, or the whole sky in Aitoff's projection. */
  const drawSky = (rows, selected) => {
    const place = coordinates(), canvas = document.getElementById("sky"), context = canvas.getContext("2d");
    if (!place) return;
    document.getElementById("skybox").hidden = false;
    const known = rows.filter((row) => Number.isFinite(place.ra[row]) && Number.isFinite(place.dec[row]));
    const style = getComputedStyle(document.documentElement);
    context.clearRect(0, 0, canvas.width, canvas.height);
    const project = projection(known, place, canvas.width, canvas.height);
    points = known.map((row) => [row, ...project(place.ra[row], place.dec[row])]);
    for (const [row, x, y] of points.slice().reverse()) { // the first of the list is on top
      const score = S2V.night.score[row];
      context.fillStyle = score === null ? style.getPropertyValue("--faint") : style.getPropertyValue(score >= S2V.night.threshold ? "--real" : "--bogus");
      context.fillRect(x - 1, y - 1, 2.5, 2.5);
    }
    const chosen = points.find(([row]) => row === selected);
    if (chosen) {
      context.strokeStyle = style.getPropertyValue("--text");
      context.lineWidth = 2;
      context.strokeRect(chosen[1] - 5, chosen[2] - 5, 10, 10);
    }
    canvas.setAttribute("aria-label", `${known.length} candidates on the sky, ${project.words}; real ones green, bogus ones red`);
    canvas.title = "A click selects the nearest candidate";
  };

  const projection = (rows, place, width, height) => {
    const radians = Math.PI / 180;
    // The mean direction, so that a field across the meridian of 0 degrees stays in one piece.
    let x = 0, y = 0, z = 0, low = 90, high = -90;
    for (const row of rows) {
      const ra = place.ra[row] * radians, dec = place.dec[row] * radians;
      x += Math.cos(dec) * Math.cos(ra);
      y += Math.cos(dec) * Math.sin(ra);
      z += Math.sin(dec);
      low = Math.min(low, place.dec[row]);
      high = Math.max(high, place.dec[row]);
    }
    const ra0 = Math.atan2(y, x) / radians, dec0 = Math.atan2(z, Math.hypot(x, y)) / radians;
    const turn = (ra) => ((ra - ra0 + 540) % 360 + 360) % 360 - 180;
    let widest = 0;
    for (const row of rows) widest = Math.max(widest, Math.abs(turn(place.ra[row])) * Math.cos(place.dec[row] * radians));
    const reach = Math.max(widest, high - dec0, dec0 - low);
    if (rows.length && reach < 30) {
      const scale = (Math.min(width, height) / 2 - 8) / Math.max(reach, 1e-4);
      const project = (ra, dec) => [width / 2 - turn(ra) * Math.cos(dec * radians) * scale, height / 2 - (dec - dec0) * scale];
      project.words = `within ${reach.toPrecision(2)} degrees of right ascension ${((ra0 % 360 + 360) % 360).toFixed(2)} and declination ${dec0.toFixed(2)} degrees`;
      return project;
    }
    const project = (ra, dec) => {
      const l = ((((ra + 180) % 360) + 360) % 360 - 180) * radians / 2, b = dec * radians;
      const a = Math.acos(Math.cos(b) * Math.cos(l)), s = a === 0 ? 1 : Math.sin(a) / a;
      return [width / 2 - (2 * Math.cos(b) * Math.sin(l) / s) / Math.PI * (width / 2 - 4), height / 2 - (Math.sin(b) / s) / (Math.PI / 2) * (height / 2 - 4)];
    };
    project.words = "the whole sky in Aitoff's projection";
    return project;
  };

  /** The row nearest to a point of the map. */
  const nearest = (x, y) => {
    let best = -1, least = Infinity;
    for (const [row, px, py] of points) {
      const distance = Math.hypot(px - x, py - y);
      if (distance < least) { least = distance; best = row; }
    }
    return best;
  };

  return { drawHistogram, listFlags, drawSky, nearest };
})();
