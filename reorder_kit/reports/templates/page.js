"use strict";
// Everything shown is text or an attribute: data is never parsed as HTML.
(() => {
  const svgSpace = document.querySelector("svg").namespaceURI; // avoids writing a URL into the page
  const calm = matchMedia("(prefers-reduced-motion: reduce)");
  const tip = document.querySelector(".tip");

  const make = (name, attributes = {}, text = "") => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.textContent = text;
    return element;
  };
  const draw = (parent, name, attributes = {}) => {
    const element = document.createElementNS(svgSpace, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    return parent.appendChild(element);
  };

  // Tips

  const showTip = (text, x, y) => {
    tip.textContent = text;
    tip.hidden = false;
    const { width, height } = tip.getBoundingClientRect();
    tip.style.left = `${Math.max(8, Math.min(x + 14, innerWidth - width - 8))}px`;
    tip.style.top = `${y - height - 14 < 8 ? y + 18 : y - height - 14}px`;
  };
  const hideTip = () => { tip.hidden = true; };
  document.addEventListener("pointerover", (event) => {
    const mark = event.target.closest("[data-tip]");
    if (mark) showTip(mark.dataset.tip, event.clientX, event.clientY);
  });
  document.addEventListener("pointerout", (event) => {
    if (event.target.closest("[data-tip]")) hideTip();
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hideTip(); });
  addEventListener("scroll", hideTip, { passive: true });

  const followPointer = (drawing) => {
    const hover = JSON.parse(drawing.dataset.hover);
    const plot = drawing.querySelector("svg");
    const cursor = draw(plot, "line", { class: "cursor", y1: hover.top, y2: hover.bottom, visibility: "hidden" });
    let place = -1;
    const show = (next, x, y) => {
      place = Math.max(0, Math.min(hover.places.length - 1, next));
      const at = hover.positions[place];
      cursor.setAttribute("x1", at);
      cursor.setAttribute("x2", at);
      cursor.setAttribute("visibility", "visible");
      const lines = hover.lines.filter((line) => line.values[place] !== null);
      const values = lines.map((line) => `${line.name}: ${line.values[place]}`);
      const box = plot.getBoundingClientRect();
      const scale = box.width / plot.viewBox.baseVal.width;
      showTip([`${hover.axis} ${hover.places[place]}`, ...values].join("\n"), x ?? box.left + at * scale, y ?? box.top + hover.top * scale);
    };
    const hide = () => {
      cursor.setAttribute("visibility", "hidden");
      hideTip();
    };
    const follow = (event) => {
      const box = plot.getBoundingClientRect();
      const x = ((event.clientX - box.left) / box.width) * plot.viewBox.baseVal.width;
      const distances = hover.positions.map((position) => Math.abs(position - x));
      show(distances.indexOf(Math.min(...distances)), event.clientX, event.clientY);
    };
    drawing.addEventListener("pointermove", follow);
    drawing.addEventListener("pointerdown", follow);
    drawing.addEventListener("pointerleave", hide);
    drawing.addEventListener("blur", hide);
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (!step) return;
      event.preventDefault();
      show(place < 0 ? 0 : place + step);
    });
  };

  // Tables

  const valueOf = (row, column, isNumber) => {
    const value = row.cells[column].dataset.value;
    return isNumber ? (value === "" ? NaN : Number(value)) : value;
  };
  const sortable = (table) => {
    const headings = [...table.tHead.rows[0].cells];
    headings.forEach((heading, column) => {
      heading.querySelector("button").addEventListener("click", () => {
        const isNumber = heading.classList.contains("number");
        // Numbers start with the largest; empty cells are always last.
        const first = isNumber ? "descending" : "ascending";
        const other = isNumber ? "ascending" : "descending";
        const direction = heading.ariaSort === first ? other : first;
        for (const each of headings) each.removeAttribute("aria-sort");
        heading.setAttribute("aria-sort", direction);
        const sign = direction === "ascending" ? 1 : -1;
        const rows = [...table.tBodies[0].rows].map((row) => [valueOf(row, column, isNumber), row]);
        rows.sort(([a], [b]) => {
          if (!isNumber) return sign * a.localeCompare(b);
          if (Number.isNaN(a) || Number.isNaN(b)) return Number.isNaN(a) - Number.isNaN(b);
          return sign * (a - b);
        });
        table.tBodies[0].append(...rows.map(([, row]) => row));
      });
    });
  };
  const saveCsv = (button) => {
    const table = button.closest(".card").querySelector("table");
    const quoted = (text) => (/[",\n\r]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
    const keys = [...table.tHead.rows[0].cells].map((cell) => cell.dataset.key);
    const rows = [...table.tBodies[0].rows].map((row) => [...row.cells].map((cell) => cell.dataset.value));
    const text = [keys, ...rows].map((row) => row.map(quoted).join(",")).join("\n");
    const link = make("a", { download: button.dataset.csv });
    link.href = URL.createObjectURL(new Blob([`${text}\n`], { type: "text/csv" }));
    link.click();
    URL.revokeObjectURL(link.href);
  };

  // Commands

  const copy = async (button) => {
    const code = button.parentElement.querySelector("code");
    let label = "Copied";
    try {
      await navigator.clipboard.writeText(code.textContent);
    } catch {
      getSelection().selectAllChildren(code);
      label = "Selected";
    }
    button.textContent = label;
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  };

  // The player

  const CELL = 100;
  const MOST_NUMBERS = 256;
  const MOST_TILES = 400;
  const MILLISECONDS_A_STEP = 450;
  const MILLISECONDS_TO_MOVE = 260;

  const player = (figure) => {
    const { sources, tracks } = JSON.parse(figure.querySelector(".orders").textContent);
    const find = (selector) => figure.querySelector(selector);
    const [svg, slider, play, strip] = [".path", "input[type=range]", ".play", ".strip"].map(find);
    let track, parts, points, step, timer, frame, picture;

    const centres = (order) => {
      const width = track.grid[1];
      return order.map((patch) => [(patch % width + 0.5) * CELL, (Math.floor(patch / width) + 0.5) * CELL]);
    };
    const isRead = (slot, slots) => !track.reached[slots] || track.reached[slots][slot];

    // A jump is bent so that it does not cross the patches in between.
    const curve = ([ax, ay], [bx, by]) => {
      const length = Math.hypot(bx - ax, by - ay);
      const bend = length > 1.05 * CELL ? 0.14 : 0;
      const x = (ax + bx) / 2 - bend * (by - ay);
      const y = (ay + by) / 2 + bend * (bx - ax);
      return `M${ax.toFixed(1)} ${ay.toFixed(1)}Q${x.toFixed(1)} ${y.toFixed(1)} ${bx.toFixed(1)} ${by.toFixed(1)}`;
    };

    const place = (next) => {
      points = next;
      parts.steps.forEach(([casing, line], slot) => {
        const path = curve(points[slot], points[slot + 1]);
        const isJump = Math.hypot(points[slot + 1][0] - points[slot][0], points[slot + 1][1] - points[slot][1]) > 1.05 * CELL;
        casing.setAttribute("d", path);
        line.setAttribute("d", path);
        line.classList.toggle("jump", isJump);
        line.setAttribute("stroke-width", isJump ? 5 : 13);
        casing.setAttribute("stroke-width", isJump ? 9 : 19);
      });
      parts.nodes.forEach((node, slot) => {
        node.setAttribute("transform", `translate(${points[slot][0].toFixed(1)} ${points[slot][1].toFixed(1)})`);
      });
    };

    const moveTo = (target) => {
      cancelAnimationFrame(frame);
      if (calm.matches || document.hidden) return place(target);
      const from = points;
      let began;
      const tick = (now) => {
        began ??= now;
        const share = Math.min(1, (now - began) / MILLISECONDS_TO_MOVE);
        const eased = share * share * (3 - 2 * share);
        place(target.map(([x, y], slot) => [from[slot][0] + eased * (x - from[slot][0]), from[slot][1] + eased * (y - from[slot][1])]));
        if (share < 1) frame = requestAnimationFrame(tick);
      };
      frame = requestAnimationFrame(tick);
    };

    const fillStrip = (order) => {
      const [height, width] = track.grid;
      [...strip.children].forEach((tile, slot) => {
        const [row, column] = [Math.floor(order[slot] / width), order[slot] % width];
        tile.title = `slot ${slot}: row ${row}, column ${column}`;
        const across = width > 1 ? (100 * column) / (width - 1) : 0;
        const down = height > 1 ? (100 * row) / (height - 1) : 0;
        tile.firstChild.style.backgroundPosition = `${across}% ${down}%`;
      });
    };

    const show = (next, isMoving = true) => {
      step = next;
      const { epoch, order, words } = track.steps[step];
      slider.value = step;
      slider.setAttribute("aria-valuetext", `epoch ${epoch}: ${words}`);
      find("output").textContent = epoch;
      find(".status").textContent = words;
      svg.dataset.order = order.join(" ");
      // An order that leaves patches out can have fewer slots than the previous one.
      const hasOtherSlots = order.length !== parts.nodes.length;
      if (hasOtherSlots) {
        cancelAnimationFrame(frame);
        build(order.length);
        choosePicture(picture);
      }
      fillStrip(order);
      if (isMoving && !hasOtherSlots) moveTo(centres(order));
      else place(centres(order));
    };

    const pause = () => {
      clearInterval(timer);
      timer = undefined;
      play.textContent = "Play";
      play.setAttribute("aria-pressed", "false");
    };
    const start = () => {
      if (step === track.steps.length - 1) show(0);
      play.textContent = "Pause";
      play.setAttribute("aria-pressed", "true");
      timer = setInterval(() => {
        if (step === track.steps.length - 1) pause();
        else show(step + 1);
      }, MILLISECONDS_A_STEP);
    };

    const choosePicture = (number) => {
      const [height, width] = track.grid;
      picture = number;
      const source = sources[track.sources[number]];
      parts.image?.setAttribute("href", source ?? "");
      for (const tile of strip.children) {
        tile.firstChild.style.backgroundImage = source ? `url("${source}")` : "none";
        tile.firstChild.style.backgroundSize = `${100 * width}% ${100 * height}%`;
      }
      svg.setAttribute("aria-label", `The order drawn over ${track.pictures[number] ?? "the grid of patches"}`);
    };

    const offerPictures = () => {
      const fieldset = find(".pictures");
      fieldset.replaceChildren(make("legend", {}, "Image"));
      fieldset.hidden = track.sources.length < 2;
      track.sources.forEach((source, number) => {
        const label = make("label", { title: track.pictures[number] });
        const input = make("input", { type: "radio", name: "picture", value: number });
        input.checked = number === 0;
        input.addEventListener("change", () => choosePicture(number));
        label.append(input, make("img", { src: sources[source], alt: track.pictures[number] }));
        fieldset.append(label);
      });
    };

    const build = (slots) => {
      const [height, width] = track.grid;
      svg.replaceChildren();
      svg.setAttribute("viewBox", `0 0 ${CELL * width} ${CELL * height}`);
      parts = { steps: [], nodes: [], image: null };
      if (track.sources.length) {
        parts.image = draw(svg, "image", { width: CELL * width, height: CELL * height, preserveAspectRatio: "none" });
        draw(svg, "rect", { class: "veil", width: CELL * width, height: CELL * height });
      }
      let rules = "";
      for (let column = 0; column <= width; column++) rules += `M${CELL * column} 0V${CELL * height}`;
      for (let row = 0; row <= height; row++) rules += `M0 ${CELL * row}H${CELL * width}`;
      draw(svg, "path", { class: "rule", d: rules });
      const [casings, lines, nodes] = ["g", "g", "g"].map((name) => draw(svg, name));
      for (let slot = 0; slot < slots - 1; slot++) {
        const pale = isRead(slot, slots) && isRead(slot + 1, slots) ? "" : " pale";
        const casing = draw(casings, "path", { class: `casing${pale}` });
        parts.steps.push([casing, draw(lines, "path", { class: `step${pale}`, stroke: track.colors[slot] })]);
      }
      const radius = slots <= 36 ? 21 : 29;
      for (let slot = 0; slot < slots; slot++) {
        const isEnd = slot === 0 || slot === slots - 1;
        const node = draw(nodes, "g", isRead(slot, slots) ? {} : { class: "pale" });
        parts.nodes.push(node);
        if (slots > MOST_NUMBERS && !isEnd) continue;
        const look = { class: isEnd ? "node end" : "node", fill: track.colors[slot], "stroke-width": isEnd ? 5 : 3 };
        if (slot === slots - 1 && slots > 1) draw(node, "rect", { ...look, x: -radius, y: -radius, width: 2 * radius, height: 2 * radius });
        else draw(node, "circle", { ...look, r: radius });
        const size = radius * (slots > 100 ? 0.95 : 1.05);
        draw(node, "text", { fill: track.inks[slot], style: `font-size: ${size}px` }).textContent = slot;
      }
      strip.replaceChildren();
      const hasTiles = slots <= MOST_TILES;
      strip.hidden = find(".strip-heading").hidden = !hasTiles;
      strip.style.setProperty("--tile", slots <= 64 ? "2.5rem" : slots <= 144 ? "1.6rem" : "1.1rem");
      for (let slot = 0; hasTiles && slot < slots; slot++) {
        const tile = make("li", isRead(slot, slots) ? {} : { class: "pale" });
        tile.style.borderBottomColor = track.colors[slot];
        tile.append(make("i"));
        strip.append(tile);
      }
      find(".ramp").style.background = `linear-gradient(90deg, ${track.colors.concat(track.colors.slice(-1)).join(", ")})`;
      find(".track-note").textContent = track.note;
    };

    const choose = (number) => {
      pause();
      track = tracks[number];
      build(track.steps[track.steps.length - 1].order.length);
      offerPictures();
      choosePicture(0);
      slider.max = track.steps.length - 1;
      show(track.steps.length - 1, false);
    };

    const select = find(".tracks");
    tracks.forEach((each, number) => select.append(make("option", { value: number }, each.label)));
    find(".choice").hidden = tracks.length < 2;
    select.addEventListener("change", () => choose(Number(select.value)));
    slider.addEventListener("input", () => { pause(); show(Number(slider.value)); });
    play.addEventListener("click", () => (timer === undefined ? start() : pause()));
    find(".stage").hidden = false;
    choose(0);
  };

  document.querySelectorAll("[data-hover]").forEach(followPointer);
  document.querySelectorAll("table.sortable").forEach(sortable);
  document.querySelectorAll("[data-csv]").forEach((button) => button.addEventListener("click", () => saveCsv(button)));
  document.querySelectorAll(".copy").forEach((button) => button.addEventListener("click", () => copy(button)));
  document.querySelectorAll(".player").forEach(player);
})();
