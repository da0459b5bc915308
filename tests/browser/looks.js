// What is asked of a page that a browser has laid out; each question answers with the faults, named.
(() => {
  const words = (e) => (e.innerText ?? "").trim().slice(0, 40);
  const named = (e) => `${e.tagName.toLowerCase()}.${e.getAttribute("class") ?? ""} "${words(e)}"`;
  const seen = (e) => e.checkVisibility({ checkVisibilityCSS: true, contentVisibilityAuto: true })
    && e.getClientRects().length && !e.closest(".hid, .defs, .skip, svg svg");
  const told = (name) => Number(document.querySelector(`[data-told="${name}"]`)?.textContent.replaceAll(".", ""));
  const HOLDERS = ".card, .note, .bubble, .summary, .btn, .chip, .item, td, th";

  const beyond = (e, box) => {
    const holder = e.parentElement?.closest(HOLDERS);
    if (!holder || getComputedStyle(e).position === "absolute") return 0;
    const style = getComputedStyle(holder), edge = holder.getBoundingClientRect();
    if (style.display === "inline") return 0;
    const right = edge.right - parseFloat(style.paddingRight) - parseFloat(style.borderRightWidth);
    const left = edge.left + parseFloat(style.paddingLeft) + parseFloat(style.borderLeftWidth);
    return Math.round(Math.max(box.right - right, left - box.left));
  };

  return {
    spills() {
      const faults = [], page = document.documentElement, wide = page.clientWidth, told = new Set();
      if (page.scrollWidth > wide) faults.push(`the page scrolls sideways: ${page.scrollWidth} > ${wide}`);
      for (const e of document.body.querySelectorAll("*")) {
        if (!seen(e) || (e.closest("svg") !== null && e.tagName !== "svg")) continue;
        const wider = e.clientWidth && e.clientWidth < e.scrollWidth - 1 ? e.scrollWidth - e.clientWidth : 0;
        if (wider && e.matches(HOLDERS) && !e.closest("thead")) faults.push(`${named(e)} is ${wider} px too narrow`);
        const box = e.getBoundingClientRect(), far = beyond(e, box);
        if (far <= 1 && box.right <= wide + 1 && box.left >= -1) continue;
        if (!told.has(e.parentElement)) faults.push(`${named(e)} passes what holds it by ${far} px`);
        told.add(e); // what is in it passes too, and is not told again
      }
      return faults;
    },
    small(least) {
      const faults = [];
      for (const e of document.body.querySelectorAll("a, button, input, select, textarea, summary")) {
        if (!seen(e) || e.type === "hidden") continue;
        const label = /^(radio|checkbox)$/.test(e.type) ? e.labels[0] : null;
        const height = (label ?? e).getBoundingClientRect().height;
        const running = e.tagName === "A" && getComputedStyle(e).display === "inline"
          && [...e.parentElement.childNodes].some((each) => each !== e && each.textContent.trim());
        if (!running && height < least - 0.5) faults.push(`${named(e)} is ${Math.round(height)} px high`);
      }
      return faults;
    },
    inline() {
      const found = document.querySelectorAll("[style], style, script:not([src]), [onclick], [onload], [onsubmit]");
      return [...found].map((e) => e.outerHTML.slice(0, 120));
    },
    buckets() {
      const parts = [...document.querySelectorAll(".k [data-told]")].map((e) => told(e.dataset.told));
      return [parts.reduce((a, b) => a + b, 0), told("total")];
    },
  };
})()
