// Put into a copy of the report: tells the frame around it what a reader of this width and colour scheme would see.
addEventListener('load', () => {
  const root = document.documentElement, all = [...document.querySelectorAll('body *')];
  const luminance = c => {
    const l = c.map(v => { v /= 255; return v <= 0.04045 ? v / 12.92 : Math.pow((v + 0.055) / 1.055, 2.4); });
    return 0.2126 * l[0] + 0.7152 * l[1] + 0.0722 * l[2];
  };
  const colour = text => text.match(/[\d.]+/g).map(Number);
  const ground = e => {
    for (; e; e = e.parentElement) {
      const c = colour(getComputedStyle(e).backgroundColor);
      if (c.length < 4 || c[3] > 0) return c;
    }
    return [255, 255, 255];
  };
  const shown = e => e.getClientRects().length > 0 && getComputedStyle(e).visibility === 'visible';
  const scrolls = e => {
    for (; e && e !== document.body; e = e.parentElement) if (getComputedStyle(e).overflowX !== 'visible') return true;
    return false;
  };
  const wide = all.filter(e => !e.closest('svg') && !scrolls(e) && e.getBoundingClientRect().right > innerWidth + 1);
  const texts = all.filter(e => !e.closest('svg') && shown(e) && [...e.childNodes].some(n => n.nodeType === 3 && n.data.trim()));
  let contrast = 99, faint = '', text = 99, drawing = 99;
  for (const e of texts) {
    const s = getComputedStyle(e), a = luminance(colour(s.color)), b = luminance(ground(e));
    const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < contrast) { contrast = ratio; faint = e.tagName + ' ' + e.textContent.slice(0, 40); }
    text = Math.min(text, parseFloat(s.fontSize));
  }
  for (const t of document.querySelectorAll('svg text')) {
    const svg = t.ownerSVGElement, scale = svg.getBoundingClientRect().width / svg.viewBox.baseVal.width;
    drawing = Math.min(drawing, parseFloat(getComputedStyle(t).fontSize) * scale);
  }
  const fits = s => s.getBoundingClientRect().width > 0 && s.getBoundingClientRect().right <= innerWidth + 1;
  parent.postMessage({
    width: innerWidth, scroll: root.scrollWidth, contrast, faint, text, drawing,
    dark: luminance(ground(document.body)) < 0.2,
    wide: wide.slice(0, 5).map(e => e.tagName + ' ' + e.textContent.slice(0, 40)),
    crushed: texts.filter(e => e.closest('tbody') && e.getBoundingClientRect().width < 20 && e.textContent.trim().length > 3).length,
    loaded: performance.getEntriesByType('resource').map(r => r.name),
    sections: [...document.querySelectorAll('section')].map(e => ({ id: e.id, drawings: [...e.querySelectorAll('svg')].filter(fits).length }))
  }, '*');
});
