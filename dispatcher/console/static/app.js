// Live figures of one wave: whole snapshots once a second; nothing here is needed to use a page.
const root = document.querySelector("[data-live]");
document.querySelector("[data-focus]")?.focus();

if (root && /^(running|paused)/.test(root.dataset.state)) {
  const stamp = root.querySelector(".stamp");
  const word = root.querySelector("[data-lostword]");
  const plain = word.textContent;
  const sentence = root.querySelector("[data-sentence]").content.textContent;
  let source = null, seq = 0, heard = Date.now(), spoken = 0, wait = 1000, later = 0;

  const lost = (yes) => {
    stamp.classList.toggle("lost", yes);
    word.textContent = yes ? root.dataset.lost : plain;
  };
  const put = (message) => {
    if (message.state !== root.dataset.state && !root.querySelector("details[open] :focus")) { location.reload(); return; }
    if (message.seq <= seq) return;
    seq = message.seq; heard = Date.now(); wait = 1000; lost(false);
    for (const place of root.querySelectorAll("[data-told]")) {
      const text = message.told[place.dataset.told];
      if (text !== undefined && place.textContent !== text) place.textContent = text;
    }
    for (const svg of root.querySelectorAll("[data-bar]")) {
      (message.bars[svg.dataset.bar] ?? []).forEach(([x, width], i) => {
        svg.children[i].setAttribute("x", `${x}%`);
        svg.children[i].setAttribute("width", `${width}%`);
      });
    }
    if (heard - spoken > 60000) {
      spoken = heard;
      root.querySelector("[data-say]").textContent = sentence.replace("#1", message.told.taken).replace("#2", message.told.total);
    }
  };
  const close = () => { clearTimeout(later); source?.close(); source = null; };
  const open = () => {
    close();
    seq = 0;
    source = new EventSource(root.dataset.live);
    source.onmessage = (event) => put(JSON.parse(event.data));
    source.addEventListener("gone", () => location.reload());
    source.onerror = () => {
      close();
      later = setTimeout(open, wait * (0.5 + Math.random()));
      wait = Math.min(wait * 2, 30000);
    };
  };
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  setInterval(() => { if (!document.hidden && Date.now() - heard > 5000) lost(true); }, 1000);
  open();
}
