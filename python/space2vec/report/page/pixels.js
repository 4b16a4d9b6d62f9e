// The stamps: files of them are loaded when they are needed, decoded, scaled and drawn.
"use strict";

S2V.pixels = (() => {
  const CHANNELS = ["science", "template", "difference"];
  const BLANK = [0x3b, 0x6e, 0xa5];
  const KEPT = 400; // files whose pixels are kept in memory, about 190 kB each
  const files = new Map(); // by number: a promise of the candidates of the file, the latest used last
  const waiting = new Map();

  // A file calls this with its number, what its planes are, and their pixels as text (see report/pixels.py).
  window.s2vStamps = (number, head, text) => {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i) & 0xff;
    const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate"));
    const done = new Response(stream).arrayBuffer().then((buffer) => split(head, new Int8Array(buffer)));
    waiting.get(number).resolve(done);
  };

  const split = (head, codes) => {
    let from = 0;
    return head.planes.map((planes, k) => ({
      centre: head.centres[k],
      planes: planes.map((plane) => {
        if (plane === null) return null;
        const [height, width, median, noise] = plane;
        const part = codes.subarray(from, (from += height * width));
        return { height, width, median, noise, codes: part };
      }),
    }));
  };

  const loadFile = (number) => {
    let file = files.get(number);
    if (file) {
      files.delete(number);
    } else {
      file = new Promise((resolve, reject) => {
        const script = document.createElement("script");
        waiting.set(number, { resolve });
        script.charset = "x-user-defined";
        script.src = `data/stamps-${number}.js`;
        script.onload = () => { waiting.delete(number); script.remove(); };
        script.onerror = () => { files.delete(number); script.remove(); reject(new Error(`cannot read ${script.src}`)); };
        document.head.append(script);
      });
      if (files.size >= KEPT) files.delete(files.keys().next().value);
    }
    files.set(number, file);
    return file;
  };

  /** Return a promise of the planes and the centre of a row. */
  const load = (row) => {
    const size = S2V.night.stampsPerFile;
    return loadFile(Math.floor(row / size)).then((rows) => rows[row % size]);
  };

  /** The value of each of the 256 codes of a plane; NaN for the one of pixels without a value. */
  const valuesOf = (plane) => {
    const values = new Float64Array(256);
    for (let code = -127; code < 128; code++) values[code + 128] = plane.median + plane.noise * Math.sinh(code / S2V.night.steps);
    values[0] = NaN;
    return values;
  };

  /** The pixels that have a value, from the lowest up. */
  const sortedPixels = (plane, values) => {
    const counts = new Uint32Array(256);
    for (const code of plane.codes) counts[code + 128]++;
    const sorted = new Float64Array(plane.codes.length - counts[0]);
    let at = 0;
    for (let code = 1; code < 256; code++) sorted.fill(values[code], at, (at += counts[code]));
    return sorted;
  };

  /** IRAF's ZScale, as astropy.visualization.ZScaleInterval has it: a line through the sorted pixels, contrast 1/4. */
  const zscale = (sorted) => {
    const n = Math.min(1000, sorted.length), low = sorted[0], high = sorted[sorted.length - 1];
    const sample = Array.from({ length: n }, (_, i) => sorted[Math.floor((i * sorted.length) / n)]);
    const good = new Array(n).fill(true);
    let kept = n, slope = 0, offset = 0;
    for (let round = 0; round < 5; round++) {
      let sx = 0, sy = 0, sxx = 0, sxy = 0;
      for (let i = 0; i < n; i++) if (good[i]) { sx += i; sy += sample[i]; sxx += i * i; sxy += i * sample[i]; }
      slope = (kept * sxy - sx * sy) / (kept * sxx - sx * sx || 1);
      offset = (sy - slope * sx) / kept;
      let square = 0;
      for (let i = 0; i < n; i++) if (good[i]) square += (sample[i] - offset - slope * i) ** 2;
      const limit = 2.5 * Math.sqrt(square / kept);
      let next = 0;
      for (let i = 0; i < n; i++) { good[i] = Math.abs(sample[i] - offset - slope * i) <= limit; next += good[i]; }
      if (next === kept || next < Math.max(5, n / 2)) { kept = next; break; }
      kept = next;
    }
    if (kept < Math.max(5, n / 2)) return [low, high];
    const middle = (n - 1) / 2, median = sample[Math.floor(middle)], steep = slope / 0.25;
    return [Math.max(low, median - middle * steep), Math.min(high, median + middle * steep)];
  };

  /** The limits of a plane, and how a value between them becomes 0 to 1. */
  const scaleOf = (plane, stretch) => {
    const values = valuesOf(plane);
    const sorted = sortedPixels(plane, values);
    if (sorted.length === 0) return { values, scale: () => 0 };
    const share = (part) => sorted[Math.round(part * (sorted.length - 1))];
    let [low, high] = stretch === "zscale" ? zscale(sorted) : stretch === "linear" ? [share(0.0025), share(0.9975)] : [share(0), share(1)];
    if (stretch === "asinh") low = Math.max(low, plane.median - 3 * plane.noise);
    if (!(high > low)) { low -= 1; high += 1; }
    const linear = (x) => Math.min(1, Math.max(0, (x - low) / (high - low)));
    if (stretch !== "asinh") return { values, scale: linear };
    const soft = 2 * plane.noise, most = Math.asinh((high - low) / soft);
    return { values, scale: (x) => Math.min(1, Math.asinh(Math.max(0, x - low) / soft) / most) };
  };

  /** Draw a plane about `side` pixels wide, its first row at the bottom, with two strokes that point at the candidate. */
  const draw = (canvas, plane, centre, stretch, side) => {
    const context = canvas.getContext("2d");
    if (!plane) {
      canvas.width = canvas.height = 63;
      context.fillStyle = `rgb(${BLANK})`;
      context.fillRect(0, 0, 63, 63);
      return;
    }
    const { height, width, codes } = plane;
    const { values, scale } = scaleOf(plane, stretch);
    const grey = values.map((value) => Number.isNaN(value) ? -1 : Math.round(255 * scale(value)));
    const times = Math.max(1, Math.round(side / Math.max(height, width)));
    const small = new ImageData(width, height);
    for (let y = 0; y < height; y++) {
      for (let x = 0; x < width; x++) {
        const level = grey[codes[y * width + x] + 128], at = 4 * ((height - 1 - y) * width + x);
        for (let c = 0; c < 3; c++) small.data[at + c] = level < 0 ? BLANK[c] : level;
        small.data[at + 3] = 255;
      }
    }
    canvas.width = width * times;
    canvas.height = height * times;
    const aside = document.createElement("canvas");
    aside.width = width;
    aside.height = height;
    aside.getContext("2d").putImageData(small, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(aside, 0, 0, width * times, height * times);
    const x = (centre[1] + 0.5) * times, y = (height - centre[0] - 0.5) * times, reach = 0.11 * Math.max(height, width) * times;
    context.strokeStyle = "#ff7a1a";
    context.lineWidth = Math.max(1, 0.75 * times);
    context.beginPath();
    context.moveTo(x + 0.7 * reach, y);
    context.lineTo(x + 1.6 * reach, y);
    context.moveTo(x, y - 0.7 * reach);
    context.lineTo(x, y - 1.6 * reach);
    context.stroke();
  };

  return { CHANNELS, load, draw, scaleOf, zscale };
})();
