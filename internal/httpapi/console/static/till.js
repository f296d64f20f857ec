// The till works without this script. With it, the page stays open while the network is
// away: what is booked waits in the browser's storage and is sent once, with the key of
// its form. It also shows the points of an amount before they are booked, and scans
// with the camera.
'use strict';

(() => {
  const prefix = 'addcard.till.'; // of the names in the storage, before the key of a form
  const patience = 10000; // how long to wait for an answer, in milliseconds
  const report = []; // what was sent after it had waited, until the next card is looked for

  const queue = () => document.getElementById('till-queue');
  const element = (name, text, className = '') => Object.assign(document.createElement(name), { textContent: text, className });

  // ask returns the server's answer, or null if there is none now and the same may be
  // sent again. Other answers are final, but for a 401.
  async function ask(url, options = {}) {
    const abort = new AbortController();
    const timer = setTimeout(() => abort.abort(), patience);
    try {
      const response = await fetch(url, { ...options, signal: abort.signal });
      const answer = { response, text: await response.text() };
      return response.status >= 500 || response.status === 429 || response.status === 408 ? null : answer;
    } catch {
      return null;
    } finally {
      clearTimeout(timer);
    }
  }

  const send = (item, accept) => ask(item.url, {
    method: 'POST', body: item.form, headers: { 'Content-Type': 'application/x-www-form-urlencoded', Accept: accept },
  });

  // show puts an answer in the place of the page.
  function show({ response, text }) {
    const main = new DOMParser().parseFromString(text, 'text/html').getElementById('main');
    if (!main || !main.querySelector('#till-queue')) {
      location.assign(response.redirected ? response.url : location.href);
      return;
    }
    stopCamera();
    document.getElementById('main').replaceWith(main);
    if (response.redirected || !response.url.endsWith('/entries')) history.replaceState(null, '', response.url);
    begin();
  }

  // What waits: each booking has an item of its own, so that tabs do not overwrite each
  // other's. All send it with the key that it was made with.
  function waiting() {
    let names = [];
    try { names = Object.keys(localStorage); } catch { /* the browser allows no storage */ }
    return names.filter((name) => name.startsWith(prefix))
      .map((name) => [name, JSON.parse(localStorage.getItem(name))]).sort((a, b) => a[1].at - b[1].at);
  }

  // change changes an item, unless another tab has removed it.
  function change(name, changes) {
    const item = JSON.parse(localStorage.getItem(name));
    if (item) localStorage.setItem(name, JSON.stringify({ ...item, ...changes }));
    render();
  }

  function remove(name) {
    localStorage.removeItem(name);
    render();
  }

  // A tab that sends an item has it for itself for a while. If it is closed meanwhile,
  // another sends the item again, with the same key.
  const isTaken = (item) => Date.now() - item.sending < 2 * patience;

  let flushing = false;
  async function flush() {
    if (flushing || !queue()) return;
    flushing = true;
    const before = report.length;
    for (const [name, item] of waiting()) {
      if (item.refused || item.who !== queue().dataset.who || isTaken(item)) continue;
      change(name, { sending: Date.now() });
      const answer = await send(item, 'application/json');
      if (!answer || answer.response.status === 401) {
        change(name, { sending: 0, ended: Boolean(answer) });
        break;
      }
      let result = { text: String(answer.response.status) };
      try { result = JSON.parse(answer.text); } catch { /* a page: it is not the till's */ }
      if (answer.response.ok) {
        report.push(result.text);
        remove(name);
      } else if (result.code === 'other_person') {
        change(name, { sending: 0 });
        break;
      } else {
        change(name, { sending: 0, ended: false, refused: result.text });
      }
    }
    flushing = false;
    if (report.length > before) renewOwn();
  }

  // renewOwn shows what was sent among the person's own entries.
  async function renewOwn() {
    const answer = await ask(document.querySelector('[data-find]').action);
    const own = answer && new DOMParser().parseFromString(answer.text, 'text/html').getElementById('till-own');
    if (own) document.getElementById('till-own')?.replaceWith(own);
  }

  // render says what waits, what was refused, and what was sent.
  function render() {
    const box = queue();
    if (!box) return;
    const texts = box.dataset;
    const all = waiting().filter(([, item]) => !isTaken(item));
    const open = all.filter(([, item]) => !item.refused);
    const list = document.createElement('ul');
    for (const [name, item] of all) {
      const line = element('li', '');
      line.append(element('span', item.label));
      if (item.who !== texts.who) line.append(element('span', `${texts.of} ${item.name}`));
      if (item.refused) {
        line.append(element('strong', `${texts.refused} ${item.refused}`, 'refused'));
        const button = element('button', texts.ok);
        button.type = 'button';
        button.addEventListener('click', () => remove(name));
        line.append(button);
      }
      list.append(line);
    }
    for (const text of report) list.append(element('li', text));
    box.replaceChildren();
    if (open.length > 0) box.append(element('strong', `${open.length} ${texts.waiting}`));
    if (open.some(([, item]) => item.ended && item.who === texts.who)) {
      const link = element('a', texts.ended);
      link.href = texts.login;
      box.append(' ', link);
    }
    box.append(list);
    box.hidden = all.length === 0 && report.length === 0;
    box.classList.toggle('bad', all.length > 0);
  }

  // find shows the card that a code names, or a form that waits for the network.
  async function find(form) {
    const query = form.elements.query.value.trim();
    report.length = 0;
    const answer = await ask(`${form.action}?${new URLSearchParams({ query })}`);
    delete form.dataset.busy;
    if (answer) show(answer);
    else offline(query);
    flush();
  }

  // clear removes what the page says of the last card.
  function clear() {
    for (const old of document.querySelectorAll('[data-face], .result, #main > [role=alert], #main > .choice, #main > .empty')) old.remove();
  }

  function offline(query) {
    clear();
    const page = document.getElementById('till-offline').content.cloneNode(true);
    const form = page.querySelector('form');
    for (const input of form.querySelectorAll('label input')) if (input.name !== 'store') input.value = '';
    form.elements.query.value = query;
    form.elements.key.value = Array.from(crypto.getRandomValues(new Uint8Array(16)), (n) => n.toString(16).padStart(2, '0')).join('');
    page.querySelector('h2').textContent = query;
    document.querySelector('[data-find]').after(page);
    document.querySelector('[data-find]').elements.query.value = '';
    form.elements.amount.focus();
  }

  // labelOf says in the words of the form what it books.
  function labelOf(form, button) {
    const named = form.elements.code || form.elements.query;
    const fields = [...form.querySelectorAll('label')].map((label) => [label.textContent.trim(), label.querySelector('input').value.trim()]);
    return [named.value, button.textContent, ...fields.filter(([, value]) => value).map((pair) => pair.join(' '))].join(' · ');
  }

  // book stores what the form books before it is sent. It reports whether it could.
  function book(form, button) {
    const data = new URLSearchParams(new FormData(form));
    data.set(button.name, button.value);
    const texts = queue().dataset;
    const name = prefix + form.elements.key.value;
    const item = {
      url: form.action, form: String(data), label: labelOf(form, button), who: texts.who, name: texts.name, at: Date.now(), sending: Date.now(),
    };
    try {
      localStorage.setItem(name, JSON.stringify(item));
    } catch {
      return false; // the storage is full or closed: the browser sends the form
    }
    send(item, 'text/html').then((answer) => {
      if (answer && answer.response.status !== 401) {
        remove(name);
        show(answer);
        return;
      }
      change(name, { sending: 0, ended: Boolean(answer) });
      clear();
      document.querySelector('[data-find]').elements.query.focus();
    });
    return true;
  }

  document.addEventListener('submit', (event) => {
    const form = event.target;
    if (event.defaultPrevented || form.dataset.busy) {
      event.preventDefault();
    } else if ('find' in form.dataset) {
      event.preventDefault();
      form.dataset.busy = 'yes';
      find(form);
    } else if ('book' in form.dataset) {
      if (book(form, event.submitter || form.querySelector('button.main'))) event.preventDefault();
    }
  });

  // A scanner types into the field that has the focus. If none has it, the code is looked
  // for; and a code in the field of an amount is the next customer's.
  document.addEventListener('keydown', (event) => {
    const input = event.target;
    if (input === document.body && /^[0-9A-Za-z]$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey) {
      document.getElementById('query')?.focus();
      return;
    }
    if (event.key !== 'Enter' || !input.matches?.('[data-book] input[inputmode]') || !/^\d{8,}$/.test(input.value)) return;
    event.preventDefault();
    const search = document.querySelector('[data-find]');
    search.elements.query.value = input.value;
    search.requestSubmit();
  });

  // preview shows the points that an amount earns by the shop's rule, and the totals.
  function preview(form) {
    const { amount, points } = form.elements;
    const earned = (parts(amount.value, 2) ?? 0n) * BigInt(form.dataset.rate) / 10000n;
    points.placeholder = earned > 0n ? String(earned) : '';
    showTotals(form);
  }

  document.addEventListener('input', (event) => {
    const form = event.target.closest('[data-book]');
    if (form) preview(form);
  });

  // The camera, where the browser reads codes and the connection is encrypted.
  let stream = null;
  function stopCamera() {
    for (const track of stream ? stream.getTracks() : []) track.stop();
    stream = null;
  }

  async function scan() {
    const video = document.querySelector('[data-preview]');
    const search = document.querySelector('[data-find]');
    try {
      const detector = new BarcodeDetector({ formats: ['qr_code', 'code_128'] });
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: 'environment' } });
      video.srcObject = stream;
      video.hidden = false;
      await video.play();
      while (stream && video.isConnected) {
        const [found] = await detector.detect(video);
        if (found) {
          search.elements.query.value = found.rawValue;
          search.requestSubmit();
          break;
        }
        await new Promise((resolve) => { setTimeout(resolve, 150); });
      }
    } catch {
      report.push(queue().dataset.blind);
      render();
    }
    stopCamera();
    video.hidden = true;
  }

  document.addEventListener('click', (event) => {
    if (!event.target.closest('[data-camera]')) return;
    if (stream) stopCamera();
    else scan();
  });

  // begin prepares the page, or what was put in its place.
  function begin() {
    const camera = document.querySelector('[data-camera]');
    if (camera) camera.hidden = !('BarcodeDetector' in window && navigator.mediaDevices);
    document.querySelector('#main [autofocus]')?.focus();
    for (const form of document.querySelectorAll('[data-book]')) preview(form);
    render();
  }

  begin();
  flush();
  window.addEventListener('online', flush);
  window.addEventListener('storage', render);
  setInterval(() => { if (waiting().length > 0) flush(); }, 3000);
})();
